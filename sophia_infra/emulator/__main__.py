"""`python -m sophia_infra.emulator`: one emulated account as a process, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sophia_infra.emulator.cloud import Cloud
from sophia_infra.emulator.errors import InvalidSettings, StateFileError
from sophia_infra.emulator.persistence import Keeper, NoKeeper, StateFile, StateKeeper
from sophia_infra.emulator.settings import CloudSettings
from sophia_infra.model.clock import ScaledClock
from sophia_infra.model.loopback import is_loopback

__all__ = ["main"]

_USAGE_ERROR = 2
_PORT_MAX = 65_535


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal; exit code 0 then, 2 for a bad argument or an unusable state file."""
    options = _parser().parse_args(arguments)
    try:
        settings = _settings(options)
        _check_host(options.host, allow_remote=options.allow_remote)
        return _serve(options, settings)
    except (InvalidSettings, StateFileError) as error:
        print(f"error: {error}", file=sys.stderr)
        return _USAGE_ERROR
    except OSError as error:
        print(f"error: cannot listen or write: {error}", file=sys.stderr)
        return _USAGE_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sophia emulator",
        description="Lambda Cloud in a process: the vendor's API, a controllable clock, faults, billing.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port; 0 (default) lets the system choose")
    parser.add_argument(
        "--allow-remote", action="store_true", help="permit a host that other machines can reach"
    )
    parser.add_argument(
        "--speed", type=float, default=1.0, help="virtual seconds per real second (default 1)"
    )
    parser.add_argument("--state-file", type=Path, help="keep the account in this file")
    parser.add_argument(
        "--endpoint-file",
        type=Path,
        help="write {url, pid, speed, control_token?} here once connections are accepted",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=JSON",
        dest="settings",
        help="a setting of CloudSettings, for example --set list_lag_s=20; may be repeated",
    )
    parser.add_argument(
        "--control-token-env",
        metavar="NAME",
        help="environment variable that holds the token for /_emulator (default: open on loopback)",
    )
    return parser


def _settings(options: argparse.Namespace) -> CloudSettings:
    values: dict[str, Any] = {}
    for text in options.settings:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidSettings(f"--set {text!r} is not NAME=JSON")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    if options.control_token_env:
        token = os.environ.get(options.control_token_env)
        if not token:
            raise InvalidSettings(f"environment variable {options.control_token_env} is not set")
        values["control_token"] = token
    if not 0 < options.speed < math.inf:  # also false for nan
        raise InvalidSettings(f"--speed is {options.speed}; it must be above 0")
    if not 0 <= options.port <= _PORT_MAX:
        raise InvalidSettings(f"--port is {options.port}; it must be 0 to {_PORT_MAX}")
    return CloudSettings().changed(values)


def _check_host(host: str, *, allow_remote: bool) -> None:
    if not is_loopback(host) and not allow_remote:
        raise InvalidSettings(f"--host {host} is not a loopback address; --allow-remote permits it")


def _serve(options: argparse.Namespace, settings: CloudSettings) -> int:
    cloud = Cloud(settings, ScaledClock(options.speed))
    keeper: Keeper = NoKeeper()
    if options.state_file:
        state_file = StateFile(options.state_file)
        reached_s = state_file.load(cloud.core)
        if reached_s is not None:
            cloud.core.clock = ScaledClock(options.speed, reached_s)
        keeper = StateKeeper(state_file, cloud.core)

    _leave_out_uvicorn_command_line()
    from sophia_infra.emulator.wire.app import create_app
    from sophia_infra.http_server import SocketServer, listen_on, url_of, write_endpoint

    with listen_on(options.host, options.port) as listening:
        url = url_of(listening)

        def announce() -> None:
            print(f"emulator on {url}, pid {os.getpid()}, speed {options.speed:g}", flush=True)
            if options.endpoint_file:
                token = settings.control_token
                more = {} if token is None else {"control_token": token}
                write_endpoint(options.endpoint_file, {"url": url, "speed": options.speed, **more})

        server = SocketServer(create_app(cloud, keeper), on_ready=announce)

        def end(*_: object) -> None:
            cloud.faults.clear(go_on=False)
            server.stop()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        server.run([listening])
    keeper.save()
    return 0


def _leave_out_uvicorn_command_line() -> None:
    """Put an empty module where `import uvicorn` looks for its command line (uvicorn.main, with click).

    Nothing here uses it, and it takes 65 of the 300 ms that this process may take until it accepts
    connections. `uvicorn.server`, which does the work, is imported as it is.
    """
    command_line = types.ModuleType("uvicorn.main")
    vars(command_line).update(dict.fromkeys(("Server", "main", "run")))
    sys.modules.setdefault("uvicorn.main", command_line)


if __name__ == "__main__":
    sys.exit(main())
