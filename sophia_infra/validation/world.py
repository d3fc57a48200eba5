"""Everything that was observed of one stack at one moment. Checks read it and ask nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path

from sophia_infra.model.instance import InstanceConfig
from sophia_infra.model.kubernetes import Placement, place
from sophia_infra.model.stack_config import StackConfig
from sophia_infra.operations.doctor import Finding
from sophia_infra.operations.secrets import Consumer, SecretFinding
from sophia_infra.reports.figures import Figure
from sophia_infra.reports.snapshot import Snapshot
from sophia_infra.validation.objects import Objects
from sophia_infra.validation.updates import Update

__all__ = ["BackupFacts", "ChainFacts", "DrillFacts", "World"]


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """One audit log: its name, its file, and one sentence for each place where its chain is broken."""

    log: str
    path: Path
    lines: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """The whole backup sets that were found.

    Attributes:
        newest_at_s: when the newest was made, seconds since 1970; None without any.
        where: the store, without credentials.
    """

    count: int
    newest_at_s: float | None
    where: str


@dataclass(frozen=True, slots=True)
class DrillFacts:
    """The last restore drill: how long it took, and how old was what came back (its RTO and RPO)."""

    at_s: float
    succeeded: bool
    rto_s: float
    rpo_s: float


@dataclass(frozen=True)
class World:
    """One stack. A figure that is not known says why; none is ever guessed.

    Attributes:
        name: the stack's.
        phase: in force.
        repository: the checkout of this program, with its docs and scripts; None where there is none.
        taken_at_s: seconds since 1970.
        snapshot: fleet, dollars, inference, GPUs, objectives, alerts.
        findings: differences of state and account.
        consumers: who gets secrets.
        inference_month_usd: booked in the ledger since the first of the month, UTC.
        baselines: files of `sophia baseline capture`, oldest first.
        trouble: sources that the stack has and that did not answer: what they would say is not known.
    """

    name: str
    config: StackConfig
    phase: int
    repository: Path | None
    taken_at_s: float
    snapshot: Snapshot
    findings: Figure[tuple[Finding, ...]]
    objects: Figure[Objects]
    secrets: Figure[tuple[SecretFinding, ...]]
    consumers: tuple[Consumer, ...]
    updates: Figure[tuple[Update, ...]]
    chains: Figure[tuple[ChainFacts, ...]]
    backups: Figure[BackupFacts]
    drill: Figure[DrillFacts]
    inference_month_usd: Figure[Decimal]
    baselines: tuple[Path, ...] = ()
    trouble: tuple[str, ...] = ()

    @cached_property
    def placement(self) -> Placement:
        """Where the model puts nodes and workloads in the phase in force."""
        return place(self.config, self.phase)

    @property
    def instances(self) -> Mapping[str, InstanceConfig]:
        """The machines that the file asks for in the phase in force."""
        return self.config.instances(self.phase)

    def command(self, words: str) -> str:
        """`sophia WORDS` for this stack, as evidence."""
        return f"sophia {words} --stack {self.name}"
