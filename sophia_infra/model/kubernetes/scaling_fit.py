"""Whether the node scaler inside of the cluster fits its pools and the fleet. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import Conflict
from sophia_infra.model.kubernetes.clusters import build_clusters, joinable, primary_of

if TYPE_CHECKING:
    from sophia_infra.model.instance import InstanceConfig
    from sophia_infra.model.kubernetes.config import KubernetesConfig
    from sophia_infra.model.scaler import ScalerConfig

__all__ = ["find_scaling_misfits"]

_POOLS = ("scaler", "pools")


def find_scaling_misfits(
    kube: KubernetesConfig, scaler: ScalerConfig | None, fleet: Mapping[str, InstanceConfig], phase: int
) -> Iterator[Conflict]:
    """What would keep it from launching, or make it launch what never becomes a node; paths from the top.

    Args:
        phase: that of the stack.
    """
    if not kube.scaler.enabled:
        return
    if scaler is None:
        refused = Refused("needs sophia:scaler, which says what it may launch", allowed="enabled: false")
        yield Conflict(("kubernetes", "scaler", "enabled"), refused, True)
        return
    yield from _find_nobody_to_ask(kube, scaler)
    if kube.cluster == "existing":
        yield from _find_machines_that_join_nothing(scaler)
        return
    counted = max(phase, kube.workloads_phase)
    machines = {name: machine for name, machine in fleet.items() if machine.phase <= counted}
    if joinable(machines, kube):
        clusters = build_clusters(machines, kube)
        yield from _find_regions_elsewhere(scaler, clusters[primary_of(clusters, kube)].region)


def _find_nobody_to_ask(kube: KubernetesConfig, scaler: ScalerConfig) -> Iterator[Conflict]:
    if kube.prometheus_url is not None:
        return
    for name, pool in scaler.pools.items():
        for at, demand in enumerate(pool.demand):
            if demand.source != "pending_pods":
                refused = Refused(
                    "has nobody to ask in the cluster: there is no section monitoring", allowed="pending_pods"
                )
                yield Conflict((*_POOLS, name, "demand", at, "source"), refused, demand.source)


def _find_machines_that_join_nothing(scaler: ScalerConfig) -> Iterator[Conflict]:
    """A machine that is no node in time is given up and replaced, and each one is paid for."""
    for name, pool in scaler.pools.items():
        if pool.user_data is None:
            refused = Refused("is missing: nothing else joins a machine to a cluster that exists already")
            yield Conflict((*_POOLS, name, "user_data"), refused)


def _find_regions_elsewhere(scaler: ScalerConfig, region: str | None) -> Iterator[Conflict]:
    if region is None:
        return
    for name, pool in scaler.pools.items():
        for at, wanted in enumerate(pool.regions):
            if wanted != region:
                refused = Refused(
                    "has another cluster than the one that the scaler runs in",
                    allowed=f"{region}, or kubernetes.topology overlay",
                )
                yield Conflict((*_POOLS, name, "regions", at), refused, wanted)
