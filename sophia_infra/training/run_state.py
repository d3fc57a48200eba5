"""How far a run has come: what the next process needs that goes on with it, and what reports need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, Literal

from sophia_infra.training.caps import Billed

__all__ = ["MachineRecord", "Outcome", "RunPhase", "RunState"]

RunPhase = Literal["planned", "launching", "booting", "running", "ending", "ended"]
Outcome = Literal["done", "failed", "lost", "cap", "stopped", "no room", "refused"]


@dataclass(slots=True)
class MachineRecord:
    """One machine that was ever launched for the run. Times are seconds since 1970 on the cloud's clock."""

    id: str
    number: int
    instance_type: str
    region: str
    usd_per_hour: Decimal
    launched_at_s: float
    ready_at_s: float | None = None
    ended_at_s: float | None = None
    address: str | None = None
    private_address: str | None = None
    lost_because: str | None = None

    @property
    def billed(self) -> Billed:
        return Billed(self.usd_per_hour, self.launched_at_s, self.ended_at_s)


@dataclass(slots=True)
class RunState:
    """The mutable part of a run's record; written as a whole, atomically.

    Attributes:
        choice: index into the spec's choices.
        deadline_s: when the present machines have to end; None before the first launch.
        deadline_by: which limit says so.
        first_launch_s: when the first request to launch was about to leave.
        machines: every machine that was ever launched, by id.
        incarnation: times that the job was started, 0 before the first.
        members: ids of the machines of the present incarnation, in the order of their ranks.
        short_since_s: since when fewer nodes than the run needs are left; None while enough are.
        job_began_s, job_ended_s: of the first start and of the last end.
        outcome: None until the run is over.
        attended_s: when its starter last looked after it.
    """

    phase: RunPhase = "planned"
    choice: int = 0
    deadline_s: int | None = None
    deadline_by: str = ""
    first_launch_s: float | None = None
    machines: dict[str, MachineRecord] = field(default_factory=dict)
    incarnation: int = 0
    members: list[str] = field(default_factory=list)
    short_since_s: float | None = None
    job_began_s: float | None = None
    job_ended_s: float | None = None
    outcome: Outcome | None = None
    message: str = ""
    results: str = ""
    attended_s: float = 0.0
    ended_at_s: float | None = None

    @property
    def living(self) -> dict[int, MachineRecord]:
        """Node number -> its machine, of those that are not known to have ended."""
        return {one.number: one for one in self.machines.values() if one.ended_at_s is None}

    def usd(self, now_s: float) -> Decimal:
        """Dollars so far at list price, unrounded."""
        return sum((one.billed.usd(now_s) for one in self.machines.values()), Decimal(0))

    def spent_usd(self, now_s: float) -> Decimal:
        """Dollars of the machines that have ended."""
        ended = (one.billed.usd(now_s) for one in self.machines.values() if one.ended_at_s is not None)
        return sum(ended, Decimal(0))

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as decimal text."""
        # Not `asdict`: it copies every text, and a state is written at every step.
        machines = {name: _fields(one) for name, one in self.machines.items()}
        for row in machines.values():
            row["usd_per_hour"] = str(row["usd_per_hour"])
        return {**_fields(self), "machines": machines, "members": list(self.members)}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> RunState:
        """What `as_json` gave. Raises KeyError, TypeError, ValueError or ArithmeticError on anything else."""
        known = dict(plain)
        known["machines"] = {
            name: MachineRecord(**{**row, "usd_per_hour": Decimal(row["usd_per_hour"])})
            for name, row in known["machines"].items()
        }
        return cls(**known)


def _fields(one: MachineRecord | RunState) -> dict[str, Any]:
    return {known.name: getattr(one, known.name) for known in fields(one)}
