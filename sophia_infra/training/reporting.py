"""What a run is and has cost, for people and machines. Pure; every figure says where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sophia_infra.training.run_folder import RunFolder
from sophia_infra.training.run_spec import RunSpec
from sophia_infra.training.run_state import MachineRecord, RunState

__all__ = ["Minutes", "RunReport", "report_run"]


@dataclass(frozen=True, slots=True)
class Minutes:
    """Minutes of all machines together. `billed` counts started minutes, as the service does.

    The other three are exact shares of the same time: `boot` until a machine was up and the job had begun,
    `job`, and `ending`.
    """

    billed: int
    boot: Decimal
    job: Decimal
    ending: Decimal

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "billed": self.billed,
            "boot": str(self.boot),
            "job": str(self.job),
            "ending": str(self.ending),
        }


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run as its record says. `attended`, `watched`: a living process does."""

    spec: RunSpec
    state: RunState
    now_s: float
    attended: bool
    watched: bool

    @property
    def usd(self) -> Decimal:
        """Dollars so far: started minutes of every machine at list price."""
        return self.state.usd(self.now_s)

    @property
    def usd_per_hour(self) -> Decimal:
        """Of what runs now."""
        return sum((one.usd_per_hour for one in self.state.living.values()), Decimal(0))

    @property
    def ends_at(self) -> datetime | None:
        """When the machines are ended at the latest; None before the first launch and after the end."""
        if self.state.deadline_s is None or self.state.phase == "ended":
            return None
        return datetime.fromtimestamp(self.state.deadline_s, tz=UTC)

    @property
    def word(self) -> str:
        """One word, or three, for how it stands."""
        if self.state.phase == "ended":
            return str(self.state.outcome)
        return self.state.phase if self.attended else f"{self.state.phase}, not attended"

    @property
    def minutes(self) -> Minutes:
        began_s, ended_s = self.state.job_began_s, self.state.job_ended_s
        boot = job = ending = 0.0
        for one in self.state.machines.values():
            until_s = self.now_s if one.ended_at_s is None else one.ended_at_s
            is_up = began_s is not None and one.ready_at_s is not None
            job_from_s = min(max(began_s or 0.0, one.ready_at_s or 0.0), until_s) if is_up else until_s
            job_until_s = until_s if ended_s is None else min(max(ended_s, job_from_s), until_s)
            boot += job_from_s - one.launched_at_s
            job += job_until_s - job_from_s
            ending += until_s - job_until_s
        billed = sum(one.billed.minutes(self.now_s) for one in self.state.machines.values())
        return Minutes(billed, _minutes(boot), _minutes(job), _minutes(ending))

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as decimal text, times as seconds since 1970 on the cloud's clock."""
        return {
            "run": self.spec.run_id,
            "stack": self.spec.stack,
            "cluster": self.spec.cluster,
            "workload": self.spec.workload,
            "phase": self.state.phase,
            "outcome": self.state.outcome,
            "message": self.state.message,
            "attended": self.attended,
            "watched": self.watched,
            "usd": str(self.usd),
            "usd_per_hour": str(self.usd_per_hour),
            "max_usd": str(self.spec.max_usd),
            "max_hours": self.spec.max_hours,
            "deadline_s": self.state.deadline_s,
            "deadline_by": self.state.deadline_by,
            "starts_of_the_job": self.state.incarnation,
            "minutes": self.minutes.as_json(),
            "results": self.state.results,
            "machines": [self._machine(one) for one in self.state.machines.values()],
        }

    def _machine(self, one: MachineRecord) -> dict[str, Any]:
        return {
            "node": one.number,
            "id": one.id,
            "instance_type": one.instance_type,
            "region": one.region,
            "address": one.address,
            "launched_at_s": one.launched_at_s,
            "ended_at_s": one.ended_at_s,
            "lost_because": one.lost_because,
            "minutes": one.billed.minutes(self.now_s),
            "usd": str(one.billed.usd(self.now_s)),
        }


def report_run(folder: RunFolder, now_s: float) -> RunReport:
    """Read the record. `now_s` is the cloud's clock. Raises RecordUnusable."""
    return RunReport(
        folder.spec(), folder.state(), now_s, folder.is_held("starter"), folder.is_held("watchdog")
    )


def _minutes(duration_s: float) -> Decimal:
    return (Decimal(str(duration_s)) / 60).quantize(Decimal("0.1"))
