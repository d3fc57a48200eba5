"""A forecast with intervals that past errors of the same model earned (split conformal prediction)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Final

import numpy as np

from sophia_infra.scaling.backtest import Backtest
from sophia_infra.scaling.errors import SettingsRefused, TooLittleData
from sophia_infra.scaling.models import Fit
from sophia_infra.scaling.series import FloatArray, Series

__all__ = ["LEVELS", "Calibration", "Fitted", "Forecast", "calibrate"]

LEVELS: Final = (0.1, 0.5, 0.9)
"""Quantiles that are shown where nobody asks for others."""

_POWERS: Final = (0.0, 0.5, 1.0)
_NEIGHBOURS: Final = 1
"""Errors of so many steps before and after are taken for a step's own: three times as many to count."""

_FEWEST: Final = 24
"""Past errors of a step below which no interval is given."""

_FLOOR_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Forecast:
    """Expected load of the next steps.

    Attributes:
        start_s: where the first step begins, seconds since 1970.
        step_s: seconds of a step.
        mean: (steps,), finite and not negative.
        quantiles: level (0 to 1) -> (steps,): the load stays under it in that share of cases, as far as the
            coming days are like those of the backtest. Higher levels are nowhere lower.
    """

    start_s: int
    step_s: int
    mean: FloatArray
    quantiles: Mapping[float, FloatArray]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Past errors by step ahead, each over the `power` of the load that was forecast.

    Attributes:
        ranked: for each step ahead the sorted errors.
        power: 0 when errors do not grow with the load, 1 when they are in proportion to it.
        floor: load that is added to the forecast before that.
    """

    ranked: tuple[FloatArray, ...]
    power: float
    floor: float

    def quantile(self, mean: FloatArray, level: float) -> FloatArray:
        """The conformal quantile around `mean`: of n errors the one of rank (n + 1) x level, outwards.

        With too few errors for so high a level it is the worst that was seen. Steps beyond the calibrated
        ones get the errors of the last. Raises SettingsRefused: level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise SettingsRefused(
                f"The level of a quantile is {level}.", next_step="choose one between 0 and 1."
            )
        errors = np.empty(len(mean))
        for step in range(len(mean)):
            ranked = self.ranked[min(step, len(self.ranked) - 1)]
            rank = (len(ranked) + 1) * level
            place = ceil(rank) if level >= 0.5 else floor(rank)
            errors[step] = ranked[min(len(ranked), max(1, place)) - 1]
        return np.maximum(mean + errors * (mean + self.floor) ** self.power, 0.0)


def calibrate(past: Backtest) -> Calibration:
    """Raises TooLittleData: fewer than two dozen errors for a step."""
    known = ~np.isnan(past.actuals)
    loads = past.forecasts[known]
    floor_load = _FLOOR_SHARE * float(loads.mean()) if len(loads) else 0.0
    if floor_load <= 0:
        floor_load = 1.0
    power = _power_of(np.abs(past.errors[known]), loads, floor_load)
    scaled = past.errors / (past.forecasts + floor_load) ** power
    horizon = past.forecasts.shape[1]
    ranked = []
    for step in range(horizon):
        near = scaled[:, max(0, step - _NEIGHBOURS) : step + _NEIGHBOURS + 1].ravel()
        errors = np.sort(near[~np.isnan(near)])
        if len(errors) < _FEWEST:
            raise TooLittleData(
                f"Only {len(errors)} past errors are known for a forecast {step + 1} steps ahead.",
                next_step="wait until more of the load has been measured.",
            )
        ranked.append(errors)
    return Calibration(tuple(ranked), power, floor_load)


def _power_of(errors: FloatArray, loads: FloatArray, floor_load: float) -> float:
    """The power at which errors of quiet, middling and busy times look most alike."""
    if len(loads) < 3 or float(np.ptp(loads)) == 0.0:
        return 0.0
    thirds = np.array_split(np.argsort(loads, kind="stable"), 3)

    def unlikeness(power: float) -> float:
        scaled = errors / (loads + floor_load) ** power
        means = np.array([scaled[one].mean() for one in thirds])
        return float(means.max() / means.min()) if means.min() > 0 else float("inf")

    return min(_POWERS, key=unlikeness)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model with the errors it made. It never changes.

    Attributes:
        model: its name.
        step_s: seconds of a step.
    """

    model: str
    step_s: int
    fit: Fit
    calibration: Calibration

    def advanced(self, series: Series) -> Fitted:
        """The same at the end of `series`; see `Fit.advanced`."""
        return replace(self, fit=self.fit.advanced(series))

    def predict(self, horizon_steps: int, levels: Sequence[float] = LEVELS) -> Forecast:
        """Mean and quantiles of the next steps. Raises SettingsRefused: no step, or a level not in 0 to 1."""
        if horizon_steps < 1:
            raise SettingsRefused(
                f"The horizon is {horizon_steps} steps.", next_step="forecast at least one step."
            )
        mean = self.fit.mean(horizon_steps)
        quantiles = {level: self.calibration.quantile(mean, level) for level in sorted(levels)}
        return Forecast(self.fit.end_s, self.step_s, mean, quantiles)
