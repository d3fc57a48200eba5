"""Labelled cases: what a machine was used for, and what a careful engineer would advise about it.

A case is one machine of the file, neither always on nor protected, alone in its region unless it names
another one: an A6000 where nothing else is said, than which no type of its generation is cheaper. `wants` are
the kinds that should be found about it, by usage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sophia_infra.optimization.recommendation import Kind
from sophia_infra.optimization.usage import MachineTracks
from tests.unit.optimization.shapes import END_S, between, machine, office, weekly

EASTERN = "America/New_York"


@dataclass(frozen=True)
class Labelled:
    name: str
    tracks: MachineTracks | None
    wants: frozenset[Kind] = frozenset()
    instance_type: str = "gpu_1x_a6000"
    settings: Mapping[str, Any] = field(default_factory=dict)
    beside: tuple[str, MachineTracks] | None = None


def noise(low: float, high: float) -> Any:
    """Deterministic, without a pattern that a week has."""

    def at(moment: datetime) -> float:
        place = (int(moment.timestamp()) // 900 * 2_654_435_761) % 1000
        return low + (high - low) * place / 1000

    return at


def _bursts(every_hours: int, busy: float) -> Any:
    def at(moment: datetime) -> float:
        hour = int(moment.timestamp()) // 3600
        return busy if hour % every_hours == 0 else 1.0

    return at


def _first_of_month(moment: datetime) -> float:
    return 90.0 if moment.day == 1 and moment.hour < 12 else 0.5


def _gaps(share_percent: int) -> Any:
    """Nothing measured for so many of a hundred steps."""

    def at(moment: datetime) -> float | None:
        return None if (int(moment.timestamp()) // 900) % 100 < share_percent else 1.0

    return at


def _backup(moment: datetime) -> float:
    return 60.0 if moment.hour == 2 and moment.minute < 15 else 3.0


def _one_quiet_week(moment: datetime) -> float:
    return 1.0 if moment.isocalendar().week % 4 == 0 else 60.0


IDLE, SCHEDULE = frozenset({Kind.IDLE}), frozenset({Kind.SCHEDULE})
SMALLER, SHARED = frozenset({Kind.RIGHTSIZE}), frozenset({Kind.CONSOLIDATE})

CASES: tuple[Labelled, ...] = (
    Labelled("idle for four weeks", machine(1.0), IDLE),
    Labelled("idle, with a backup of a quarter of an hour each night", machine(0.5, cpu=_backup), IDLE),
    Labelled("idle with a little noise", machine(noise(0, 9)), IDLE),
    Labelled("idle, its GPU memory full of a forgotten model", machine(0.0, gpu_gib=46.0), IDLE),
    Labelled("GPU idle, processors at work all day", machine(0.5, cpu=noise(30, 70))),
    Labelled("GPU idle, but it answers requests", machine(3.0, requests=0.8)),
    Labelled("busy all the time", machine(noise(55, 68))),
    Labelled("bursts every six hours", machine(_bursts(6, 85.0))),
    Labelled("bursts every three hours, short", machine(_bursts(3, 60.0))),
    Labelled("a batch of six hours each Sunday", machine(weekly(6, 2, 6, 95.0)), SCHEDULE),
    Labelled("a batch of one hour each Sunday", machine(weekly(6, 2, 1, 95.0)), SCHEDULE),
    Labelled("once on the first of the month", machine(_first_of_month)),
    Labelled("office hours", machine(office(60.0)), SCHEDULE),
    Labelled("office hours in another time zone", machine(office(60.0), zone=EASTERN), SCHEDULE),
    Labelled(
        "office hours, judged in their own time zone",
        machine(office(60.0), zone=EASTERN),
        SCHEDULE,
        settings={"timezone": EASTERN},
    ),
    Labelled("training at night", machine(between(22, 6, 96.0)), SCHEDULE),
    Labelled("at work from six to midnight", machine(between(6, 24, 60.0)), SCHEDULE),
    Labelled("pauses of two hours only", machine(between(5, 3, 60.0))),
    Labelled("quiet in one week of four", machine(_one_quiet_week)),
    Labelled("new: four days old", machine(1.0, days=4)),
    Labelled("measured for eight days: too short for a schedule", machine(office(60.0), days=8)),
    Labelled("stale: the last step is five hours old", machine(1.0, end_s=END_S - 5 * 3600)),
    Labelled("half of the time not measured", machine(_gaps(50))),
    Labelled("a tenth of the time not measured", machine(_gaps(10)), IDLE),
    Labelled("its processors not measured", machine(1.0, cpu=None)),
    Labelled("never measured", None),
    Labelled("a light load on an A100", machine(noise(12, 26), requests=2.0), SMALLER, "gpu_1x_a100"),
    Labelled(
        "a light load on an A100 whose 37 GiB fit into the cheaper A6000",
        machine(noise(12, 26), gpu_gib=37.0, requests=2.0),
        SMALLER,
        "gpu_1x_a100",
    ),
    Labelled(
        "a light load on an H100, than which whatever is cheaper is older",
        machine(noise(12, 26), gpu_gib=39.5, requests=2.0),
        frozenset(),
        "gpu_1x_h100_pcie",
    ),
    Labelled(
        "a light load on an H100, 70 GiB of its memory in use",
        machine(noise(12, 26), gpu_gib=70.0, requests=2.0),
        frozenset(),
        "gpu_1x_h100_pcie",
    ),
    Labelled(
        "a busy A10, than which an A6000 is larger and cheaper",
        machine(noise(55, 68)),
        SMALLER,
        "gpu_1x_a10",
    ),
    Labelled(
        "a busy A10 with 150 GiB of memory in use",
        machine(noise(55, 68), gib=150.0),
        frozenset(),
        "gpu_1x_a10",
    ),
    Labelled(
        "a light load on an A100, 180 GiB of memory in use",
        machine(noise(12, 26), gib=180.0, requests=2.0),
        frozenset(),
        "gpu_1x_a100",
    ),
    Labelled(
        "a light load on an A100, processors busy",
        machine(noise(12, 26), cpu=75.0, requests=2.0),
        frozenset(),
        "gpu_1x_a100",
    ),
    Labelled(
        "a light load on an A100 with an hour of full use",
        machine(weekly(2, 10, 1, 99.0), requests=2.0),
        frozenset(),
        "gpu_1x_a100",
    ),
    Labelled(
        "a light load on the only arm64 type",
        machine(noise(5, 15), requests=2.0),
        frozenset(),
        "gpu_1x_gh200",
    ),
    Labelled(
        "memory use unknown on an A100", machine(20.0, gpu_gib=None, requests=2.0), frozenset(), "gpu_1x_a100"
    ),
    Labelled(
        "a light load beside a light load",
        machine(noise(5, 20), requests=1.0),
        SHARED,
        beside=("gpu_1x_a6000", machine(noise(5, 20), requests=1.0)),
    ),
    Labelled(
        "a light load beside a full memory",
        machine(noise(5, 20), requests=1.0),
        frozenset(),
        beside=("gpu_1x_a6000", machine(noise(5, 20), gpu_gib=40.0, requests=1.0)),
    ),
    Labelled(
        "a light load beside a busy machine",
        machine(noise(22, 30), requests=1.0),
        frozenset(),
        beside=("gpu_1x_a6000", machine(noise(55, 68), requests=1.0)),
    ),
)
