"""`python -m sophia_infra.inference.gateway`: one gateway as a process, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sophia_infra.inference.errors import InferenceError, SettingsRefused
from sophia_infra.inference.gateway.keys import key_line, make_key
from sophia_infra.inference.gateway.logs import set_up_logs
from sophia_infra.inference.gateway.settings import GatewaySettings
from sophia_infra.privacy import forbid_core_dumps

__all__ = ["main"]

_USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal; exit code 0 then, 2 for a setting that cannot be right."""
    forbid_core_dumps()
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.new_key is not None:
            key = make_key(options.new_key)
            print(f"key (shown once): {key}\nline for the file of keys: {key_line(options.new_key, key)}")
            return 0
        if options.config is None or options.keys is None:
            parser.error("--config and --keys are needed")
        settings = _settings(options)
        set_up_logs(options.log_level)
        from sophia_infra.inference.gateway.running import run_gateway

        run_gateway(settings)
    except InferenceError as error:
        print(f"error: {error}", file=sys.stderr)
        return _USAGE_ERROR
    except OSError as error:
        print(f"error: cannot listen or write: {error}", file=sys.stderr)
        return _USAGE_ERROR
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sophia_infra.inference.gateway",
        description="One OpenAI-compatible door to all models, with budgets.",
    )
    parser.add_argument("--config", type=Path, help="GatewayConfig as JSON, every backend with its base_url")
    parser.add_argument("--keys", type=Path, help="file with one line `user: sha256` for each key")
    parser.add_argument(
        "--ledger",
        metavar="URL",
        help="SQLAlchemy URL of the ledger; default: the configuration's ledger_url_env, "
        "else a SQLite file beside the configuration",
    )
    parser.add_argument("--catalogue", type=Path, help="file with further models")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port; 0 (default) lets the system choose")
    parser.add_argument(
        "--endpoint-file", type=Path, help="write {url, pid} here once connections are accepted"
    )
    parser.add_argument(
        "--min-warm",
        action="append",
        default=[],
        metavar="MODEL=N",
        help="backends that should have the model loaded (default 1); may be repeated",
    )
    parser.add_argument(
        "--linger-s",
        type=float,
        default=0.0,
        help="seconds for which calls are still taken after SIGTERM, while /ready says no (default 0)",
    )
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    parser.add_argument(
        "--log-prompts", action="store_true", help="write prompts into the log (default: never)"
    )
    parser.add_argument("--new-key", metavar="USER", help="print a new key and its line, then end")
    return parser


def _settings(options: argparse.Namespace) -> GatewaySettings:
    min_warm: dict[str, int] = {}
    for text in options.min_warm:
        model, _, count = text.partition("=")
        if not model or not count.isdecimal():
            raise SettingsRefused(f"--min-warm {text!r} is not MODEL=N, for example qwen-3-32b=2.")
        min_warm[model] = int(count)
    return GatewaySettings(
        config_path=options.config,
        keys_path=options.keys,
        ledger_url=options.ledger,
        catalogue_path=options.catalogue,
        host=options.host,
        port=options.port,
        endpoint_file=options.endpoint_file,
        min_warm=min_warm,
        linger_s=options.linger_s,
        log_prompts=options.log_prompts,
    )


if __name__ == "__main__":
    sys.exit(main())
