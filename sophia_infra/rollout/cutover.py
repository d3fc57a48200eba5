"""Moving the services of the Swarm stack one by one, and back.

Until `finish` the Swarm side keeps running, and `back` gives it all calls by one write.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from sophia_infra.manifests.canary import (
    ROLLOUT_LABEL,
    ROLLOUT_OF_LABEL,
    Backend,
    Split,
    build_split,
    ingress_behind,
)
from sophia_infra.manifests.names import bounded
from sophia_infra.manifests.objects import build_metadata
from sophia_infra.rollout.cluster import Cluster, path_of
from sophia_infra.rollout.cutover_services import CutoverService
from sophia_infra.rollout.errors import RolloutHeld, RolloutRefused
from sophia_infra.rollout.route import WeightedRoute
from sophia_infra.rollout.shifting import Progress

__all__ = [
    "Cutovers",
    "Place",
    "Standing",
    "check_order",
    "port_is_open",
    "store_verdict",
]

Place = Literal["swarm", "both", "kubernetes"]

_WRITES: Final = 5
_PORT_TIMEOUT_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one service's calls go now. `progress` only where weights move them."""

    service: CutoverService
    place: Place
    why: str
    progress: Progress | None = None

    @property
    def weight(self) -> int:
        """Percent of its calls that Kubernetes answers."""
        if self.progress is not None:
            return self.progress.weight
        return 100 if self.place == "kubernetes" else 0

    def as_json(self) -> dict[str, Any]:
        progress = None if self.progress is None else self.progress.as_json()
        return {
            **self.service.as_json(),
            "place": self.place,
            "percent_on_kubernetes": self.weight,
            "why": self.why,
            "progress": progress,
        }


def port_is_open(address: str, port: int) -> bool:
    """Whether something accepts connections there, within three seconds."""
    try:
        with socket.create_connection((address, port), timeout=_PORT_TIMEOUT_S):
            return True
    except OSError:
        return False


class Cutovers:
    """The cutovers in one cluster.

    Args:
        swarm_address: where Swarm publishes its ports.
    """

    def __init__(self, cluster: Cluster, swarm_address: str) -> None:
        self._cluster = cluster
        self._swarm_address = swarm_address

    def standing(self, service: CutoverService) -> Standing:
        """Where it stands. Raises ClusterSilent, RolloutRefused."""
        if service.kind == "routed":
            progress = self.route(service).read()
            if progress is None:
                return Standing(service, "swarm", "not begun")
            place: Place = "kubernetes" if progress.status == "passed" else "both"
            return Standing(
                service, place if progress.weight else "swarm", f"{progress.status}: {progress.why}", progress
            )
        found = self._cluster.read(path_of(self._record(service, "", "")))
        data = {} if found is None else found.get("data") or {}
        is_there = data.get("place") == "kubernetes"
        return Standing(service, "kubernetes" if is_there else "swarm", data.get("why", "not begun"))

    def route(self, service: CutoverService) -> WeightedRoute:
        return WeightedRoute(self._cluster, build_split(self._split(service))[1])

    def objects(self, service: CutoverService) -> list[dict[str, Any]]:
        """What a routed one needs beside its route: Swarm as a Service of the cluster, the gateway."""
        name = f"{service.peer}-swarm"
        ports = [{"name": "http", "port": service.swarm_port, "protocol": "TCP"}]
        labels = self._split(service).labels
        swarm = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": build_metadata(name, service.namespace, labels=labels),
            "spec": {"type": "ClusterIP", "ports": ports},
        }
        addresses = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": build_metadata(
                name, service.namespace, labels={**labels, "kubernetes.io/service-name": name}
            ),
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": [{"addresses": [self._swarm_address], "conditions": {"ready": True}}],
        }
        return [swarm, addresses, build_split(self._split(service))[0]]

    def prepare(self, service: CutoverService) -> None:
        """Make them. The route itself comes last, at 0 %, by `running.shift`; nothing moves here."""
        self._cluster.apply((*self.objects(service), ingress_behind(service.peer, service.namespace)))

    def record(self, service: CutoverService, place: Place, why: str) -> None:
        """Write where one without weights is now."""
        self._cluster.apply([self._record(service, place, why)])

    def back(self, service: CutoverService, why: str, now_s: float) -> Standing:
        """Give all calls to Swarm, by one write, whatever a runner is doing.

        Raises RolloutHeld when others were faster five times in a row.
        """
        if service.kind != "routed":
            self.record(service, "swarm", why)
            return self.standing(service)
        route = self.route(service)
        for _ in range(_WRITES):
            try:
                found = route.read()
            except RolloutRefused:
                found = Progress("kubernetes", (100,))
                route.start(found.aborted(why, now_s))
                return self.standing(service)
            if found is None:
                raise RolloutRefused(f"{service.name} was never moved.", next_step="nothing: Swarm has it.")
            try:
                route.write(found.aborted(why, now_s))
            except RolloutHeld:
                continue
            return self.standing(service)
        raise RolloutHeld(f"The route of {service.name} changes all the time.", next_step="run this again.")

    def finish(self, service: CutoverService) -> None:
        """Take the Swarm side away for good, once all calls are in the cluster. Raises RolloutRefused."""
        if self.standing(service).place != "kubernetes":
            raise RolloutRefused(
                f"{service.name} is not wholly on Kubernetes.", next_step="run `sophia cutover run` first."
            )
        if service.kind == "routed":
            self.route(service).delete()
            for body in reversed(self.objects(service)):
                self._cluster.delete(path_of(body))

    def _split(self, service: CutoverService) -> Split:
        return Split(
            name=bounded(f"{service.peer}-cutover"),
            kind="cutover",
            of=service.peer,
            namespace=service.namespace,
            host=service.host or "",
            path=service.path,
            tls_secret=service.tls_secret,
            old=Backend(f"{service.peer}-swarm", service.swarm_port),
            new=Backend(service.peer, service.port),
        )

    def _record(self, service: CutoverService, place: str, why: str) -> dict[str, Any]:
        labels = {ROLLOUT_LABEL: "cutover", ROLLOUT_OF_LABEL: service.peer}
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": build_metadata(bounded(f"{service.peer}-cutover"), service.namespace, labels=labels),
            "data": {"place": place, "why": why},
        }


def check_order(
    service: CutoverService,
    order: tuple[CutoverService, ...],
    standing: Callable[[CutoverService], Standing],
) -> None:
    """Raises RolloutRefused unless all that move before `service` have moved."""
    for earlier in order[: order.index(service)]:
        found = standing(earlier)
        if found.place != "kubernetes":
            raise RolloutRefused(
                f"{earlier.name} moves before {service.name}, and is on {found.place} now ({found.why}).",
                next_step=f"`sophia cutover run {earlier.name}` first.",
            )


def store_verdict(service: CutoverService, is_ready: bool, swarm_is_open: bool) -> str | None:
    """Why a store cannot move now; None: it can. Two writers would be two truths."""
    if not is_ready:
        return f"{service.peer} is not ready in the cluster"
    if swarm_is_open:
        return (
            f"Swarm's {service.name} still accepts connections on port {service.swarm_port}: stop its "
            "writers, copy the data (`sophia backup`), stop it"
        )
    return None
