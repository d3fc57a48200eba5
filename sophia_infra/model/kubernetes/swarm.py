"""Every service of the old Docker Swarm stack, and its peer on Kubernetes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sophia_infra.model.kubernetes.config import KubernetesConfig

__all__ = ["BY_CHART", "SWARM_SERVICES", "SwarmPeer", "SwarmService", "missing_peers", "swarm_map"]


@dataclass(frozen=True, slots=True)
class SwarmService:
    """One service as the Swarm stack ran it.

    Attributes:
        name: in the Swarm stack; a row's `swarm_service` names it.
        replicas: containers.
        port: published, None where it had none.
        note: what is different now, in a few words.
    """

    name: str
    replicas: int
    port: int | None
    note: str


SWARM_SERVICES: tuple[SwarmService, ...] = (
    SwarmService("backend", 2, 8000, "three pods and an autoscaler; 2 CPU and 4Gi stay the limit"),
    SwarmService("mcp-ai-memory", 1, 9000, "two pods beside the A6000"),
    SwarmService("mcp-snowflake", 1, 9001, "port 9002: 9001 is mcp-gong's on Kubernetes"),
    SwarmService("postgres", 1, 5432, "a StatefulSet with a claim of its own and a nightly copy"),
    SwarmService("redis", 1, 6379, "three pods and three sentinels instead of one with 1 GB"),
)
"""Source: the migration plan's checklist, "Swarm services that need a peer"."""

BY_CHART: dict[str, str] = {"prometheus": "kube-prometheus-stack", "grafana": "kube-prometheus-stack"}
"""Of the plan's base set, what is no row of the table: service -> the chart it comes with."""


@dataclass(frozen=True, slots=True)
class SwarmPeer:
    """A Swarm service and the enabled row that takes its place."""

    service: SwarmService
    section: Literal["workloads", "databases"]
    name: str
    namespace: str
    port: int


def swarm_map(kube: KubernetesConfig) -> tuple[SwarmPeer, ...]:
    """Swarm services that have a peer in `kube`, in the order of `SWARM_SERVICES`, then of the rows."""
    found: list[SwarmPeer] = []
    for service in SWARM_SERVICES:
        for name, row in kube.enabled_workloads().items():
            if row.swarm_service == service.name:
                found.append(SwarmPeer(service, "workloads", name, row.namespace, row.main_port))
        for name, store in kube.enabled_databases().items():
            if store.swarm_service == service.name:
                found.append(SwarmPeer(service, "databases", name, store.namespace, store.main_port))
    return tuple(found)


def missing_peers(kube: KubernetesConfig) -> tuple[str, ...]:
    """Names of Swarm services that nothing in `kube` takes the place of: not to be switched off yet."""
    there = {peer.service.name for peer in swarm_map(kube)}
    return tuple(service.name for service in SWARM_SERVICES if service.name not in there)
