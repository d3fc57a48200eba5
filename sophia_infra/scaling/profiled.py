"""Models of a calendar profile and a memory of how far the load strays from it just now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from sophia_infra.scaling.holidays import WORK_CALENDAR, WorkCalendar
from sophia_infra.scaling.memory import Memory, Stray, fit_ets, fit_recall, has_statsmodels
from sophia_infra.scaling.models import BASELINES, Fit, Model, need_history
from sophia_infra.scaling.profile import LoadProfile, Season, fit_profile
from sophia_infra.scaling.series import DAY_S, WEEK_S, FloatArray, Series

__all__ = ["Profiled", "all_models"]

Strays = Literal["ratio", "difference"]

_FIT_MEMORY_S: Final = 2 * WEEK_S
"""Factors of the memory are found on the last two weeks: enough, and as the load behaves now."""

_FLOOR: Final = 0.02
"""Share of the level that is added to the profile where strays are ratios, so that a quiet night, when one
call more is twice as many, teaches nothing about the day."""

_NO_LEVEL: Final = 1e-9
"""A level up to here is no load: a share of it would be divided by nearly nothing."""

_BRIDGED_S: Final = 1800
"""Gaps of up to so many seconds are bridged by a line before a fit; longer ones are left out of it."""


@dataclass(frozen=True, slots=True)
class Profiled:
    """Calendar profile plus exponential smoothing of the strays from it.

    Attributes:
        season: what repeats. A week needs two of them, a day two days.
        memory: `ets`: factors by statsmodels; `recall`: by numpy alone (see `memory`).
        strays: whether a stray multiplies the profile or is added to it.
    """

    season: Season
    memory: Literal["ets", "recall"]
    strays: Strays = "ratio"
    calendar: WorkCalendar = WORK_CALENDAR

    @property
    def name(self) -> str:
        return f"{self.season}-profile-{self.memory}" + ("-additive" if self.strays == "difference" else "")

    @property
    def needs_s(self) -> int:
        return 2 * (WEEK_S if self.season == "week" else DAY_S)

    def fit(self, series: Series) -> Fit:
        """Raises TooLittleData, LibraryMissing (statsmodels, holidays), SettingsRefused (unknown country)."""
        need_history(self, series)
        bridged = series.without_short_gaps(_BRIDGED_S)
        profile = fit_profile(bridged, self.season, self.calendar)
        unfitted = _ProfiledFit(profile, self.strays, Memory(0.0), Stray(), bridged.start_s)
        strays, worth = unfitted.strays_of(bridged)
        steps = min(len(strays), _FIT_MEMORY_S // series.step_s)
        recent, weights = strays[-steps:], worth[-steps:]
        memory = fit_ets(recent) if self.memory == "ets" else fit_recall(recent, weights)
        return replace(unfitted, memory=memory, state=Stray().after(recent, memory), end_s=series.end_s)


def all_models(calendar: WorkCalendar = WORK_CALENDAR) -> tuple[Model, ...]:
    """Every model that works here, baselines first; without statsmodels those that need it are left out."""
    memories: tuple[Literal["ets", "recall"], ...] = ("ets", "recall") if has_statsmodels() else ("recall",)
    profiled = [
        Profiled(season, memory, strays, calendar)
        for season in ("week", "day")
        for memory in memories
        for strays in ("ratio", "difference")
        if memory == "ets" or strays == "ratio"
    ]
    return (*BASELINES, *profiled)


@dataclass(frozen=True, slots=True)
class _ProfiledFit:
    profile: LoadProfile
    kind: Strays
    memory: Memory
    state: Stray
    end_s: int

    def advanced(self, series: Series) -> Fit:
        if series.end_s < self.end_s:
            raise ValueError(f"the series ends at {series.end_s}, before this fit at {self.end_s}")
        fresh = series.between(self.end_s, series.end_s)
        if not len(fresh):
            return self
        strays, _ = self.strays_of(fresh)
        return replace(self, state=self.state.after(strays, self.memory), end_s=series.end_s)

    def mean(self, horizon_steps: int) -> FloatArray:
        usual = self.profile.expected(self.end_s, horizon_steps)
        expected = usual + self.state.ahead(horizon_steps, self.memory) * self._worth(usual)
        return np.maximum(expected, 0.0)

    def strays_of(self, series: Series) -> tuple[FloatArray, FloatArray]:
        """How far each step strays, and what a stray of 1 is worth there."""
        usual = self.profile.expected(series.start_s, len(series))
        worth = self._worth(usual)
        return (series.values - usual) / worth, worth

    def _worth(self, usual: FloatArray) -> FloatArray:
        if self.kind == "difference" or self.profile.level <= _NO_LEVEL:
            return np.ones_like(usual)
        return usual + _FLOOR * self.profile.level
