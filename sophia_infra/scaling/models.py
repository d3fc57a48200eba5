"""Ways to forecast a load, behind one interface, and the two baselines that every other has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from sophia_infra.scaling.errors import TooLittleData
from sophia_infra.scaling.series import DAY_S, WEEK_S, FloatArray, Series

__all__ = ["BASELINES", "Fit", "Model", "Persistence", "SeasonalNaive", "need_history"]


class Fit(Protocol):
    """A model that has learned from a series and stands at its end. It never changes."""

    @property
    def end_s(self) -> int:
        """Up to where it has seen the load, seconds since 1970; forecasts begin here."""
        ...

    def advanced(self, series: Series) -> Fit:
        """The same parameters at the end of `series`, which begins no later than this fit ended.

        Cheap: made for forecasts between two fits. A series that ends earlier is a ValueError.
        """
        ...

    def mean(self, horizon_steps: int) -> FloatArray:
        """Expected load of the next steps, shape (horizon_steps,), finite and not negative."""
        ...


class Model(Protocol):
    """A way to forecast.

    Attributes:
        name: as tables and metrics show it.
        needs_s: seconds of history below which it refuses to learn.
    """

    @property
    def name(self) -> str: ...

    @property
    def needs_s(self) -> int: ...

    def fit(self, series: Series) -> Fit:
        """Learn from all of `series`.

        Raises:
            TooLittleData: shorter than `needs_s`, or nothing in it was measured.
            LibraryMissing: the model needs a package that is not installed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Persistence:
    """The next hour is like the last measured step."""

    name: str = "persistence"
    needs_s: int = 0

    def fit(self, series: Series) -> Fit:
        need_history(self, series)
        return _Naive(series, season_s=None)


@dataclass(frozen=True, slots=True)
class SeasonalNaive:
    """The next hour is like the same hour a day or a week (`season_s` seconds) ago, on UTC's clock."""

    name: str
    season_s: int

    @property
    def needs_s(self) -> int:
        return self.season_s

    def fit(self, series: Series) -> Fit:
        need_history(self, series)
        return _Naive(series, season_s=self.season_s)


BASELINES: Final[tuple[Model, ...]] = (
    Persistence(),
    SeasonalNaive("seasonal-naive-day", DAY_S),
    SeasonalNaive("seasonal-naive-week", WEEK_S),
)
"""Need nothing but the series."""


def need_history(model: Model, series: Series) -> None:
    """Raises TooLittleData when `series` is too short for the model, or has only gaps."""
    length_s = len(series) * series.step_s
    if length_s < model.needs_s:
        raise TooLittleData(
            f"{model.name} needs {model.needs_s / DAY_S:.3g} days of load and has {length_s / DAY_S:.3g}.",
            next_step="wait until there is more, or let a model with a shorter memory forecast.",
        )
    if np.isnan(series.values).all():
        raise TooLittleData(
            f"None of the {len(series)} steps of the series was measured.",
            next_step="check that the query finds a series in this time.",
        )


@dataclass(frozen=True, slots=True)
class _Naive:
    series: Series
    season_s: int | None

    @property
    def end_s(self) -> int:
        return self.series.end_s

    def advanced(self, series: Series) -> Fit:
        if series.end_s < self.end_s:
            raise ValueError(f"the series ends at {series.end_s}, before this fit at {self.end_s}")
        return _Naive(series, self.season_s)

    def mean(self, horizon_steps: int) -> FloatArray:
        values = self.series.values
        measured = np.flatnonzero(~np.isnan(values))
        last = float(values[measured[-1]])
        if self.season_s is None:
            return np.full(horizon_steps, last)
        season = self.season_s // self.series.step_s
        # A season ago; where that was a gap two seasons ago, and so on; where nothing is, the last value.
        forecast = np.full(horizon_steps, np.nan)
        for ahead in range(horizon_steps):
            for place in range(len(values) + ahead - season, -1, -season):
                if place < len(values) and not np.isnan(values[place]):
                    forecast[ahead] = values[place]
                    break
        return np.where(np.isnan(forecast), last, forecast)
