"""`python -m sophia_infra.inference.mock_backend`: one backend as a process, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sophia_infra.http_server import SocketServer, listen_on, url_of, write_endpoint
from sophia_infra.model.loopback import is_loopback

from .app import create_app
from .faults import KINDS
from .server import BACKLOG
from .settings import BadMockSettings, MockSettings

__all__ = ["main"]

_USAGE_ERROR = 2
_NUMBERS = ("seed", "context_tokens", "answer_tokens", "running", "cache_tokens")
_FRACTIONS = ("first_token_s", "token_s", "cold_start_s", "warm_up_s", "speed", "fault_retry_after_s")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal; exit code 0 then, 2 for a bad argument."""
    options = _parser().parse_args(arguments)
    try:
        settings = _settings(options)
        _check_host(options.host, allow_remote=options.allow_remote)
        return _serve(options, settings)
    except BadMockSettings as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        print(f"error: cannot listen or write: {error}", file=sys.stderr)
    return _USAGE_ERROR


def _parser() -> argparse.ArgumentParser:
    usual = MockSettings()
    parser = argparse.ArgumentParser(
        prog="python -m sophia_infra.inference.mock_backend",
        description="An OpenAI-compatible backend without a model: stable answers, faults on demand.",
    )
    parser.add_argument("--models", default=",".join(usual.models), help="names that it serves, with commas")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port; 0 (default) lets the system choose")
    parser.add_argument(
        "--allow-remote", action="store_true", help="permit a host that other machines can reach"
    )
    parser.add_argument(
        "--endpoint-file", type=Path, help="write {url, pid} here once it accepts connections"
    )
    parser.add_argument("--while-loading", choices=("refuse", "wait"), default=usual.while_loading)
    for name in (*_NUMBERS, *_FRACTIONS):
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=int if name in _NUMBERS else float,
            default=getattr(usual, name),
            help="default %(default)s; see MockSettings",
        )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND=SHARE",
        help=f"share of the requests, 0 to 1, that this hits; may be repeated: {', '.join(KINDS)}",
    )
    return parser


def _settings(options: argparse.Namespace) -> MockSettings:
    rates: dict[str, float] = {}
    for text in options.fault:
        kind, _, share = text.partition("=")
        try:
            rates[kind] = float(share)
        except ValueError:
            raise BadMockSettings(f"--fault {text!r} is not KIND=SHARE, for example cut_after=0.02") from None
    values: dict[str, Any] = {name: getattr(options, name) for name in (*_NUMBERS, *_FRACTIONS)}
    models = tuple(name.strip() for name in options.models.split(","))
    return dataclasses.replace(
        MockSettings(), models=models, fault_rates=rates, while_loading=options.while_loading, **values
    )


def _check_host(host: str, *, allow_remote: bool) -> None:
    if not is_loopback(host) and not allow_remote:
        raise BadMockSettings(f"--host {host} is not a loopback address; --allow-remote permits it")


def _serve(options: argparse.Namespace, settings: MockSettings) -> int:
    with listen_on(options.host, options.port, BACKLOG) as listening:
        url = url_of(listening)

        def announce() -> None:
            if options.endpoint_file:
                write_endpoint(options.endpoint_file, {"url": url})
            print(
                f"mock backend on {url}, pid {os.getpid()}, models {', '.join(settings.models)}", flush=True
            )

        server = SocketServer(create_app(settings), on_ready=announce, backlog=BACKLOG, linger_s=0.0)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.stop())
        server.run([listening])
    return 0


if __name__ == "__main__":
    sys.exit(main())
