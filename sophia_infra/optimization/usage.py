"""What was measured of each machine, by whom, and what a profile of it says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

__all__ = [
    "HOURS_OF_WEEK",
    "MachineTracks",
    "MachineUsage",
    "Recorded",
    "Track",
    "UsageReport",
    "UsageSource",
]

HOURS_OF_WEEK: Final = 168


@dataclass(frozen=True, slots=True)
class Track:
    """One measured value over time: value i stands for [start_s + i x step_s, start_s + (i + 1) x step_s)."""

    start_s: int
    step_s: int
    values: tuple[float | None, ...]

    @property
    def measured(self) -> list[float]:
        return [one for one in self.values if one is not None]

    @property
    def last_end_s(self) -> int | None:
        """Where the newest measured step ends; None when none was."""
        for place in range(len(self.values) - 1, -1, -1):
            if self.values[place] is not None:
                return self.start_s + (place + 1) * self.step_s
        return None


@dataclass(frozen=True, slots=True)
class MachineTracks:
    """Everything recorded of one machine, all on the same steps; None: nobody exports it.

    Attributes:
        gpu_percent: share of time in which anything ran on its GPUs, the busiest of them.
        gpu_memory_gib: used on the fullest of its GPUs.
        cpu_percent: of all its processors.
        memory_gib: of the machine, in use.
        requests_per_s: HTTP requests that its pods answered.
    """

    gpu_percent: Track
    gpu_memory_gib: Track | None = None
    cpu_percent: Track | None = None
    memory_gib: Track | None = None
    requests_per_s: Track | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a source gave: machine id -> tracks, who gave it and when.

    Attributes:
        capacity: (instance type, region) -> 1 where capacity was listed, 0 where not.
        notes: what was asked for and is not recorded.
    """

    source: str
    read_at_s: float
    machines: Mapping[str, MachineTracks]
    capacity: Mapping[tuple[str, str], Track] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class UsageSource(Protocol):
    """Something that measured the machines."""

    def read(self, start_s: int, end_s: int, step_s: int) -> Recorded:
        """Everything of the steps from `start_s` to `end_s`, both multiples of `step_s`.

        Raises:
            SourceError: of `metrics_client.errors`: no answer, or none to the question.
        """
        ...


@dataclass(frozen=True, slots=True)
class MachineUsage:
    """What one machine was used for.

    Attributes:
        problem: why nothing follows from this; None when it may be used.
        days: between the first and the last measured step.
        coverage: share of the steps between them, 0 to 1.
        age_s: seconds since the last measured step ended.
        gpu_mean, gpu_p95, gpu_peak, cpu_p95, cpu_peak: percent; of the processor None when not recorded.
        gpu_memory_gib, memory_gib: peaks; None when not recorded.
        requests_per_s: mean; None when not recorded.
        quiet_share: share of time in stretches that count as quiet.
        high_stretches: stretches of high use that are long enough to matter.
        off_hours: hours of the week, 0 is Monday 00:00 local, that were quiet each time they were seen.
        hours_seen: how often the least seen hour of the week was measured.
        regular_share: share of the busy hours that lie in hours of the week which were busy at least every
            second time: what is not regular cannot be scheduled.
    """

    problem: str | None
    days: float
    coverage: float
    age_s: float
    gpu_mean: float = 0.0
    gpu_p95: float = 0.0
    gpu_peak: float = 0.0
    cpu_p95: float | None = None
    cpu_peak: float | None = None
    gpu_memory_gib: float | None = None
    memory_gib: float | None = None
    requests_per_s: float | None = None
    quiet_share: float = 0.0
    high_stretches: int = 0
    off_hours: frozenset[int] = frozenset()
    hours_seen: int = 0
    regular_share: float = 0.0
    tracks: MachineTracks | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Plain data, rounded for people."""
        names = ("gpu_mean", "gpu_p95", "gpu_peak", "cpu_p95", "cpu_peak", "gpu_memory_gib", "memory_gib")
        rounded = {name: _rounded(getattr(self, name)) for name in names}
        return {
            "problem": self.problem,
            "days": round(self.days, 1),
            "coverage": round(self.coverage, 3),
            "age_s": round(self.age_s),
            **rounded,
            "requests_per_s": _rounded(self.requests_per_s),
            "quiet_share": round(self.quiet_share, 3),
            "high_stretches": self.high_stretches,
            "off_hours_per_week": len(self.off_hours),
        }


@dataclass(frozen=True, slots=True)
class UsageReport:
    """All machines that the source knows. `start_s` to `end_s` is what was asked for."""

    source: str
    read_at_s: float
    start_s: int
    end_s: int
    machines: Mapping[str, MachineUsage]
    capacity: Mapping[tuple[str, str], Track]
    notes: tuple[str, ...]

    @property
    def is_usable(self) -> bool:
        """Whether any machine was measured lately: else the source is as good as none."""
        return any(one.problem is None for one in self.machines.values())

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "source": self.source,
            "start_s": self.start_s,
            "end_s": self.end_s,
            "machines": {name: one.as_json() for name, one in self.machines.items()},
            "notes": list(self.notes),
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
