"""The load of the next hour, and the forecaster that keeps it current."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from sophia_infra.model.clock import Clock, SystemClock
from sophia_infra.scaling.choosing import Choice, choose
from sophia_infra.scaling.errors import SeriesRefused, SettingsRefused, TooLittleData
from sophia_infra.scaling.forecast import LEVELS, Fitted
from sophia_infra.scaling.holidays import WORK_CALENDAR, WorkCalendar
from sophia_infra.scaling.models import Model
from sophia_infra.scaling.profiled import all_models
from sophia_infra.scaling.series import DAY_S, HOUR_S, WEEK_S, FloatArray, Series, align_down
from sophia_infra.scaling.sources import SeriesSource

__all__ = ["PODS_AHEAD_S", "ForecastSettings", "Forecaster", "Prediction"]

PODS_AHEAD_S: Final = 900.0
"""How far ahead pods are asked for: one with a large model takes minutes to load it."""

_READ_AGAIN_S: Final = HOUR_S
"""So much of what was read before is read again: late samples arrive."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The load that is expected, step by step.

    Attributes:
        made_at_s: when, seconds since 1970.
        measured_until_s: end of the newest step that was measured.
        start_s, step_s: step i is [start_s + i x step_s, start_s + (i + 1) x step_s).
        mean: (steps,), expected load.
        quantiles: level -> (steps,); see `Forecast`.
        model: which model.
        reason: why that one, a sentence.
        confidence: 0 to 1; 1 less the backtest's sum of absolute errors over the sum of the load.
        last_measured: load of the newest measured step.
    """

    made_at_s: float
    measured_until_s: float
    start_s: int
    step_s: int
    mean: FloatArray
    quantiles: Mapping[float, FloatArray]
    model: str
    reason: str
    confidence: float
    last_measured: float

    def __post_init__(self) -> None:
        for values in (self.mean, *self.quantiles.values()):
            if not (np.isfinite(values).all() and (values >= 0).all()) or len(values) != len(self.mean):
                raise SeriesRefused(
                    "A predicted load is negative, or no number.", next_step="do not scale by it; report it."
                )

    @property
    def data_age_s(self) -> float:
        """Seconds from the newest measurement to the making of this."""
        return self.made_at_s - self.measured_until_s

    @property
    def end_s(self) -> int:
        return self.start_s + len(self.mean) * self.step_s

    def upper(self, level: float) -> FloatArray:
        """The quantile at `level`. Raises SettingsRefused when it was not predicted."""
        try:
            return self.quantiles[level]
        except KeyError:
            raise SettingsRefused(
                f"The prediction has no quantile {level}.",
                next_step=f"use one of {', '.join(str(one) for one in self.quantiles)}, or predict it.",
            ) from None

    def peak(self, level: float, from_s: float, until_s: float) -> float:
        """The highest quantile in the steps that touch [from_s, until_s).

        Outside of the predicted hour the nearest step stands for what is not known.
        """
        first = int((from_s - self.start_s) // self.step_s)
        behind = int(-((self.start_s - until_s) // self.step_s))
        steps = np.clip(np.arange(first, max(behind, first + 1)), 0, len(self.mean) - 1)
        return float(self.upper(level)[steps].max())


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastSettings:
    """How the load is read and forecast.

    Attributes:
        step_s: seconds of a step; has to divide an hour. Default 300.
        horizon_s: how far ahead. Default an hour: longer than any node takes to come.
        memory_s: history that models learn from. Default six weeks: each weekday six times.
        levels: quantiles. Default 0.1, 0.5, 0.9.
        refit_s: models learn anew so often. Default a day.
        choose_s: the choice of the model is judged anew so often. Default a week.
        calendar: local time and holidays.
    """

    step_s: int = 300
    horizon_s: int = HOUR_S
    memory_s: int = 6 * WEEK_S
    levels: Sequence[float] = LEVELS
    refit_s: float = DAY_S
    choose_s: float = WEEK_S
    calendar: WorkCalendar = field(default=WORK_CALENDAR)

    def __post_init__(self) -> None:
        if self.step_s < 1 or HOUR_S % self.step_s:
            raise SettingsRefused(f"step_s is {self.step_s}.", next_step="choose one that divides an hour.")
        if self.horizon_s < self.step_s:
            raise SettingsRefused(
                f"horizon_s is {self.horizon_s}.", next_step=f"choose at least one step, {self.step_s}."
            )
        if not all(0 < level < 1 for level in self.levels) or not self.levels:
            raise SettingsRefused(
                f"levels are {list(self.levels)}.", next_step="choose some between 0 and 1."
            )

    @property
    def horizon_steps(self) -> int:
        return -(-self.horizon_s // self.step_s)


class Forecaster:
    """Reads, chooses, fits and predicts; keeps what is still good. For one thread at a time.

    Args:
        source: of the load.
        settings: defaults when None.
        clock: whose now it is.
        models: to choose from; all that work here when None.
    """

    def __init__(
        self,
        source: SeriesSource,
        settings: ForecastSettings | None = None,
        clock: Clock | None = None,
        models: Callable[[WorkCalendar], Sequence[Model]] = all_models,
    ) -> None:
        self._source = source
        self.settings = settings or ForecastSettings()
        self._clock = clock or SystemClock()
        self._models = models
        self._known: Series | None = None
        self._choice: Choice | None = None
        self._chosen_s = 0.0
        self._fitted: Fitted | None = None
        self._fitted_s = 0.0

    @property
    def choice(self) -> Choice | None:
        """The model in use and how all of them did; None before the first prediction."""
        return self._choice

    def predict(self) -> Prediction:
        """The load from the last whole step on.

        Raises:
            SourceUnavailable, SourceRefused, SeriesRefused: of the source.
            TooLittleData: less than a day was measured.
        """
        settings, now_s = self.settings, self._clock.now()
        series = self._read(now_s)
        measured_until_s = series.last_measured_end_s
        if measured_until_s is None:
            raise TooLittleData(
                "The source has no load at all.", next_step="check that its query finds a series."
            )
        fitted = self._fit(series, now_s)
        forecast = fitted.predict(settings.horizon_steps, settings.levels)
        choice = self._choice
        assert choice is not None  # noqa: S101 (made by _fit)
        values = series.values[~np.isnan(series.values)]
        return Prediction(
            made_at_s=now_s,
            measured_until_s=measured_until_s,
            start_s=forecast.start_s,
            step_s=settings.step_s,
            mean=forecast.mean,
            quantiles=forecast.quantiles,
            model=fitted.model,
            reason=choice.reason,
            confidence=choice.confidence,
            last_measured=float(values[-1]),
        )

    def _read(self, now_s: float) -> Series:
        """History up to the last whole step, without what was not measured before its first value."""
        step_s = self.settings.step_s
        end_s = align_down(now_s, step_s)
        start_s = align_down(end_s - self.settings.memory_s, step_s)
        known = self._known
        if known is not None and known.start_s <= start_s <= known.end_s <= end_s:
            from_s = max(start_s, known.end_s - _READ_AGAIN_S)
            fresh = self._source.read(from_s, end_s, step_s)
            values = np.concatenate((known.between(start_s, from_s).values, fresh.values))
            series = Series(start_s, step_s, values)
        else:
            series = self._source.read(start_s, end_s, step_s)
        self._known = series
        measured = np.flatnonzero(~np.isnan(series.values))
        first_s = series.start_s + (int(measured[0]) if len(measured) else 0) * step_s
        return series.between(first_s, end_s)

    def _fit(self, series: Series, now_s: float) -> Fitted:
        settings = self.settings
        if self._choice is None or now_s - self._chosen_s >= settings.choose_s:
            incumbent = self._choice.model.name if self._choice else None
            self._choice = choose(
                series,
                self._models(settings.calendar),
                horizon_steps=settings.horizon_steps,
                incumbent=incumbent,
            )
            self._chosen_s, self._fitted = now_s, None
            _log.info("forecast by %s", self._choice.reason)
        fitted = self._fitted
        stale = fitted is None or now_s - self._fitted_s >= settings.refit_s
        # A clock that was set back makes the fit one of the future.
        if fitted is None or stale or series.end_s < fitted.fit.end_s:
            self._fitted_s = now_s
            self._fitted = self._choice.fit(series)
        else:
            self._fitted = fitted.advanced(series)
        return self._fitted
