"""`python -m sophia_infra.scaling.serving forecast|scaler`: one of the two as a process, until SIGTERM.

Exit codes: 0 ended by a signal; 1 cannot listen on the address; 64 wrong settings, arguments or environment.
Nothing was launched or changed when it is not 0.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

from pydantic import BaseModel

from sophia_infra.lambda_cloud import install_redaction
from sophia_infra.metrics_server import CannotListen, ListenError, parse_address
from sophia_infra.model.errors import ConfigError, Problem
from sophia_infra.model.scaling_site import ForecasterSite, NodeScalerSite, read_site
from sophia_infra.privacy import forbid_core_dumps
from sophia_infra.provider.errors import SettingsRefused
from sophia_infra.scaling.errors import ScalingError
from sophia_infra.scaling.serving.forecasting import run_forecaster
from sophia_infra.scaling.serving.node_scaling import ScalerFiles, run_node_scaler
from sophia_infra.scaling.serving.service_account import ACCOUNT_FOLDER

__all__ = ["FAILED", "USAGE", "main", "set_up_logs"]

FAILED = 1
USAGE = 64

_Site = TypeVar("_Site", bound=BaseModel)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal; the exit code."""
    forbid_core_dumps()
    options = _parser().parse_args(arguments)
    try:
        listen = parse_address(options.listen)
        if options.program == "forecast":
            site = _read(ForecasterSite, options.config)
            set_up_logs()
            run_forecaster(site, listen)
        else:
            own = _read(NodeScalerSite, options.config)
            set_up_logs()
            run_node_scaler(own, ScalerFiles(options.state, options.account, options.join), listen, say=_line)
    except CannotListen as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except (ListenError, ConfigError, SettingsRefused, ScalingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE
    return 0


def set_up_logs() -> None:
    """Lines for people on standard error, secrets masked."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    install_redaction()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"error: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m sophia_infra.scaling.serving",
        description="Forecaster and node scaler as processes of a cluster. The scaler reads the API key from "
        "LAMBDA_API_KEY.",
    )
    programs = parser.add_subparsers(dest="program", required=True, parser_class=_Parser)
    forecast = programs.add_parser("forecast", help="the load of the next hour as metrics")
    scaler = programs.add_parser("scaler", help="launch and end machines by load; a dry run unless told so")
    for one in (forecast, scaler):
        one.add_argument("--config", type=Path, required=True, help="its part of the stack file, as JSON")
        one.add_argument("--listen", default="127.0.0.1:9106", help="host and port (default %(default)s)")
    scaler.add_argument("--state", type=Path, required=True, help="folder of the journal of launches")
    scaler.add_argument("--join", type=Path, help="file with what machines need to join the cluster")
    scaler.add_argument(
        "--account",
        type=Path,
        default=ACCOUNT_FOLDER,
        help="folder of the account's token (default %(default)s)",
    )
    return parser


def _read(kind: type[_Site], path: Path) -> _Site:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        problem = "is not UTF-8 text"
    else:
        return read_site(kind, text, path.name)
    raise ConfigError([Problem(str(path), "", None, None, None, problem)])


def _line(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
