"""From the tracks of a machine to a profile: how busy, how large, at which hours of the week. Pure.

Nothing is concluded from data that is too short, too thin or stale: then a profile says why in `problem`.
Where the processor was not measured, an idle GPU proves nothing, since the machine may work without it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sophia_infra.optimization.config import OptimizationConfig
from sophia_infra.optimization.usage import HOURS_OF_WEEK, MachineTracks, MachineUsage, Track

__all__ = ["percentile", "profile"]

_NO_REQUESTS: Final = 0.01
"""Requests a second below which nobody asks: health checks of a probe are not counted by the services."""


def profile(tracks: MachineTracks, config: OptimizationConfig, now_s: float) -> MachineUsage:
    """What the tracks say at `now_s` (seconds since 1970)."""
    gpu = tracks.gpu_percent
    first = next((place for place, one in enumerate(gpu.values) if one is not None), None)
    end_s = gpu.last_end_s
    if first is None or end_s is None:
        return MachineUsage("nothing was measured of it", 0.0, 0.0, math.inf)
    values = gpu.values[first : (end_s - gpu.start_s) // gpu.step_s]
    known = [one for one in values if one is not None]
    days = len(values) * gpu.step_s / 86_400
    coverage, age_s = len(known) / len(values), max(0.0, now_s - end_s)
    problem = _problem(tracks, config, days, coverage, age_s)
    steps = _Steps.of(tracks, config)
    week = _Week.of(steps, config)
    cpu, requests = _known(tracks.cpu_percent), _known(tracks.requests_per_s)
    return MachineUsage(
        problem=problem,
        days=days,
        coverage=coverage,
        age_s=age_s,
        gpu_mean=math.fsum(known) / len(known),
        gpu_p95=percentile(known, 95),
        gpu_peak=max(known),
        cpu_p95=percentile(cpu, 95) if cpu else None,
        cpu_peak=max(cpu) if cpu else None,
        gpu_memory_gib=max(_known(tracks.gpu_memory_gib), default=None),
        memory_gib=max(_known(tracks.memory_gib), default=None),
        requests_per_s=math.fsum(requests) / len(requests) if requests else None,
        quiet_share=sum(1 for one in steps.quiet if one) / len(known),
        high_stretches=_high_stretches(gpu, config),
        off_hours=week.off_hours,
        hours_seen=week.hours_seen,
        regular_share=week.regular_share,
        tracks=tracks,
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of at least one value."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _problem(
    tracks: MachineTracks, config: OptimizationConfig, days: float, coverage: float, age_s: float
) -> str | None:
    if age_s > config.max_age_minutes * 60:
        return f"the data is stale: the last measured step ended {age_s / 3600:.1f} h ago"
    if days < config.min_days:
        return f"it was measured for {days:.1f} days, and {config.min_days} are needed"
    if coverage * 100 < config.coverage_percent:
        return f"{coverage * 100:.0f} % of the time was measured, and {config.coverage_percent} are needed"
    cpu = _known(tracks.cpu_percent)
    if len(cpu) * 100 < len(tracks.gpu_percent.measured) * config.coverage_percent:
        return "its processor was not measured, and it may work without its GPU"
    return None


@dataclass(frozen=True, slots=True)
class _Steps:
    """For each step whether it was in a quiet stretch; None where nothing was measured."""

    start_s: int
    step_s: int
    quiet: tuple[bool | None, ...]

    @classmethod
    def of(cls, tracks: MachineTracks, config: OptimizationConfig) -> _Steps:
        gpu = tracks.gpu_percent
        low = [_is_low(tracks, place, config) for place in range(len(gpu.values))]
        needed = max(1, math.ceil(config.low_minutes * 60 / gpu.step_s))
        quiet = [None if one is None else False for one in low]
        for first, behind in _runs(low):
            if behind - first >= needed:
                quiet[first:behind] = [True] * (behind - first)
        return cls(gpu.start_s, gpu.step_s, tuple(quiet))


def _is_low(tracks: MachineTracks, place: int, config: OptimizationConfig) -> bool | None:
    """Whether the machine did nothing to speak of; None where its GPU was not measured."""
    gpu = tracks.gpu_percent.values[place]
    if gpu is None:
        return None
    cpu, requests = _at(tracks.cpu_percent, place), _at(tracks.requests_per_s, place)
    works = (cpu or 0.0) >= config.cpu_busy_percent or (requests or 0.0) >= _NO_REQUESTS
    return gpu < config.low_percent and not works


@dataclass(frozen=True, slots=True)
class _Week:
    """Hours of the local week: how often each was seen, and how often it was busy."""

    seen: tuple[int, ...]
    busy: tuple[int, ...]

    @classmethod
    def of(cls, steps: _Steps, config: OptimizationConfig) -> _Week:
        zone = ZoneInfo(config.timezone)
        seen: list[set[int]] = [set() for _ in range(HOURS_OF_WEEK)]
        busy: list[set[int]] = [set() for _ in range(HOURS_OF_WEEK)]
        for place, quiet in enumerate(steps.quiet):
            if quiet is None:
                continue
            local = datetime.fromtimestamp(steps.start_s + place * steps.step_s, tz=zone)
            hour = local.weekday() * 24 + local.hour
            seen[hour].add(local.toordinal())
            if not quiet:
                busy[hour].add(local.toordinal())
        return cls(tuple(map(len, seen)), tuple(map(len, busy)))

    @property
    def off_hours(self) -> frozenset[int]:
        return frozenset(hour for hour in range(HOURS_OF_WEEK) if self.seen[hour] and not self.busy[hour])

    @property
    def hours_seen(self) -> int:
        return min(self.seen)

    @property
    def regular_share(self) -> float:
        regular = sum(busy for seen, busy in zip(self.seen, self.busy, strict=True) if busy * 2 >= seen)
        return regular / sum(self.busy) if any(self.busy) else 1.0


def _high_stretches(gpu: Track, config: OptimizationConfig) -> int:
    high = [None if one is None else one >= config.high_percent for one in gpu.values]
    needed = max(1, math.ceil(config.high_minutes * 60 / gpu.step_s))
    return sum(1 for first, behind in _runs(high) if behind - first >= needed)


def _runs(flags: Sequence[bool | None]) -> Iterator[tuple[int, int]]:
    """(first, behind the last) of each stretch of True; what was not measured ends one."""
    first: int | None = None
    for place, flag in enumerate([*flags, False]):
        if flag and first is None:
            first = place
        elif not flag and first is not None:
            yield first, place
            first = None


def _known(track: Track | None) -> list[float]:
    return [] if track is None else track.measured


def _at(track: Track | None, place: int) -> float | None:
    return track.values[place] if track is not None and place < len(track.values) else None
