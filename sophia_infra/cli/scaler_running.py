"""`sophia scaler`: what its commands do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sophia_infra.audit import audit_log_of
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.scaler_opening import (
    ScalerGround,
    ScalerRequest,
    make_scaler,
    open_scaler,
    who_leads,
)
from sophia_infra.cli.scaler_view import show_decisions, show_machines, show_pass
from sophia_infra.cli.stopping import stopping
from sophia_infra.cli.views import make_console

if TYPE_CHECKING:
    from sophia_infra.scaling.nodes.metrics import ScalerMetrics
    from sophia_infra.scaling.nodes.reporting import PassReport

__all__ = ["run_scaler", "show_plan", "show_status"]


def run_scaler(
    request: ScalerRequest,
    *,
    apply: bool,
    once: bool,
    empty: bool,
    metrics: tuple[str, int] | None,
    as_json: bool,
) -> ExitCode:
    """Look until asked to stop."""
    from sophia_infra.scaling.nodes.metrics import ScalerMetrics

    ground = open_scaler(request)
    console = make_console(stderr=as_json)
    shown = ScalerMetrics()
    settings = ground.settings.emptied() if empty else ground.settings
    scaler = make_scaler(ground, settings, request, apply=apply, metrics=shown, with_demand=not empty)
    if metrics is not None:
        _serve(shown, metrics)
    if not apply:
        console.print("Dry run: it only says what it would do. --apply acts.")
    last: list[PassReport] = []

    def on_pass(report: PassReport) -> None:
        last[:] = [report]
        if not report.dry_run:
            _record(ground, report)
        if as_json:
            print(json.dumps(report.as_json()), flush=True)
        else:
            show_pass(console, report)

    with stopping("once more ends it at once") as asked:

        def stop() -> bool:
            done = bool(last) and (once or (empty and not _has_machines(last[0])))
            return done or asked.is_asked()

        scaler.run(stop, on_pass)
        if asked.is_asked():
            console.print("Left. Every machine stays; `sophia scaler run --empty --apply` ends them.")
            return ExitCode.INTERRUPTED
    report = last[0]
    if apply and not report.leads:
        return ExitCode.LOCKED
    return ExitCode.FINDINGS if report.problems else ExitCode.OK


def show_plan(request: ScalerRequest, *, as_json: bool) -> ExitCode:
    """One look, nothing done."""
    ground = open_scaler(request)
    report = make_scaler(
        ground, ground.settings, request, apply=False, metrics=None, with_demand=True
    ).look_once()
    if as_json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        show_decisions(make_console(), report)
    return ExitCode.FINDINGS if report.problems else ExitCode.OK


def show_status(request: ScalerRequest, *, as_json: bool) -> ExitCode:
    """Machines by their tags, and who leads."""
    ground = open_scaler(request)
    report = make_scaler(
        ground, ground.settings, request, apply=False, metrics=None, with_demand=False
    ).look_once()
    report.holder = who_leads(ground)
    report.decisions.clear()
    if as_json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        console = make_console()
        show_machines(console, report)
        console.print(f"Leader: {report.holder or 'none'}.")
    return ExitCode.FINDINGS if report.problems else ExitCode.OK


def _record(ground: ScalerGround, report: PassReport) -> None:
    log = audit_log_of(ground.context.home.root, ground.context.name)
    for event in report.events:
        log.record(
            action=f"scaler {event.action}",
            subject=event.node,
            why=event.words,
            after={"pool": event.pool, "usd_per_hour_of_all": str(report.usd_per_hour)},
        )


def _serve(metrics: ScalerMetrics, where: tuple[str, int]) -> None:
    from prometheus_client import start_http_server

    host, port = where
    start_http_server(port, addr=host, registry=metrics.registry)


def _has_machines(report: PassReport) -> bool:
    return report.headroom_usd_per_hour is None or any(view.billed for view in report.views)
