"""Rolling-origin backtest: what would have been forecast then, with what was known then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sophia_infra.scaling.models import Fit, Model
from sophia_infra.scaling.series import DAY_S, HOUR_S, WEEK_S, FloatArray, Series

__all__ = ["FRESH_S", "Backtest", "Schedule", "backtest", "pinball", "seasonal_scale"]

FRESH_S: Final = 900
"""A load last measured longer ago is stale: nobody forecasts from it, so nothing is judged by it."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a backtest fits and forecasts.

    Attributes:
        start_s, end_s: forecasts are made from here on, and end before there. Seconds since 1970.
        horizon_steps: steps of each forecast.
        every_s: seconds between two forecasts.
        refit_s: seconds between two fits.
        memory_s: a fit sees so many seconds before it, and no more.
    """

    start_s: int
    end_s: int
    horizon_steps: int = 12
    every_s: int = HOUR_S
    refit_s: int = DAY_S
    memory_s: int = 6 * WEEK_S

    def origins_s(self, step_s: int) -> range:
        """Moments at which to forecast."""
        last = self.end_s - self.horizon_steps * step_s
        return range(self.start_s, last + 1, self.every_s)


@dataclass(frozen=True, slots=True)
class Backtest:
    """Forecasts beside what came.

    Attributes:
        model: its name.
        origins_s: (forecasts,), where each begins.
        forecasts: (forecasts, horizon), expected load.
        actuals: the same shape, NaN where nothing was measured.
    """

    model: str
    origins_s: npt.NDArray[np.int64]
    forecasts: FloatArray
    actuals: FloatArray

    @property
    def errors(self) -> FloatArray:
        """Actual less forecast, NaN where nothing was measured."""
        return self.actuals - self.forecasts

    @property
    def mae(self) -> float:
        """Mean absolute error, in the unit of the load; NaN when nothing could be compared."""
        errors = self.errors[~np.isnan(self.actuals)]
        return float(np.abs(errors).mean()) if len(errors) else float("nan")

    @property
    def wape(self) -> float:
        """Sum of the absolute errors over the sum of the load; 0 of a load of 0 that was forecast exactly."""
        known = ~np.isnan(self.actuals)
        wrong, load = float(np.abs(self.errors[known]).sum()), float(self.actuals[known].sum())
        if load > 0:
            return wrong / load
        return 0.0 if wrong == 0 else float("inf")


def backtest(model: Model, series: Series, schedule: Schedule) -> Backtest:
    """Fit and forecast again and again as of then.

    At each origin the model is given nothing but the steps that had ended by then. Origins at which the load
    was stale (`FRESH_S`), or after which nothing was measured, are left out.

    Raises:
        TooLittleData: at the first fit the model has too little to learn from.
    """
    origins, forecasts, actuals = [], [], []
    for origin_s, fit in _fits(model, series, schedule):
        ahead = series.between(origin_s, origin_s + schedule.horizon_steps * series.step_s).values
        if np.isnan(ahead).all():
            continue
        origins.append(origin_s)
        forecasts.append(fit.mean(schedule.horizon_steps))
        actuals.append(ahead)
    shape = (len(origins), schedule.horizon_steps)
    return Backtest(
        model.name,
        np.array(origins, dtype=np.int64),
        np.array(forecasts).reshape(shape),
        np.array(actuals).reshape(shape),
    )


def _fits(model: Model, series: Series, schedule: Schedule) -> Iterator[tuple[int, Fit]]:
    """The model as it stood at each origin."""
    fit: Fit | None = None
    fitted_s = schedule.start_s
    for origin_s in schedule.origins_s(series.step_s):
        known = series.between(max(series.start_s, origin_s - schedule.memory_s), origin_s)
        if fit is None or origin_s - fitted_s >= schedule.refit_s:
            fit, fitted_s = model.fit(known), origin_s
        else:
            fit = fit.advanced(known)
        measured_s = known.last_measured_end_s
        if measured_s is not None and origin_s - measured_s <= FRESH_S:
            yield origin_s, fit


def pinball(actuals: FloatArray, quantile: FloatArray, level: float) -> float:
    """Mean pinball loss of a forecast quantile: what being wrong costs when falling short costs
    `level / (1 - level)` times as much as having too much. NaN actuals do not count."""
    known = ~np.isnan(actuals)
    short = (actuals - quantile)[known]
    return float(np.maximum(level * short, (level - 1) * short).mean()) if known.any() else float("nan")


def seasonal_scale(series: Series, season_s: int = WEEK_S) -> float:
    """Mean absolute difference to a season ago: the error that MASE counts as 1.

    A day is taken where the series is no longer than the season. NaN when nothing can be compared.
    """
    if len(series) * series.step_s <= season_s:
        season_s = DAY_S
    lag = season_s // series.step_s
    if len(series) <= lag:
        return float("nan")
    differences = np.abs(series.values[lag:] - series.values[:-lag])
    known = differences[~np.isnan(differences)]
    return float(known.mean()) if len(known) else float("nan")
