"""Which workload runs in which cluster, and how many pods of it find a place. Pure and deterministic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from sophia_infra.model.kubernetes.clusters import build_clusters, primary_of
from sophia_infra.model.kubernetes.database import SENTINEL_CPU, SENTINEL_MEMORY
from sophia_infra.model.kubernetes.nodes import Cluster, Node, Placement, Unplaced
from sophia_infra.model.kubernetes.packing import Pod, Room, put, rooms_of
from sophia_infra.model.kubernetes.placement_words import cut_note, unplaced_message
from sophia_infra.model.kubernetes.scaled_nodes import scaled_nodes
from sophia_infra.model.kubernetes.sidecars import sidecar_of

if TYPE_CHECKING:
    from sophia_infra.model.instance import InstanceConfig
    from sophia_infra.model.kubernetes.config import KubernetesConfig
    from sophia_infra.model.kubernetes.database import DatabaseConfig
    from sophia_infra.model.kubernetes.workload import WorkloadConfig
    from sophia_infra.model.scaler import ScalerConfig
    from sophia_infra.model.stack import StackConfig

__all__ = ["place", "place_on"]


def place(config: StackConfig, phase: int | None = None) -> Placement:
    """The placement on the machines of `phase` (default: the stack's).

    A configuration that was accepted has a place for everything from the phase on that makes workloads; for
    an earlier phase `unplaced` may name some.

    Raises ValueError when the stack has no `sophia:kubernetes`.
    """
    if config.kubernetes is None:
        raise ValueError("a stack without sophia:kubernetes has no placement")
    return place_on(config.instances(phase), config.kubernetes, config.scaler)


def place_on(
    fleet: Mapping[str, InstanceConfig], kube: KubernetesConfig, scaler: ScalerConfig | None = None
) -> Placement:
    """The placement on exactly these machines. Never raises: see `Placement.unplaced`.

    Args:
        scaler: whose pools GPU workloads may grow into; nothing that is promised is placed there.
    """
    clusters = build_clusters(fleet, kube)
    packing = _Packing(kube, clusters, primary_of(clusters, kube), scaled_nodes(scaler, clusters, kube))
    packing.place_all()
    packing.grow()
    return packing.result()


@dataclass(slots=True)
class _Row:
    """A workload, a database, or the sentinels of one, while it is placed."""

    section: Literal["workloads", "databases"]
    name: str
    pod: Pod
    replicas: int
    cluster: str = ""
    rooms: list[Room] = field(default_factory=list)

    @property
    def order(self) -> tuple[bool, int, int]:
        """GPU pods first, then those bound to a machine, then the large ones; else as in the table."""
        return (self.pod.gpus == 0, 0 if self.pod.gpu_model else 1, -self.pod.memory)


class _Packing:
    def __init__(
        self,
        kube: KubernetesConfig,
        clusters: Mapping[str, Cluster],
        primary: str,
        scaled: Mapping[str, tuple[Node, ...]],
    ) -> None:
        self._kube = kube
        self._clusters = clusters
        self._primary = primary
        self._rooms = {name: rooms_of(cluster.nodes) for name, cluster in clusters.items()}
        self._scaled_rooms = {name: rooms_of(nodes) for name, nodes in scaled.items()}
        self._rows = [
            *(_workload_row(name, row) for name, row in kube.enabled_workloads().items()),
            *(
                part
                for name, row in kube.enabled_databases().items()
                for part in _database_rows(name, row, kube)
            ),
        ]
        self._max = {name: row.most_replicas for name, row in kube.enabled_workloads().items()}
        self._notes: list[str] = []
        self._unplaced: list[Unplaced] = []

    def place_all(self) -> None:
        """What is promised: every replica of every row, the hardest first."""
        for row in sorted(self._rows, key=lambda row: row.order):
            self._place(row)

    def grow(self) -> None:
        """What may be asked for: GPU workloads up to their maximum, in the order of the table.

        On the fleet first; what is left over may wait for machines of the scaler, which sees it wait.
        """
        for row in self._rows:
            if row.section == "databases" or not row.pod.gpus or not row.cluster or not row.rooms:
                continue
            wanted = self._max[row.name] - row.replicas
            rooms = [*self._rooms[row.cluster], *self._scaled_rooms.get(row.cluster, ())]
            more = put(row.pod, wanted, rooms, row.rooms[0])
            row.rooms.extend(more)
            if len(more) < wanted:
                self._max[row.name] = row.replicas + len(more)
                places = self._places(row.cluster, row.pod.gpu_model)
                self._notes.append(
                    cut_note(row.name, row.pod, self._kube, row.cluster, places, len(row.rooms))
                )

    def result(self) -> Placement:
        by_cluster: dict[str, dict[str, str]] = {"workloads": {}, "databases": {}}
        for row in self._rows:
            by_cluster[row.section].setdefault(row.name, row.cluster or self._primary)
        places: dict[tuple[str, str], int] = {}
        reserved: dict[tuple[str, str], int] = {}
        for name, rooms in self._rooms.items():
            for room in rooms:
                if room.node.gpu_model:
                    key = (name, room.node.gpu_model)
                    places[key] = places.get(key, 0) + room.node.places
                    reserved[key] = reserved.get(key, 0) + room.node.places - room.places
        return Placement(
            clusters=self._clusters,
            workload_cluster=by_cluster["workloads"],
            database_cluster=by_cluster["databases"],
            primary=self._primary,
            max_replicas=self._max,
            gpu_places=places,
            gpu_reserved=reserved,
            notes=(*self._topology_notes(), *self._notes),
            unplaced=tuple(self._unplaced),
        )

    def _place(self, row: _Row) -> None:
        if self._kube.cluster == "existing" and not any(self._rooms.values()):
            row.cluster = self._primary  # its nodes are not known, so nothing can be counted
            return
        best = -1
        for name in self._choices(row.pod):
            taken = put(row.pod, row.replicas, self._rooms[name])
            if len(taken) == row.replicas:
                row.cluster, row.rooms = name, taken
                return
            for room in taken:
                room.give_back(row.pod)
            if len(taken) > best:
                best, row.cluster = len(taken), name
        rooms = self._rooms.get(row.cluster, [])
        message = unplaced_message(row.pod, row.replicas, max(best, 0), row.cluster, rooms, self._kube)
        self._unplaced.append(Unplaced(row.section, row.name, message))

    def _choices(self, pod: Pod) -> Iterator[str]:
        """Clusters to try: the primary one; for a GPU workload each that has its model, that one first."""
        if pod.gpu_model is None:
            yield from (name for name in self._clusters if name == self._primary)
            return
        for name in sorted(self._clusters, key=lambda name: name != self._primary):
            if any(node.gpu_model == pod.gpu_model for node in self._clusters[name].nodes):
                yield name

    def _places(self, cluster: str, model: str | None) -> int:
        scaled = (room.node for room in self._scaled_rooms.get(cluster, ()))
        nodes = (*self._clusters[cluster].nodes, *scaled)
        return sum(node.places for node in nodes if node.gpu_model == model)

    def _topology_notes(self) -> Iterable[str]:
        if self._kube.cluster == "existing" and not any(self._rooms.values()):
            return ["sophia:kubernetes: the nodes of the existing cluster are not known; nothing is counted"]
        regions = {node.region for cluster in self._clusters.values() for node in cluster.nodes}
        if self._kube.cluster == "joined" and self._kube.topology == "overlay" and len(regions) > 1:
            return [
                f"sophia:kubernetes.topology: overlay: pods in {', '.join(sorted(regions))} talk over "
                "WireGuard across the internet; when the server's region is cut off, the others keep running "
                "what they run and change nothing"
            ]
        return []


def _workload_row(name: str, row: WorkloadConfig) -> _Row:
    keeps = any(not volume.cache and volume.access == "ReadWriteOnce" for volume in row.volumes.values())
    pod = Pod(
        cpu=row.cpu.request_millicores,
        memory=row.memory.request_bytes,
        architectures=row.architectures,
        gpu_model=row.gpu.model if row.gpu else None,
        gpus=row.gpu.count if row.gpu else 0,
        stays_together=keeps,
    )
    return _Row("workloads", name, pod, row.replicas)


def _database_rows(name: str, row: DatabaseConfig, kube: KubernetesConfig) -> Iterator[_Row]:
    cpu, memory = row.cpu.request_millicores, row.memory.request_bytes
    if sidecar := sidecar_of(kube, row.kind):
        cpu, memory = cpu + sidecar.cpu.request_millicores, memory + sidecar.memory.request_bytes
    own = Pod(cpu, memory, row.architectures)
    yield _Row("databases", name, own, row.replicas)
    if row.sentinels:
        watch = Pod(SENTINEL_CPU.request_millicores, SENTINEL_MEMORY.request_bytes, row.architectures)
        yield _Row("databases", name, watch, row.sentinels)
