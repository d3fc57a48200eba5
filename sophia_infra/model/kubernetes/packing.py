"""Pods onto nodes: whether everything that is promised fits at the same time. Pure and deterministic.

The scheduler of a cluster spreads, this packs: what does not fit here fits nowhere near, and what fits here
may still need luck when nodes are nearly full. Each node keeps a reserve for what is not in the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sophia_infra.model.kubernetes.gpus import ARM64_GPU_MODELS
from sophia_infra.model.kubernetes.nodes import Node

__all__ = ["GIB", "RESERVE_CPU", "RESERVE_MEMORY", "Pod", "Room", "put", "rooms_of"]

GIB = 1 << 30
RESERVE_CPU = 1000
"""Millicores of each node for kubelet, GPU Operator, monitoring and agents; the same again on a server."""
RESERVE_MEMORY = 4 * GIB
"""Bytes of each node, likewise."""


@dataclass(frozen=True, slots=True)
class Pod:
    """What one pod asks for.

    Attributes:
        cpu: millicores.
        memory: bytes.
        architectures: those its image exists for, as images call them: amd64, arm64.
        gpu_model: the only GPU model whose machines it may run on; None for any machine without a taint.
        gpus: GPU places.
        stays_together: all pods of its workload share a claim that only one node can mount.
    """

    cpu: int
    memory: int
    architectures: tuple[str, ...] = ("amd64",)
    gpu_model: str | None = None
    gpus: int = 0
    stays_together: bool = False


@dataclass(slots=True)
class Room:
    """What is left of a node."""

    node: Node
    cpu: int = field(init=False)
    memory: int = field(init=False)
    places: int = field(init=False)

    def __post_init__(self) -> None:
        shares = 2 if self.node.is_server else 1
        self.cpu = max(0, self.node.vcpus * 1000 - shares * RESERVE_CPU)
        self.memory = max(0, self.node.memory_gib * GIB - shares * RESERVE_MEMORY)
        self.places = self.node.places

    def welcomes(self, pod: Pod) -> bool:
        """Whether `pod` may run here at all, however full it is.

        An arm64 node is tainted: only pods that choose its GPU come, whatever their image can do.
        """
        if pod.gpu_model is not None and self.node.gpu_model != pod.gpu_model:
            return False
        if self.node.architecture == "arm64":
            return "arm64" in pod.architectures and pod.gpu_model in ARM64_GPU_MODELS
        return "amd64" in pod.architectures

    def fits(self, pod: Pod) -> int:
        """How many such pods have space."""
        by_gpu = self.places // pod.gpus if pod.gpus else self.cpu // pod.cpu
        return min(self.cpu // pod.cpu, self.memory // pod.memory, by_gpu)

    def has_space(self, pod: Pod) -> bool:
        return self.fits(pod) > 0

    def take(self, pod: Pod) -> None:
        self.cpu -= pod.cpu
        self.memory -= pod.memory
        self.places -= pod.gpus

    def give_back(self, pod: Pod) -> None:
        self.cpu += pod.cpu
        self.memory += pod.memory
        self.places += pod.gpus


def rooms_of(nodes: Iterable[Node]) -> list[Room]:
    """Empty rooms, one for each node, those with the fewest GPU places first: others keep theirs free."""
    return sorted((Room(node) for node in nodes), key=lambda room: room.places)


def put(pod: Pod, count: int, rooms: Sequence[Room], at: Room | None = None) -> list[Room]:
    """Place up to `count` pods one by one; the rooms taken, in order, fewer than `count` when full.

    Args:
        at: the room of earlier pods of the workload, when they have to stay together.
    """
    if pod.stays_together:
        rooms = [_room_for_all(pod, count, rooms)] if at is None else [at]
    taken: list[Room] = []
    while len(taken) < count:
        room = next((room for room in rooms if room.welcomes(pod) and room.has_space(pod)), None)
        if room is None:
            break
        room.take(pod)
        taken.append(room)
    return taken


def _room_for_all(pod: Pod, count: int, rooms: Sequence[Room]) -> Room:
    welcoming = [room for room in rooms if room.welcomes(pod)] or list(rooms)
    return next(
        (room for room in welcoming if room.fits(pod) >= count),
        max(welcoming, key=lambda room: room.fits(pod)),
    )
