"""`python -m sophia_infra.exporter`: the exporter as a process, until SIGTERM or SIGINT.

Exit codes: 0 ended by a signal; 1 cannot listen on the address; 64 wrong settings, arguments or environment,
or an emulator that does not answer. Nothing was sent to Lambda Cloud when it is not 0.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from sophia_infra.exporter.errors import ExporterError
from sophia_infra.exporter.running import LISTEN, run_exporter, set_up_logs
from sophia_infra.metrics_server import CannotListen, ListenError, parse_address
from sophia_infra.model.errors import ConfigError, Problem
from sophia_infra.monitoring.exporter_settings import ExporterSettings, read_exporter_settings
from sophia_infra.privacy import forbid_core_dumps
from sophia_infra.provider.cloud_clock import clock_of
from sophia_infra.provider.errors import SettingsRefused
from sophia_infra.provider.settings import cloud_access

__all__ = ["FAILED", "USAGE", "main"]

FAILED = 1
USAGE = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal; the exit code."""
    forbid_core_dumps()
    options = _parser().parse_args(arguments)
    try:
        listen = parse_address(options.listen)
        settings = _read(options.config)
        access = cloud_access({"sophia:endpoint": settings.endpoint}.get, os.environ)
        set_up_logs()
        run_exporter(settings, access, clock_of(access), listen=listen, state=options.state)
    except CannotListen as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except (ExporterError, ListenError, ConfigError, SettingsRefused) as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"error: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m sophia_infra.exporter",
        description="The fleet of a stack and its dollars as Prometheus metrics. The API key is read from "
        "LAMBDA_API_KEY, the address of an emulator from LAMBDA_API_URL.",
    )
    parser.add_argument("--config", type=Path, required=True, help="ExporterSettings as JSON")
    parser.add_argument(
        "--listen", default="{}:{}".format(*LISTEN), help="host and port (default %(default)s)"
    )
    parser.add_argument("--state", type=Path, help="file that keeps counters and the month over restarts")
    return parser


def _read(path: Path) -> ExporterSettings:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        problem = "is not UTF-8 text"
    else:
        return read_exporter_settings(text, path.name)
    raise ConfigError([Problem(str(path), "", None, None, None, problem)])


if __name__ == "__main__":
    sys.exit(main())
