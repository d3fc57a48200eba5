"""`sophia monitor`, `report` and `exporter`: arguments in, one function called, an exit code out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sophia_infra.cli.finite import finite

__all__ = ["add_monitoring_commands"]

Stack = Annotated[str, typer.Option("--stack", "-s", help="Stack: the file Pulumi.<stack>.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Prometheus = Annotated[
    str | None,
    typer.Option(
        "--prometheus",
        metavar="URL",
        help="Prometheus of the stack: http on this machine, or https; PROMETHEUS_TOKEN is sent to it.",
    ),
]


def add_monitoring_commands(app: typer.Typer) -> None:
    """Register all three."""
    for command in (monitor, report, exporter):
        app.command()(command)


class FailOn(StrEnum):
    """Severity of alerts from which `sophia monitor` ends with exit code 6."""

    CRITICAL = "critical"
    WARNING = "warning"


def monitor(
    stack: Stack = "local",
    prometheus: Prometheus = None,
    gateway: Annotated[
        str | None,
        typer.Option("--gateway", metavar="URL", help="A gateway to look at; default: the local stack's."),
    ] = None,
    interval: Annotated[
        float, typer.Option("--interval", min=1, max=3600, callback=finite, help="Seconds between two looks.")
    ] = 5,
    once: Annotated[bool, typer.Option("--once", help="Print one page and end.")] = False,
    fail_on: Annotated[
        FailOn | None,
        typer.Option("--fail-on", help="With --prometheus: exit code 6 when such an alert fires."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Watch machines, dollars, inference, GPUs, objectives and alerts."""
    from sophia_infra.cli.monitor_command import run_monitor

    raise typer.Exit(
        int(
            run_monitor(
                stack,
                prometheus=prometheus,
                gateway=gateway,
                interval_s=interval,
                once=once,
                as_json=as_json,
                fail_on=None if fail_on is None else fail_on.value,
            )
        )
    )


def report(
    stack: Stack = "local",
    prometheus: Prometheus = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML file to write.")] = Path(
        "sophia-report.html"
    ),
    days: Annotated[int, typer.Option("--days", min=1, max=400, help="Days of history.")] = 30,
    gateway: Annotated[
        str | None,
        typer.Option("--gateway", metavar="URL", help="A gateway to look at; default: the local stack's."),
    ] = None,
    ledger_env: Annotated[
        str | None,
        typer.Option("--ledger-env", metavar="NAME", help="Variable with the URL of the inference ledger."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write one HTML file: dollars and their forecast, fleet, inference, objectives, alerts."""
    from sophia_infra.cli.report_command import run_report

    raise typer.Exit(
        int(
            run_report(
                stack,
                prometheus=prometheus,
                gateway=gateway,
                out=out,
                days=days,
                ledger_env=ledger_env,
                as_json=as_json,
            )
        )
    )


def exporter(
    stack: Stack = "local",
    listen: Annotated[
        str,
        typer.Option("--listen", metavar="HOST:PORT", help="Where to serve /metrics; port 0: any free one."),
    ] = "127.0.0.1:9105",
    state: Annotated[
        Path | None,
        typer.Option("--state", help="File that keeps counters and the month's dollars over restarts."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Ask once, print the metrics, and end.")] = False,
) -> None:
    """Serve the fleet and its dollars as Prometheus metrics, by one list call at a time."""
    from sophia_infra.cli.exporter_command import run_exporter_command

    raise typer.Exit(int(run_exporter_command(stack, listen=listen, state=state, once=once)))
