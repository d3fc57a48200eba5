"""Which services of the Swarm stack move, in which order, and how.

Three kinds, because three things are to be moved:

    routed    calls from outside: weights in one route, Swarm's published port on the old side
    internal  nobody outside calls it: its callers take it along, so ready pods are all there is to wait for
    store     data: it moves at once, while nobody writes; Swarm's port has to be closed first

Stores go first, so that both sides read and write one database from then on; then whoever is called before
whoever calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sophia_infra.manifests.names import bounded
from sophia_infra.model.kubernetes.config import KubernetesConfig
from sophia_infra.model.kubernetes.swarm import SwarmPeer, missing_peers, swarm_map
from sophia_infra.rollout.errors import RolloutRefused

__all__ = ["CutoverService", "Kind", "cutover_order"]

Kind = Literal["routed", "internal", "store"]


@dataclass(frozen=True, slots=True)
class CutoverService:
    """One service that moves.

    Attributes:
        name: in the Swarm stack.
        peer: the row that takes its place; also its Service and Deployment.
        host, path, health: of calls from outside; None, "/" and the path of its health check.
    """

    name: str
    kind: Kind
    peer: str
    namespace: str
    port: int
    swarm_port: int
    host: str | None
    path: str
    health: str
    tls_secret: str

    def as_json(self) -> dict[str, Any]:
        keys = ("name", "kind", "peer", "namespace", "port", "swarm_port", "host")
        return {key: getattr(self, key) for key in keys}


def cutover_order(kube: KubernetesConfig) -> tuple[CutoverService, ...]:
    """What moves, in order: stores, then services so that callees come before their callers.

    Raises RolloutRefused where a Swarm service has no peer: the rest could not leave Swarm either.
    """
    missing = missing_peers(kube)
    if missing:
        raise RolloutRefused(
            f"Nothing takes the place of Swarm's {', '.join(missing)}.",
            next_step="set swarm_service on the row that does, then run this again.",
        )
    peers = swarm_map(kube)
    stores = [_service(peer, kube) for peer in peers if peer.section == "databases"]
    rows = {peer.name: peer for peer in peers if peer.section == "workloads"}
    ordered: list[str] = []
    while len(ordered) < len(rows):
        # Callers of each other have no right order: then that of the table is taken.
        free = [name for name in rows if name not in ordered and not _waits_for(name, rows, ordered, kube)]
        ordered.append((free or [name for name in rows if name not in ordered])[0])
    return (*stores, *(_service(rows[name], kube) for name in ordered))


def _waits_for(
    name: str, rows: Mapping[str, SwarmPeer], ordered: list[str], kube: KubernetesConfig
) -> list[str]:
    callees = kube.enabled_workloads()[name].talks_to
    return [callee for callee in callees if callee in rows and callee not in ordered and callee != name]


def _service(peer: SwarmPeer, kube: KubernetesConfig) -> CutoverService:
    port = peer.service.port or peer.port
    if peer.section == "databases":
        return CutoverService(
            peer.service.name, "store", peer.name, peer.namespace, peer.port, port, None, "/", "/", ""
        )
    row = kube.enabled_workloads()[peer.name]
    routed = row.ingress is not None and kube.ingress is not None
    host = f"{row.ingress.host}.{kube.ingress.domain}" if row.ingress and kube.ingress else None
    prefix = kube.ingress.tls_secret_prefix if kube.ingress else ""
    return CutoverService(
        name=peer.service.name,
        kind="routed" if routed else "internal",
        peer=peer.name,
        namespace=peer.namespace,
        port=row.service_port(next(iter(row.ports))),
        swarm_port=port,
        host=host,
        path=row.ingress.path if row.ingress else "/",
        health=row.health.path,
        tls_secret=bounded(f"{prefix}-{peer.name}"),
    )
