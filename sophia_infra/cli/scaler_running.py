"""`sophia scaler`: what its commands do."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from sophia_infra.audit import audit_log_of
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.scaler_view import show_decisions, show_machines, show_pass
from sophia_infra.cli.training_cloud import environment_of, open_training_stack
from sophia_infra.cli.views import make_console
from sophia_infra.model.scaled_tags import LEASE_NAMESPACE, lease_name

if TYPE_CHECKING:
    from sophia_infra.cli.stack_context import StackContext
    from sophia_infra.kubernetes_plugin.api import KubernetesApi
    from sophia_infra.model.scaler import ScalerConfig
    from sophia_infra.provider.session import Session
    from sophia_infra.scaling.nodes.boot_text import BootText
    from sophia_infra.scaling.nodes.demand import DemandSource
    from sophia_infra.scaling.nodes.lease import Lease
    from sophia_infra.scaling.nodes.metrics import ScalerMetrics
    from sophia_infra.scaling.nodes.reporting import PassReport
    from sophia_infra.scaling.nodes.scaler import NodeScaler
    from sophia_infra.scaling.nodes.settings import ScalerSettings

__all__ = ["ScalerRequest", "run_scaler", "show_plan", "show_status"]

JOIN_OUTPUT: Final = "scaler_join"
"""Secret stack output: cluster -> {address, agent_token, server_ca_certificate}."""


@dataclass(frozen=True, slots=True)
class ScalerRequest:
    """What was asked for on the command line."""

    stack: str
    prometheus: str | None
    kubeconfig: str | None
    interval_s: int | None


@dataclass(frozen=True, slots=True)
class _Ground:
    context: StackContext
    config: ScalerConfig
    settings: ScalerSettings
    session: Session
    api: KubernetesApi | None
    folder: Path


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

    ground = _open(request)
    console = make_console(stderr=as_json)
    shown = ScalerMetrics()
    settings = ground.settings.emptied() if empty else ground.settings
    scaler = _scaler(ground, settings, request, apply=apply, metrics=shown, with_demand=not empty)
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

    with _stopping() as asked:

        def stop() -> bool:
            done = bool(last) and (once or (empty and not _has_machines(last[0])))
            return done or asked()

        scaler.run(stop, on_pass)
        if asked():
            console.print("Left. Every machine stays; `sophia scaler run --empty --apply` ends them.")
            return ExitCode.INTERRUPTED
    report = last[0]
    if apply and not report.leads:
        return ExitCode.LOCKED
    return ExitCode.FINDINGS if report.problems else ExitCode.OK


def show_plan(request: ScalerRequest, *, as_json: bool) -> ExitCode:
    """One look, nothing done."""
    ground = _open(request)
    report = _scaler(
        ground, ground.settings, request, apply=False, metrics=None, with_demand=True
    ).look_once()
    if as_json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        show_decisions(make_console(), report)
    return ExitCode.FINDINGS if report.problems else ExitCode.OK


def show_status(request: ScalerRequest, *, as_json: bool) -> ExitCode:
    """Machines by their tags, and who leads."""
    ground = _open(request)
    report = _scaler(
        ground, ground.settings, request, apply=False, metrics=None, with_demand=False
    ).look_once()
    report.holder = _who_leads(ground)
    report.decisions.clear()
    if as_json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        console = make_console()
        show_machines(console, report)
        console.print(f"Leader: {report.holder or 'none'}.")
    return ExitCode.FINDINGS if report.problems else ExitCode.OK


def _open(request: ScalerRequest) -> _Ground:
    from sophia_infra.components.fleet_props import ssh_key_name
    from sophia_infra.provider.journal import Journal
    from sophia_infra.provider.opening import open_session
    from sophia_infra.scaling.errors import SettingsRefused
    from sophia_infra.scaling.nodes.settings import ScalerSettings

    context = open_training_stack(request.stack)
    config = context.config.scaler
    if config is None:
        raise SettingsRefused(
            f"Pulumi.{request.stack}.yaml has no sophia:scaler.",
            next_step="add it; docs/node-scaler.md shows the smallest one.",
        )
    ssh = context.config.ssh
    key = None if ssh is None else ssh.existing
    if ssh is not None and ssh.public_key is not None:
        key = ssh_key_name(context.tag, str(ssh.public_key))
    settings = ScalerSettings.of(
        context.tag,
        config,
        fleet=context.instances,
        budget_usd_per_hour=context.budget_usd_per_hour,
        quota=context.config.quota,
        ssh_key=key,
    )
    if request.interval_s is not None:
        settings = replace(settings, interval_s=float(request.interval_s))
    endpoint = {"sophia:endpoint": context.config.endpoint}
    session = open_session(endpoint.get, say=lambda _line: None, environment=environment_of(context))
    folder = context.home.root / "scaler" / context.name
    # Its own journal: launches of `sophia up` and those of the scaler know nothing of each other.
    session.journal = Journal(folder / "launches")
    return _Ground(context, config, settings, session, _connect(context, request), folder)


def _connect(context: StackContext, request: ScalerRequest) -> KubernetesApi | None:
    from sophia_infra.kubernetes_plugin.kubeconfig import load_kubeconfig
    from sophia_infra.scaling.nodes.cluster import connect

    path = request.kubeconfig
    kube = context.config.kubernetes
    if path is None and kube is not None and kube.cluster == "existing":
        path = os.environ.get(kube.kubeconfig_env or "KUBECONFIG")
    if path is None:
        return None
    return connect(load_kubeconfig(path))


def _scaler(
    ground: _Ground,
    settings: ScalerSettings,
    request: ScalerRequest,
    *,
    apply: bool,
    metrics: ScalerMetrics | None,
    with_demand: bool,
) -> NodeScaler:
    from sophia_infra.scaling.nodes.cluster import ClusterNodes
    from sophia_infra.scaling.nodes.scaler import NodeScaler

    return NodeScaler(
        settings,
        ground.session,
        _lease(ground),
        demand=_demand(settings, request, metrics) if with_demand else {},
        keeper=None if ground.api is None else ClusterNodes(ground.api),
        boot_text=_boot_text(ground) if apply else None,
        metrics=metrics,
        apply=apply,
        say=lambda _line: None,
    )


def _demand(
    settings: ScalerSettings, request: ScalerRequest, metrics: ScalerMetrics | None
) -> dict[str, list[DemandSource]]:
    from sophia_infra.model.clock import SystemClock
    from sophia_infra.scaling.gauges import PredictionGauges
    from sophia_infra.scaling.nodes.demand import demand_sources

    # Gauges of a prediction carry no pool: only where one pool forecasts is it clear whose they are.
    forecasting = [pool for pool in settings.pools if any(one.source == "forecast" for one in pool.demand)]
    only_one = metrics is not None and len(forecasting) == 1
    gauges = PredictionGauges(metrics.registry) if metrics is not None and only_one else None
    return {
        pool.name: demand_sources(
            pool,
            prometheus_url=request.prometheus,
            clock=SystemClock(),
            interval_s=settings.interval_s,
            gauges=gauges,
        )
        for pool in settings.pools
    }


def _lease(ground: _Ground) -> Lease:
    from sophia_infra.scaling.nodes.lease import FileLease, KubernetesLease

    identity = f"{socket.gethostname()}-{secrets.token_hex(4)}"
    if ground.api is None:
        return FileLease(ground.folder / "leader.lock", identity)
    return KubernetesLease(
        ground.api,
        name=lease_name(ground.context.name),
        namespace=LEASE_NAMESPACE,
        identity=identity,
        now=time.monotonic,
    )


def _who_leads(ground: _Ground) -> str:
    from sophia_infra.kubernetes_plugin.errors import PluginError

    if ground.api is None:
        return _lease(ground).holder
    name = lease_name(ground.context.name)
    path = f"/apis/coordination.k8s.io/v1/namespaces/{LEASE_NAMESPACE}/leases/{name}"
    try:
        return str((ground.api.request("GET", path).get("spec") or {}).get("holderIdentity") or "")
    except PluginError:
        return ""


def _boot_text(ground: _Ground) -> BootText | None:
    """Of joined clusters, from the stack's secret output; None for a stack whose machines join nothing."""
    kube = ground.context.config.kubernetes
    if kube is None or kube.cluster != "joined" or ground.api is None:
        return None
    from sophia_infra.engine.locate import find_engine
    from sophia_infra.engine.stacks import stack_outputs
    from sophia_infra.model.kubernetes.clusters import build_clusters
    from sophia_infra.scaling.nodes.boot_text import AGENT_PARTS, JoinBootText
    from sophia_infra.scaling.nodes.errors import BootTextMissing

    home = ground.context.home
    outputs = stack_outputs(find_engine(home), ground.context.name, home, show_secrets=True)
    known: dict[str, Any] = outputs.get(JOIN_OUTPUT) or {}
    if not known:
        raise BootTextMissing(
            f"The state of {ground.context.name} has no output {JOIN_OUTPUT}, with which machines join.",
            next_step="run `sophia up` with a sophia:scaler in the stack file, which exports it.",
        )
    clusters = build_clusters(ground.context.instances, kube)
    return JoinBootText(
        kube,
        {cluster.region: cluster for cluster in clusters.values()},
        {name: {part: row.get(part) for part in AGENT_PARTS} for name, row in known.items()},
        {name: str(row["address"]) for name, row in known.items() if row.get("address")},
    )


def _record(ground: _Ground, report: PassReport) -> None:
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


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM end the loop after the pass that runs; a second Ctrl-C ends it at once."""
    asked = False

    def note(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        print("sophia: stopping after this look; once more ends it at once.", file=sys.stderr)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
