"""How a stray from the profile goes on: exponential smoothing with gaps, and how its factors are found.

Two ways to find them. `fit_ets` asks statsmodels for the ETS model of the greatest likelihood (level, with or
without a damped trend, by AICc). `fit_recall` needs numpy only: it tries a small table of factors and takes
those that forecast the whole next hour best, not only the next step, and lets a stray be forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from math import inf, isnan
from typing import Final

import numpy as np

from sophia_infra.scaling.errors import LibraryMissing
from sophia_infra.scaling.series import FloatArray

__all__ = ["Memory", "Stray", "fit_ets", "fit_recall", "has_statsmodels"]

_RECALLS: Final = (1.0, 0.997, 0.99, 0.98, 0.96, 0.93, 0.9, 0.8)
_GAINS: Final = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
_LEADS: Final = (1, 3, 6, 12)
"""Steps ahead whose errors are weighed."""

_STRAIGHT: Final = 1e-9
"""A series of strays that never leaves this is no stray at all."""

_FEWEST: Final = 24
"""Steps below which no likelihood is worth anything."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Factors of exponential smoothing in error-correction form, each 0 to 1.

    Attributes:
        gain: share of a surprise that moves the level (alpha).
        slope_gain: share of it that moves the slope (beta); 0 without trend.
        damping: share of the slope that is left a step later (phi).
        recall: share of the level that is left a step later; 1 in ETS, which never forgets.
    """

    gain: float
    slope_gain: float = 0.0
    damping: float = 0.0
    recall: float = 1.0


@dataclass(frozen=True, slots=True)
class Stray:
    """Where smoothing stands: level and slope behind the last step."""

    level: float = 0.0
    slope: float = 0.0

    def after(self, strays: FloatArray, memory: Memory) -> Stray:
        """State after more steps; a gap (NaN) is no surprise: the state just ages."""
        level, slope = self.level, self.slope
        for one in strays.tolist():
            slope *= memory.damping
            level = memory.recall * level + slope
            if not isnan(one):
                surprise = one - level
                level += memory.gain * surprise
                slope += memory.slope_gain * surprise
        return Stray(level, slope)

    def ahead(self, horizon_steps: int, memory: Memory) -> FloatArray:
        """Expected stray of the next steps."""
        expected = np.empty(horizon_steps)
        level, slope = self.level, self.slope
        for step in range(horizon_steps):
            slope *= memory.damping
            level = memory.recall * level + slope
            expected[step] = level
        return expected


def has_statsmodels() -> bool:
    """Whether `fit_ets` can work; imports nothing."""
    return find_spec("statsmodels") is not None


def fit_ets(strays: FloatArray) -> Memory:
    """ETS(A,N,N) or ETS(A,Ad,N), whichever has the lower AICc, on the longest stretch without gaps.

    The likelihood is statsmodels', the search Nelder and Mead's: its own search runs through threaded LAPACK
    for a handful of numbers, and then waits for cores that are busy.

    Raises LibraryMissing: statsmodels is not installed.
    """
    stretch = _longest_stretch(strays)
    if len(stretch) < _FEWEST or float(np.ptp(stretch)) < _STRAIGHT:
        return Memory(gain=0.1)
    stretch = stretch / float(np.std(stretch))
    return min((_likeliest(stretch, trend) for trend in (False, True)), key=lambda one: one[0])[1]


def _likeliest(stretch: FloatArray, trend: bool) -> tuple[float, Memory]:
    """AICc and factors of one form of ETS."""
    # Seconds to import: only who forecasts pays for it.
    try:
        from scipy.optimize import minimize  # type: ignore[import-untyped]
        from statsmodels.tsa.exponential_smoothing.ets import ETSModel  # type: ignore[import-untyped]
    except ImportError:
        raise LibraryMissing("statsmodels", "exponential smoothing (ETS)") from None
    model = ETSModel(
        stretch,
        error="add",
        trend="add" if trend else None,
        damped_trend=trend,
        initialization_method="heuristic",
    )
    begin = [model.initial_level, model.initial_trend] if trend else [model.initial_level]
    bounds = [(1e-4, 0.9999), (1e-4, 0.9999), (0.8, 0.98)][: 3 if trend else 1]

    def unlikeliness(factors: FloatArray) -> float:
        if trend and factors[1] > factors[0]:
            return inf
        return -float(model.loglike(np.concatenate((factors, begin))))

    found = minimize(
        unlikeliness,
        [0.3, 0.05, 0.9][: len(bounds)],
        method="Nelder-Mead",
        bounds=bounds,
        options={"xatol": 1e-3, "fatol": 1e-2, "maxfev": 200},
    )
    count = len(bounds) + len(begin) + 1
    aicc = 2 * float(found.fun) + 2 * count + 2 * count * (count + 1) / (len(stretch) - count - 1)
    factors = [float(one) for one in found.x]
    if not trend:
        return aicc, Memory(gain=factors[0])
    return aicc, Memory(gain=factors[0], slope_gain=factors[1], damping=factors[2])


def fit_recall(strays: FloatArray, weights: FloatArray) -> Memory:
    """The gain and recall with the least mean absolute error over the next hour.

    Args:
        strays: (steps,), NaN where nothing was measured.
        weights: (steps,), what a stray of 1 is worth in load.
    """
    recall, gain = (one.ravel() for one in np.meshgrid(_RECALLS, _GAINS))
    level = np.zeros(len(gain))
    levels = np.empty((len(strays), len(gain)))
    for step, stray in enumerate(strays.tolist()):
        level = recall * level
        if not isnan(stray):
            level = level + gain * (stray - level)
        levels[step] = level
    worst = np.zeros(len(gain))
    for lead in _LEADS:
        if lead < len(strays):
            error = np.abs(strays[lead:, None] - recall**lead * levels[:-lead]) * weights[lead:, None]
            known = ~np.isnan(error[:, 0])
            if known.any():
                worst += error[known].mean(axis=0)
    best = int(np.argmin(worst))
    return Memory(gain=float(gain[best]), recall=float(recall[best]))


def _longest_stretch(strays: FloatArray) -> FloatArray:
    """The longest run without gaps, the later of two equal ones."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], (~np.isnan(strays)).astype(np.int8), [0]))))
    runs = edges.reshape(-1, 2)
    if len(runs) == 0:
        return strays[:0]
    first, behind = max(runs.tolist(), key=lambda run: (run[1] - run[0], run[0]))
    return strays[first:behind]
