"""`python -m sophia_infra.esc.emulator`: an emulated Pulumi ESC as a process, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import ipaddress
import os
import secrets
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from sophia_infra.esc.emulator.persistence import StateFile, StateFileUnusable
from sophia_infra.esc.emulator.state import Store
from sophia_infra.esc.private_file import write_private_file
from sophia_infra.esc.secret_text import SecretText
from sophia_infra.privacy import forbid_core_dumps

__all__ = ["main"]

_USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal; exit code 0 then, 2 for a bad argument or an unusable file."""
    forbid_core_dumps()
    parser = argparse.ArgumentParser(
        prog="sophia esc emulator", description="Pulumi ESC in a process, for the local stack and for tests."
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="loopback address to listen on (default 127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=0, help="port; 0 (default) lets the system choose")
    parser.add_argument(
        "--state-file", type=Path, help="keep the environments here; secrets in it are sealed"
    )
    parser.add_argument(
        "--endpoint-file", type=Path, help="write {url, pid, token_file} here once it listens"
    )
    parser.add_argument(
        "--token-file", type=Path, required=True, help="access token; made, mode 0600, when there is none"
    )
    options = parser.parse_args(arguments)
    try:
        if not ipaddress.ip_address(options.host).is_loopback:
            raise ValueError(f"--host {options.host} is not a loopback address")
        token = _token(options.token_file)
        kept = StateFile(options.state_file) if options.state_file else None
        return _serve(options, token, kept)
    except (ValueError, StateFileUnusable) as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        print(f"error: cannot listen or write: {error}", file=sys.stderr)
    return _USAGE_ERROR


def _token(path: Path) -> SecretText:
    if not path.exists():
        write_private_file(path, secrets.token_urlsafe(32))
    text = path.read_text(encoding="utf-8").strip()
    if not text.isascii() or not text.isprintable() or " " in text or not text:
        raise ValueError(f"{path} holds no access token")
    return SecretText(text)


def _serve(options: argparse.Namespace, token: SecretText, kept: StateFile | None) -> int:
    from sophia_infra.esc.emulator.wire import create_app
    from sophia_infra.http_server import SocketServer, listen_on, url_of, write_endpoint

    store, save = (Store(), lambda: None) if kept is None else (kept.store, kept.save)
    with listen_on(options.host, options.port) as listening:
        url = url_of(listening)

        def announce() -> None:
            print(f"ESC emulator on {url}, pid {os.getpid()}", flush=True)
            if options.endpoint_file:
                write_endpoint(options.endpoint_file, {"url": url, "token_file": str(options.token_file)})

        server = SocketServer(create_app(store, token, save), on_ready=announce)
        signal.signal(signal.SIGTERM, lambda *_: server.stop())
        signal.signal(signal.SIGINT, lambda *_: server.stop())
        server.run([listening])
    return 0


if __name__ == "__main__":
    sys.exit(main())
