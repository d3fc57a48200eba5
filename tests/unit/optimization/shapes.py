"""Recorded series of four weeks, made from a rule for each hour: the shapes that machines are used in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sophia_infra.optimization.usage import MachineTracks, Track

STEP_S = 900
WEEKS = 4
NOW_S = 1_790_000_100
"""Just behind a whole step, as `now` usually is."""

END_S = NOW_S // STEP_S * STEP_S
At = Callable[[datetime], float | None]
"""Local time of a step -> what was measured; None is a gap."""


def track(value: At | float, *, zone: str = "UTC", days: int = 7 * WEEKS, end_s: int = END_S) -> Track:
    steps = days * 86_400 // STEP_S
    start_s = end_s - steps * STEP_S
    first = datetime.fromtimestamp(start_s, tz=ZoneInfo("UTC"))
    local = ZoneInfo(zone)
    if callable(value):
        moments = (first + timedelta(seconds=number * STEP_S) for number in range(steps))
        return Track(start_s, STEP_S, tuple(value(one.astimezone(local)) for one in moments))
    return Track(start_s, STEP_S, (value,) * steps)


def machine(
    gpu: At | float,
    *,
    cpu: At | float | None = 2.0,
    gpu_gib: At | float | None = 4.0,
    gib: At | float | None = 8.0,
    requests: At | float | None = 0.0,
    zone: str = "UTC",
    days: int = 7 * WEEKS,
    end_s: int = END_S,
) -> MachineTracks:
    """Everything of one machine; None: nobody exports it."""

    def of(value: At | float | None) -> Track | None:
        return None if value is None else track(value, zone=zone, days=days, end_s=end_s)

    return MachineTracks(
        gpu_percent=track(gpu, zone=zone, days=days, end_s=end_s),
        gpu_memory_gib=of(gpu_gib),
        cpu_percent=of(cpu),
        memory_gib=of(gib),
        requests_per_s=of(requests),
    )


def office(busy: float, quiet: float = 1.0, *, first: int = 9, last: int = 18) -> At:
    """Busy on weekdays from `first` to before `last`."""

    def at(moment: datetime) -> float:
        return busy if moment.weekday() < 5 and first <= moment.hour < last else quiet

    return at


def between(first: int, last: int, busy: float, quiet: float = 1.0) -> At:
    """Busy each day from `first` to before `last`; over midnight when `last` is smaller."""

    def at(moment: datetime) -> float:
        inside = first <= moment.hour < last if first < last else not last <= moment.hour < first
        return busy if inside else quiet

    return at


def weekly(weekday: int, hour: int, hours: int, busy: float) -> At:
    """Busy once a week."""

    def at(moment: datetime) -> float:
        return busy if moment.weekday() == weekday and hour <= moment.hour < hour + hours else 0.5

    return at
