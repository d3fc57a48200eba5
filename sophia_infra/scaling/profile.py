"""The shape of a week (or a day) in a measured load, on the local clock, and its slowly moving level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from sophia_infra.scaling.holidays import WorkCalendar
from sophia_infra.scaling.series import DAY_S, WEEK_S, FloatArray, Series

__all__ = ["LoadProfile", "Season", "fit_profile"]

Season = Literal["week", "day"]

IntArray = npt.NDArray[np.int64]

_WORKDAYS: Final = 5
_REACH_S: Final = 600
"""A slot learns from slots up to so many seconds away as well, the less the farther."""

_ROUNDS: Final = 2
"""Shape and level are estimated in turns: the second round changes the shape by less than a percent."""

_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """What a load usually is at a local weekday and time of day.

    Attributes:
        shape: (day groups, slots of a day), about 1 on average; seven groups for a week, one for a day.
        level: load of the last season (week or day) that a shape of 1 stands for; 0 when it was quiet.
        calendar: whose clock and holidays.
    """

    shape: FloatArray
    level: float
    season: Season
    step_s: int
    calendar: WorkCalendar

    def expected(self, start_s: int, count: int) -> FloatArray:
        """Usual load of `count` steps from `start_s` on, not negative."""
        group, slot = _places(self.calendar, self.season, start_s, self.step_s, count)
        return self.level * self.shape[group, slot]


def fit_profile(series: Series, season: Season, calendar: WorkCalendar) -> LoadProfile:
    """Learn the profile of a series whose step divides a day. Gaps teach nothing and hurt nothing.

    Level and shape are estimated in turns: the level of a moment is the load of the season around it over
    what the shape has there, so that growth does not bend the shape and a lost Sunday does not lift the
    level. A weekday's own shape is drawn towards that of all weekdays as far as their difference could be
    chance (James-Stein), since a weekday is seen only once a week.
    """
    group, slot = _places(calendar, season, series.start_s, series.step_s, len(series))
    groups, slots = (7 if season == "week" else 1), DAY_S // series.step_s
    measured = ~np.isnan(series.values)
    values = np.where(measured, series.values, 0.0)
    window = (WEEK_S if season == "week" else DAY_S) // series.step_s
    mean = float(values.sum() / max(1, measured.sum()))
    if mean == 0.0:
        return LoadProfile(np.zeros((groups, slots)), 0.0, season, series.step_s, calendar)
    level = np.full(len(series), mean)
    shape = np.ones((groups, slots))
    for _ in range(_ROUNDS):
        ratios = values / np.maximum(level, _TINY * mean)
        shape = _shape(ratios, measured, group * slots + slot, groups, slots, series.step_s)
        usual = np.where(measured, shape[group, slot], 0.0)
        level = _level(values, usual, window, mean)
    return LoadProfile(shape, float(level[-1]), season, series.step_s, calendar)


def _places(
    calendar: WorkCalendar, season: Season, start_s: int, step_s: int, count: int
) -> tuple[IntArray, IntArray]:
    local = calendar.local_steps(start_s, step_s, count)
    group = local.weekday if season == "week" else np.zeros_like(local.weekday)
    return group, local.second_of_day // step_s


def _level(values: FloatArray, usual: FloatArray, window: int, mean: float) -> FloatArray:
    """Load over shape in the window around each step; at the ends in the first and the last window."""
    count = len(values)
    first = np.clip(np.arange(count) - window // 2, 0, max(0, count - window))
    behind = np.minimum(first + window, count)
    seen, expected = (np.concatenate(([0.0], np.cumsum(one))) for one in (values, usual))
    above, below = seen[behind] - seen[first], expected[behind] - expected[first]
    return np.where(below > _TINY, np.maximum(above, 0.0) / np.maximum(below, _TINY), mean)


def _shape(
    ratios: FloatArray,
    measured: npt.NDArray[np.bool_],
    place: IntArray,
    groups: int,
    slots: int,
    step_s: int,
) -> FloatArray:
    size = groups * slots
    weights = [
        np.bincount(place[measured], weights=one[measured], minlength=size).astype(np.float64)
        for one in (np.ones_like(ratios), ratios, ratios**2)
    ]
    seen, sums, squares = (_spread(one, slots, step_s) for one in weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = np.where(seen > 0, sums / seen, np.nan).reshape(groups, slots)
        spread = np.where(seen > 0, squares / seen, np.nan).reshape(groups, slots) - own**2
    if groups > 1:
        days = np.maximum(1.0, weights[0].reshape(groups, slots))
        own[:_WORKDAYS] = _drawn_together(own[:_WORKDAYS], np.maximum(spread, 0.0)[:_WORKDAYS], days)
    return _without_holes(own)


def _spread(sums: FloatArray, slots: int, step_s: int) -> FloatArray:
    """Triangular moving sum over neighbouring slots, around midnight and around the week."""
    reach = min(_REACH_S // step_s, (slots - 1) // 2)
    total = (reach + 1.0) * sums
    for away in range(1, reach + 1):
        total = total + (reach + 1 - away) * (np.roll(sums, away) + np.roll(sums, -away))
    return total


def _drawn_together(own: FloatArray, spread: FloatArray, days: FloatArray) -> FloatArray:
    """Weekdays moved towards their common shape, each kept at its own height."""
    known = ~np.isnan(own)
    counts = known.sum(axis=0)
    common = np.where(counts > 0, np.where(known, own, 0.0).sum(axis=0) / np.maximum(counts, 1), np.nan)
    together = np.empty_like(own)
    for day, mine in enumerate(own):
        both = known[day] & ~np.isnan(common)
        below = float((common[both] ** 2).sum())
        together[day] = common * (float((mine[both] * common[both]).sum()) / below if below > 0 else 1.0)
    difference = (own - together)[known]
    chance = (spread / days[: len(own)])[known]
    apart = float((difference**2).sum())
    trust = 0.0 if apart <= 0 else min(1.0, max(0.0, 1.0 - float(chance.sum()) / apart))
    return np.where(known, trust * own + (1 - trust) * together, together)


def _without_holes(shape: FloatArray) -> FloatArray:
    """Slots that were never measured take those of the other days, then of the neighbouring hours."""
    if not np.isnan(shape).any():
        return np.maximum(shape, 0.0)
    known = ~np.isnan(shape)
    counts = known.sum(axis=0)
    common = np.where(known, shape, 0.0).sum(axis=0) / np.maximum(counts, 1)
    if not (counts > 0).all():
        places = np.arange(len(common))
        common = np.interp(places, places[counts > 0], common[counts > 0], period=len(common))
    return np.maximum(np.where(known, shape, common), 0.0)
