"""`sophia monitor`: what runs, what it costs and how it does, on a screen, a page, or as one document.

The document of `--once --json`; every figure is `{"value", "source", "at", "missing"}`, where `at` is ISO
8601 in UTC and `value` is null when it is not known, and then `missing` says why. Money is decimal text.

    stack, taken_at     text
    budget              usd_per_month_720h, alert_percent
    fleet               figure of machines[] (name, id, owner, status, instance_type, gpu, region, purpose,
                        usd_per_hour, usd_so_far), missing[], usd_per_hour{owner}, month_usd{owner},
                        launch_not_recorded[]; an owner is stack, orphan, other or unknown
    month               figure of usd, is_complete
    forecast            figure of spent_usd, expected_usd, interval_80_usd, interval_95_usd (two amounts or
                        null), method
    inference           figures calls_per_s, p95_s, first_token_p95_s, usd_per_hour, queue_length,
                        budget_use_ratio, backends (ready, total, waiting[])
    gpus                figure of rows: node, gpu, model, utilisation_percent, memory_percent, pods[]
    slo                 figure of objective_ratio, services[] (slo, namespace, service, success_ratio,
                        budget_left_ratio)
    alerts              figure of rows: name, severity, state, owner, summary, since, runbook_url
    trouble             sentences about sources that failed
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from sophia_infra.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from sophia_infra.reports.gathering import Gatherer
    from sophia_infra.reports.snapshot import Snapshot

__all__ = ["MIN_INTERVAL_S", "FailOn", "exit_code_of", "run_monitor", "watch"]

MIN_INTERVAL_S = 1.0
FailOn = Literal["critical", "warning"]
_FAILING: dict[FailOn, tuple[str, ...]] = {"critical": ("critical",), "warning": ("critical", "warning")}


def run_monitor(
    stack: str,
    *,
    prometheus: str | None,
    gateway: str | None,
    interval_s: float,
    once: bool,
    as_json: bool,
    fail_on: FailOn | None = None,
) -> ExitCode:
    """Show the stack until Ctrl-C, or once: with `once`, `as_json`, `fail_on`, or when nobody watches.

    Args:
        prometheus, gateway: addresses; the gateway of an emulator stack is found without one.
        interval_s: seconds between two rounds; the cloud is listed every 5 s at most.
        fail_on: severity of firing alerts from which the exit code is FINDINGS.

    Returns:
        OK, also when ended by Ctrl-C. FINDINGS as `fail_on` says. CLOUD when a source that was named does not
        answer, USAGE when something else answers there; what is known was printed all the same.
    """
    from sophia_infra.cli.stack_context import open_stack
    from sophia_infra.cli.stack_sources import open_gatherer, prometheus_of, say_stopped
    from sophia_infra.model.errors import Refused

    if fail_on is not None and prometheus is None:
        raise Refused("--fail-on reads alerts from Prometheus: give --prometheus URL too")
    context = open_stack(stack)
    if context.emulator_is_stopped and not as_json and prometheus is None and gateway is None:
        say_stopped(context)
        return ExitCode.OK
    gatherer = open_gatherer(context, prometheus=prometheus_of(prometheus), gateway=gateway)
    from sophia_infra.cli.views import make_console

    console = make_console()
    if once or as_json or fail_on is not None or not console.is_terminal or console.is_dumb_terminal:
        return _show_once(gatherer, as_json=as_json, fail_on=fail_on)
    return watch(gatherer, interval_s)


def _show_once(gatherer: Gatherer, *, as_json: bool, fail_on: FailOn | None) -> ExitCode:
    snapshot = gatherer.gather()
    if as_json:
        print(json.dumps(snapshot.as_json(), indent=2))
    else:
        from sophia_infra.cli.monitor_view import show_snapshot
        from sophia_infra.cli.views import make_console

        show_snapshot(make_console(), snapshot, time.time())
    sys.stdout.flush()
    for error in gatherer.failed:
        print(f"sophia: {error}", file=sys.stderr)
    return exit_code_of(gatherer, snapshot, fail_on)


def exit_code_of(gatherer: Gatherer, snapshot: Snapshot, fail_on: FailOn | None) -> ExitCode:
    """Failed sources come first: what they would have said is not known."""
    from sophia_infra.metrics_client.errors import NotTheSource

    if gatherer.failed:
        wrong = any(isinstance(error, NotTheSource) for error in gatherer.failed)
        return ExitCode.USAGE if wrong else ExitCode.CLOUD
    if fail_on is not None and snapshot.firing(*_FAILING[fail_on]):
        return ExitCode.FINDINGS
    return ExitCode.OK


def watch(gatherer: Gatherer, interval_s: float, *, sleep: Callable[[float], None] = time.sleep) -> ExitCode:
    """Draw until Ctrl-C. The first round may fail as `_show_once` does; later ones only say so."""
    import signal

    from rich.live import Live

    from sophia_infra.cli.monitor_view import MonitorScreen
    from sophia_infra.cli.views import make_console

    snapshot = gatherer.gather()
    if gatherer.failed and exit_code_of(gatherer, snapshot, None) is ExitCode.USAGE:
        raise gatherer.failed[0]
    screen = MonitorScreen(snapshot, time.time)
    live = Live(screen, console=make_console(), screen=True, refresh_per_second=1)
    # Without this a plain kill would leave the alternate screen on and the cursor hidden.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        live.start(refresh=True)
        while True:
            sleep(max(MIN_INTERVAL_S, interval_s))
            screen.snapshot = gatherer.gather()
            live.refresh()
    except KeyboardInterrupt:
        return ExitCode.OK
    finally:
        # Not by `with`: a signal while the first frame is drawn comes before its block is entered.
        live.stop()
        signal.signal(signal.SIGTERM, before)
