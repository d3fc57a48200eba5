"""What is done on the machines of a run, whoever does it: by SSH, by Kubernetes, or played by a stand-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

__all__ = ["JobLook", "JobStart", "MachineAccess", "Node"]

JobState = Literal["absent", "running", "ended", "silent"]


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the run: its number, its address, and its address in the region's private network."""

    number: int
    instance_id: str
    address: str
    private_address: str | None = None


@dataclass(frozen=True, slots=True)
class JobStart:
    """One start of the job on all its nodes.

    Attributes:
        run_id, incarnation: together they name this start; a second start of the same one does nothing.
        nodes: in the order of their ranks; the first is the master.
        gpus: processes on each node.
        command: the part behind torchrun's options.
        variables: environment of the command; values may be secrets, and no repr shows them.
        checkpoints: mount point of the checkpoint filesystem, None without one.
    """

    run_id: str
    incarnation: int
    nodes: Sequence[Node]
    gpus: int
    command: str
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    checkpoints: str | None = None

    @property
    def master_address(self) -> str:
        """Where the other nodes find rank 0: in the private network where every node has an address there."""
        master = self.nodes[0]
        private = all(node.private_address for node in self.nodes)
        return master.private_address if private and master.private_address else master.address

    def rank_of(self, node: Node) -> int:
        return next(rank for rank, one in enumerate(self.nodes) if one.number == node.number)


@dataclass(frozen=True, slots=True)
class JobLook:
    """How the job stands on one node: `code` when it has ended; `words` say why a node is silent."""

    state: JobState
    code: int | None = None
    words: str = ""


class MachineAccess(Protocol):
    """All calls may be repeated, by this process or by the next one after a crash."""

    def answers(self, node: Node) -> bool:
        """Whether the node takes commands yet. Never raises for what the network does."""
        ...

    def start(self, job: JobStart, node: Node) -> None:
        """Start the job on `node`, unless this incarnation of it was started there. Returns at once.

        Raises:
            MachineUnreachable: whether it was started is not known; call again.
        """
        ...

    def look(self, job: JobStart, node: Node) -> JobLook:
        """How it stands there. Never raises for what the network does: the node is `silent` then."""
        ...

    def cancel(self, job: JobStart, node: Node) -> None:
        """End the job on `node`. Best effort: what cannot be reached ends with its machine."""
        ...

    def forget(self, node: Node) -> None:
        """Its machine has ended: leave nothing of it where it was known. Best effort; never raises."""
        ...

    def collect(self, job: JobStart, node: Node, source: str, target: Path) -> str:
        """Copy `source` (relative to the run's folder there, or absolute) into `target`; a line about it.

        Raises:
            MachineUnreachable: nothing, or not all, was copied.
        """
        ...
