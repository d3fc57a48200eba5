"""What `sophia scaler` works with: stack, cloud, cluster, lease, demand and boot text."""

from __future__ import annotations

import os
import secrets
import socket
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sophia_infra.cli.training_cloud import environment_of, open_training_stack, ssh_key_of
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
    from sophia_infra.scaling.nodes.scaler import NodeScaler
    from sophia_infra.scaling.nodes.settings import ScalerSettings

__all__ = ["ScalerGround", "ScalerRequest", "make_scaler", "open_scaler", "who_leads"]

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
class ScalerGround:
    """An opened stack: what its scaler works with, and the folder of its own notes."""

    context: StackContext
    config: ScalerConfig
    settings: ScalerSettings
    session: Session
    api: KubernetesApi | None
    folder: Path


def open_scaler(request: ScalerRequest) -> ScalerGround:
    """Read the stack file and open cloud and cluster; nothing is asked yet.

    Raises:
        SettingsRefused: there is no scaler in the file, or what it says cannot be.
    """
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
    settings = ScalerSettings.of(
        context.tag,
        config,
        fleet=context.instances,
        budget_usd_per_hour=context.budget_usd_per_hour,
        quota=context.config.quota,
        ssh_key=ssh_key_of(context),
    )
    if request.interval_s is not None:
        settings = replace(settings, interval_s=float(request.interval_s))
    endpoint = {"sophia:endpoint": context.config.endpoint}
    session = open_session(endpoint.get, say=lambda _line: None, environment=environment_of(context))
    folder = context.home.root / "scaler" / context.name
    # Its own journal: launches of `sophia up` and those of the scaler know nothing of each other.
    session.journal = Journal(folder / "launches")
    return ScalerGround(context, config, settings, session, _connect(context, request), folder)


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


def make_scaler(
    ground: ScalerGround,
    settings: ScalerSettings,
    request: ScalerRequest,
    *,
    apply: bool,
    metrics: ScalerMetrics | None,
    with_demand: bool,
) -> NodeScaler:
    """The controller of `ground`; `with_demand` False: all pools stay as they are."""
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


def _lease(ground: ScalerGround) -> Lease:
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


def who_leads(ground: ScalerGround) -> str:
    """The holder of the lease, without taking it; "" when nobody has it or the cluster does not say."""
    from sophia_infra.kubernetes_plugin.errors import PluginError

    if ground.api is None:
        return _lease(ground).holder
    name = lease_name(ground.context.name)
    path = f"/apis/coordination.k8s.io/v1/namespaces/{LEASE_NAMESPACE}/leases/{name}"
    try:
        return str((ground.api.request("GET", path).get("spec") or {}).get("holderIdentity") or "")
    except PluginError:
        return ""


def _boot_text(ground: ScalerGround) -> BootText | None:
    """Of joined clusters, from the stack's secret output; None for a stack whose machines join nothing."""
    kube = ground.context.config.kubernetes
    if kube is None or kube.cluster != "joined" or ground.api is None:
        return None
    from sophia_infra.cli.finding_engine import find_engine_aloud
    from sophia_infra.engine.stacks import stack_outputs
    from sophia_infra.model.kubernetes.clusters import build_clusters
    from sophia_infra.scaling.nodes.boot_text import AGENT_PARTS, JoinBootText
    from sophia_infra.scaling.nodes.errors import BootTextMissing

    home = ground.context.home
    outputs = stack_outputs(find_engine_aloud(home), ground.context.name, home, show_secrets=True)
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
