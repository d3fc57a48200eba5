"""Generated loads, the same for the same seed: the shape that the plan expects, and others to err on.

No traffic of the real platform was ever recorded, so every figure that comes out of these is about the
method, not about the platform.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from sophia_infra.scaling.errors import SettingsRefused
from sophia_infra.scaling.holidays import WORK_CALENDAR, LocalSteps, WorkCalendar
from sophia_infra.scaling.series import DAY_S, HOUR_S, WEEK_S, FloatArray, Series, make_series

__all__ = ["SHAPES", "SHARE_SHORT", "Trace", "make_trace"]

SHARE_SHORT: Final = 0.8
"""Of calls that are short completions (under 2 s); the rest is sustained GPU work. Source: checklist (c)."""

_SEASON_START: Final = int(datetime(2026, 9, 7, tzinfo=UTC).timestamp())
"""A Monday; nine weeks from here hold Labor Day, Columbus Day and the end of daylight saving time."""

_HOLIDAY_START: Final = int(datetime(2026, 10, 12, tzinfo=UTC).timestamp())
"""Seven weeks later come Thanksgiving and then Christmas; Columbus and Veterans Day lie before."""

_WORKDAY_HOURS: Final = (0, 7, 8.5, 9.5, 12, 12.5, 13.5, 16.5, 18, 20, 23, 24)
_WORKDAY_SHARES: Final = (0.08, 0.08, 0.35, 1.0, 1.0, 0.8, 1.0, 0.95, 0.55, 0.18, 0.08, 0.08)
_QUIET_HOURS: Final = (0, 9, 14, 20, 24)
_QUIET_SHARES: Final = (0.05, 0.06, 0.14, 0.08, 0.05)
"""Local hour and share of the peak: office hours 09-18, little at night and on weekends. Source: ditto."""

_WANDERING: Final = 0.08
_MEMORY: Final = 0.97
"""How far a load strays from its shape (standard deviation of its logarithm), and how long it remembers
that: after 5 minutes this share is left. Our choice; nothing was measured."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A load and what was seen of it.

    Attributes:
        shape, seed: what made it.
        seen: calls per second as they were counted, with the gaps of a real recording.
        true: the same without gaps.
    """

    shape: str
    seed: int
    seen: Series
    true: Series


def make_trace(
    shape: str,
    *,
    weeks: int = 8,
    seed: int = 0,
    step_s: int = 300,
    peak_per_s: float = 10.0,
    start_s: int | None = None,
    calendar: WorkCalendar = WORK_CALENDAR,
) -> Trace:
    """One load of `SHAPES` over whole weeks.

    Args:
        peak_per_s: calls per second in the busiest hours of the unchanged shape.
        start_s: seconds since 1970, a multiple of `step_s`. None: a Monday that suits the shape, so that
            the clocks change, or holidays come, in the weeks after the sixth.

    Raises:
        SettingsRefused: no such shape, or a length, step or peak that is not above 0.
    """
    if shape not in SHAPES:
        raise SettingsRefused(f"shape is {shape!r}.", next_step=f"choose one of {', '.join(SHAPES)}.")
    if weeks < 1 or step_s < 1 or WEEK_S % step_s or not peak_per_s > 0:
        raise SettingsRefused(
            f"weeks is {weeks}, step_s {step_s} and peak_per_s {peak_per_s}.",
            next_step="choose numbers above 0, and a step that divides a week.",
        )
    if start_s is None:
        start_s = _HOLIDAY_START if shape == "holidays" else _SEASON_START
    start_s = -(-start_s // step_s) * step_s
    count = weeks * WEEK_S // step_s
    random = np.random.default_rng([seed, *shape.encode()])
    form = _Form(calendar.local_steps(start_s, step_s, count), step_s, count)
    true = make_series(start_s, step_s, SHAPES[shape](form, random) * peak_per_s)
    seen = true
    if shape == "gaps":
        seen = make_series(start_s, step_s, np.where(_gaps(form, random), np.nan, true.values))
    return Trace(shape, seed, seen, true)


@dataclass(frozen=True, slots=True)
class _Form:
    """What a shape may look at."""

    local: LocalSteps
    step_s: int
    count: int

    @property
    def weeks(self) -> FloatArray:
        """Weeks since the beginning."""
        return np.arange(self.count, dtype=np.float64) * (self.step_s / WEEK_S)


def _office(form: _Form, random: np.random.Generator) -> FloatArray:
    hours = form.local.second_of_day / HOUR_S
    workday = np.interp(hours, _WORKDAY_HOURS, _WORKDAY_SHARES)
    quiet = np.interp(hours, _QUIET_HOURS, _QUIET_SHARES)
    level = np.where(form.local.weekday < 5, workday, quiet)
    # Mondays start slowly and Fridays end early, as offices do.
    level = level * np.array([0.95, 1.0, 1.02, 1.0, 0.88, 1.0, 0.9])[form.local.weekday]
    return _counted(level * np.exp(_wandering(form, random)), form, random)


def _every_day(form: _Form, random: np.random.Generator) -> FloatArray:
    hours = form.local.second_of_day / HOUR_S
    level = 0.55 - 0.4 * np.cos((hours - 3) / 24 * 2 * np.pi)
    return _counted(level * np.exp(_wandering(form, random)), form, random)


def _trend(form: _Form, random: np.random.Generator) -> FloatArray:
    return _office(form, random) * (0.6 * 1.06**form.weeks)


def _step_change(form: _Form, random: np.random.Generator) -> FloatArray:
    return _office(form, random) * np.where(form.weeks < 6.3, 0.5, 1.0)


def _surprise(form: _Form, random: np.random.Generator) -> FloatArray:
    """A day off that no calendar knows: the Wednesday of each third week is quiet."""
    level = _office(form, random)
    hours = form.local.second_of_day / HOUR_S
    week, day = form.weeks.astype(np.int64), (form.weeks % 1 * 7).astype(np.int64)
    quiet = np.interp(hours, _QUIET_HOURS, _QUIET_SHARES)
    return np.where((week % 3 == 0) & (day == 2), quiet, level)


def _spikes(form: _Form, random: np.random.Generator) -> FloatArray:
    level = _office(form, random)
    for _ in range(int(random.poisson(3 * form.count * form.step_s / WEEK_S))):
        begin = int(random.integers(form.count))
        length = int(random.uniform(600, 2400) / form.step_s) + 1
        shape = np.exp(-np.arange(3 * length) / length)[: form.count - begin]
        level[begin : begin + len(shape)] += random.uniform(0.6, 1.5) * shape
    return level


def _flat(form: _Form, _random: np.random.Generator) -> FloatArray:
    return np.full(form.count, 0.5)


def _noise(form: _Form, random: np.random.Generator) -> FloatArray:
    return random.gamma(9.0, 0.5 / 9.0, form.count)


def _walk(form: _Form, random: np.random.Generator) -> FloatArray:
    steps = random.normal(0.0, 0.02 * np.sqrt(form.step_s / 300), form.count)
    return 0.5 * np.exp(0.4 * np.sin(np.cumsum(steps)) + _wandering(form, random) * 0.1)


def _gaps(form: _Form, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    missing = np.zeros(form.count, dtype=bool)
    weeks = form.count * form.step_s / WEEK_S
    for share, shortest_s, longest_s in ((20, 300, 1200), (1.2, 6 * HOUR_S, 1.5 * DAY_S)):
        for _ in range(int(random.poisson(share * weeks))):
            begin = int(random.integers(form.count))
            length = max(1, int(random.uniform(shortest_s, longest_s) / form.step_s))
            missing[begin : begin + length] = True
    return missing


def _wandering(form: _Form, random: np.random.Generator) -> FloatArray:
    """A stray around 0 that is forgotten slowly."""
    memory = _MEMORY ** (form.step_s / 300)
    shocks = random.normal(0.0, _WANDERING * np.sqrt(1 - memory**2), form.count)
    strayed = np.empty(form.count)
    value = random.normal(0.0, _WANDERING)
    for place, shock in enumerate(shocks):
        value = memory * value + shock
        strayed[place] = value
    return strayed


def _counted(level: FloatArray, form: _Form, random: np.random.Generator) -> FloatArray:
    """Calls are whole: what a counter shows of a load whose peak is 10 a second."""
    calls_at_peak = 10.0 * form.step_s
    return random.poisson(level * calls_at_peak) / calls_at_peak


Shape = Callable[[_Form, np.random.Generator], FloatArray]

SHAPES: Final[Mapping[str, Shape]] = MappingProxyType(
    {
        "plan": _office,
        "trend": _trend,
        "step": _step_change,
        "spikes": _spikes,
        "gaps": _office,
        "holidays": _office,
        "surprise": _surprise,
        "daily": _every_day,
        "flat": _flat,
        "noise": _noise,
        "walk": _walk,
    }
)
"""Name -> what draws it, in shares of the peak."""
