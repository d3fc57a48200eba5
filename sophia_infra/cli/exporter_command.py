"""`sophia exporter`: the metrics of one stack's fleet, served or printed once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sophia_infra.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from sophia_infra.cli.stack_context import StackContext
    from sophia_infra.provider.settings import CloudAccess

__all__ = ["run_exporter_command"]


def run_exporter_command(stack: str, *, listen: str, state: Path | None, once: bool) -> ExitCode:
    """Serve until Ctrl-C or SIGTERM; with `once` print what /metrics would show.

    Raises:
        ListenError, ExporterError: address or state file cannot be used; before any request.
        SettingsRefused: see `provider.settings`.
    """
    from sophia_infra.cli.stack_context import open_stack
    from sophia_infra.exporter.running import read_once, run_exporter, set_up_logs
    from sophia_infra.lambda_cloud import Pacer
    from sophia_infra.metrics_server import parse_address
    from sophia_infra.monitoring.exporter_settings import exporter_settings_of
    from sophia_infra.provider.cloud_clock import clock_of

    address = parse_address(listen)
    context = open_stack(stack)
    config = context.config.model_copy(update={"phase": context.prepared.phase})
    settings = exporter_settings_of(config, context.tag)
    access = _access(context)
    clock = clock_of(access)
    # Shared with every other command that uses this key here.
    pacer = Pacer(context.home.pacing, Pacer.key_id(access.base_url, access.api_key), clock)
    set_up_logs()
    if once:
        text, is_up = read_once(settings, access, clock, state=state, pacer=pacer)
        print(text, end="")
        return ExitCode.OK if is_up else ExitCode.CLOUD
    run_exporter(settings, access, clock, listen=address, state=state, pacer=pacer, ready=_say)
    return ExitCode.OK


def _access(context: StackContext) -> CloudAccess:
    from sophia_infra.provider.settings import cloud_access

    return cloud_access({"sophia:endpoint": context.config.endpoint}.get, context.cloud_environment())


def _say(url: str) -> None:
    if sys.stderr.isatty() and not os.environ.get("CI"):
        print(f"{url}/metrics; Ctrl-C ends it.", file=sys.stderr)
