"""How well the automatic choice forecasts loads that it has not seen, beside the baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from sophia_infra.scaling.backtest import FRESH_S, Schedule, backtest, pinball, seasonal_scale
from sophia_infra.scaling.choosing import choose
from sophia_infra.scaling.forecast import Forecast
from sophia_infra.scaling.models import BASELINES
from sophia_infra.scaling.prediction import ForecastSettings
from sophia_infra.scaling.profiled import all_models
from sophia_infra.scaling.series import DAY_S, HOUR_S, WEEK_S, FloatArray
from sophia_infra.scaling.traces import Trace, make_trace

__all__ = ["Accuracy", "measure_accuracy"]

_LOW, _HIGH = 0.1, 0.9
_DEFAULTS: Final = ForecastSettings()


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Errors over the next hour, on weeks that came after everything that was learned from.

    Attributes:
        shape, seed: of the trace.
        baselines: name -> mean absolute error, calls per second.
        mae: of the automatic choice.
        mase: that over the error of a week ago within the six weeks before; NaN where that is 0.
        pinball: mean pinball loss of its 0.9 quantile.
        coverage: share of loads inside its interval from 0.1 to 0.9; 0.8 is right.
        models: the chosen ones in their order.
        forecasts: how many were judged.
    """

    shape: str
    seed: int
    baselines: Mapping[str, float]
    mae: float
    mase: float
    pinball: float
    coverage: float
    models: tuple[str, ...]
    forecasts: int

    @property
    def best_baseline(self) -> str:
        return min(self.baselines, key=lambda name: self.baselines[name])

    @property
    def ratio(self) -> float:
        """Error over that of the best baseline; 1 where neither errs."""
        best = self.baselines[self.best_baseline]
        return self.mae / best if best > 0 else (1.0 if self.mae == 0 else float("inf"))


def measure_accuracy(
    shape: str, *, seed: int = 0, held_out_weeks: int = 3, every_s: int = HOUR_S
) -> Accuracy:
    """Six weeks to learn from, then forecast week after week as in production: the model is chosen anew each
    week, fitted anew each day, and each forecast knows only what was measured by then.

    Baselines are treated alike. Forecasts from stale loads are judged for none. Errors are against the true
    load, also where the recording has a gap.
    """
    weeks = _DEFAULTS.memory_s // WEEK_S + held_out_weeks
    trace = make_trace(shape, weeks=weeks, seed=seed)
    begin_s = trace.seen.start_s + _DEFAULTS.memory_s
    schedule = Schedule(begin_s, trace.seen.end_s, _DEFAULTS.horizon_steps, every_s=every_s)
    errors: list[FloatArray] = []
    inside: list[float] = []
    losses: list[float] = []
    models: list[str] = []
    for model, forecast in _forecasts(trace, schedule):
        actual = _actual(trace, forecast.start_s, schedule)
        errors.append(np.abs(actual - forecast.mean))
        within = (actual >= forecast.quantiles[_LOW]) & (actual <= forecast.quantiles[_HIGH])
        inside.append(float(np.mean(within)))
        losses.append(pinball(actual, forecast.quantiles[_HIGH], _HIGH))
        if not models or models[-1] != model:
            models.append(model)
    mae = float(np.mean(errors))
    scale = seasonal_scale(trace.seen.until(begin_s))
    return Accuracy(
        shape=shape,
        seed=seed,
        baselines={one.name: _baseline(trace, schedule, place) for place, one in enumerate(BASELINES)},
        mae=mae,
        mase=mae / scale if scale > 0 else float("nan"),
        pinball=float(np.mean(losses)),
        coverage=float(np.mean(inside)),
        models=tuple(models),
        forecasts=len(errors),
    )


def _forecasts(trace: Trace, schedule: Schedule) -> Iterator[tuple[str, Forecast]]:
    """What production would have said."""
    models, incumbent = all_models(), None
    for origin_s in schedule.origins_s(trace.seen.step_s):
        known = trace.seen.between(origin_s - _DEFAULTS.memory_s, origin_s)
        since_s = origin_s - schedule.start_s
        if since_s % WEEK_S < schedule.every_s:
            choice = choose(known, models, incumbent=incumbent)
            incumbent = choice.model.name
        if since_s % DAY_S < schedule.every_s:
            fitted = choice.fit(known)
        measured_s = known.last_measured_end_s
        if measured_s is not None and origin_s - measured_s <= FRESH_S:
            yield fitted.model, fitted.advanced(known).predict(schedule.horizon_steps)


def _baseline(trace: Trace, schedule: Schedule, place: int) -> float:
    result = backtest(BASELINES[place], trace.seen, schedule)
    actuals = [_actual(trace, int(one), schedule) for one in result.origins_s]
    return float(np.abs(np.array(actuals) - result.forecasts).mean())


def _actual(trace: Trace, origin_s: int, schedule: Schedule) -> FloatArray:
    return trace.true.between(origin_s, origin_s + schedule.horizon_steps * trace.true.step_s).values
