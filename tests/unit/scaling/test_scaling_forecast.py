"""Intervals: ordered, never below zero, and as wide as the past says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.scaling.backtest import Backtest
from sophia_infra.scaling.errors import SettingsRefused, TooLittleData
from sophia_infra.scaling.forecast import Calibration, Fitted, calibrate
from sophia_infra.scaling.models import Persistence
from sophia_infra.scaling.series import FloatArray
from tests.unit.scaling.loads import STEP_S, series_of


def past(forecasts: FloatArray, actuals: FloatArray) -> Backtest:
    return Backtest("x", np.arange(len(forecasts)), forecasts, actuals)


def test_quantiles_hold_as_often_as_they_say_where_errors_grow_with_the_load() -> None:
    random = np.random.default_rng(4)
    forecasts = random.uniform(1, 100, (400, 12))
    actuals = np.maximum(0.0, forecasts * (1 + 0.2 * random.normal(size=forecasts.shape)))
    calibration = calibrate(past(forecasts[:200], actuals[:200]))
    assert calibration.power == 1.0
    for level in (0.1, 0.5, 0.9, 0.95):
        bounds = np.array([calibration.quantile(row, level) for row in forecasts[200:]])
        assert np.mean(actuals[200:] <= bounds) == pytest.approx(level, abs=0.025)
        for busy in (forecasts[200:] < 30, forecasts[200:] > 70):
            assert np.mean(actuals[200:][busy] <= bounds[busy]) == pytest.approx(level, abs=0.06)


def test_errors_that_do_not_grow_with_the_load_are_not_scaled() -> None:
    random = np.random.default_rng(4)
    forecasts = random.uniform(20, 100, (400, 12))
    assert calibrate(past(forecasts, forecasts + random.normal(size=forecasts.shape))).power == 0.0


def test_the_rank_is_the_conformal_one() -> None:
    """Of 99 errors the 0.9 quantile is the 90th: ceil((99 + 1) x 0.9)."""
    calibration = Calibration((np.arange(1.0, 100.0),), power=0.0, floor=1.0)
    assert calibration.quantile(np.zeros(1), 0.9)[0] == 90.0
    assert calibration.quantile(np.zeros(1), 0.1)[0] == 10.0
    assert calibration.quantile(np.zeros(1), 0.999)[0] == 99.0


@given(
    mean=st.lists(st.floats(0, 1e6), min_size=1, max_size=20),
    errors=st.lists(st.floats(-1e6, 1e6), min_size=24, max_size=60),
    power=st.sampled_from([0.0, 0.5, 1.0]),
    levels=st.lists(st.floats(0.01, 0.99), min_size=2, max_size=6, unique=True),
)
def test_higher_levels_are_nowhere_lower_and_nothing_is_negative(
    mean: list[float], errors: list[float], power: float, levels: list[float]
) -> None:
    calibration = Calibration((np.sort(np.array(errors)),), power, floor=1.0)
    rows = [calibration.quantile(np.array(mean), level) for level in sorted(levels)]
    assert all((row >= 0).all() and np.isfinite(row).all() for row in rows)
    assert all((low <= high).all() for low, high in pairwise(rows))


def test_an_exact_past_has_no_width_and_a_short_one_no_interval() -> None:
    exact = np.full((30, 3), 4.0)
    assert calibrate(past(exact, exact)).quantile(np.array([4.0]), 0.99)[0] == 4.0
    zeros = np.zeros((30, 3))
    assert calibrate(past(zeros, zeros)).quantile(np.zeros(2), 0.9).tolist() == [0.0, 0.0]
    with pytest.raises(TooLittleData, match="Only 6 past errors are known for a forecast 1 steps ahead"):
        calibrate(past(exact[:3], exact[:3]))


def test_a_forecast_begins_where_the_series_ends() -> None:
    series = series_of([1.0, 2.0, 3.0])
    fitted = Fitted("x", STEP_S, Persistence().fit(series), Calibration((np.zeros(24),), 0.0, 1.0))
    forecast = fitted.predict(4, (0.9, 0.1))
    assert (forecast.start_s, forecast.mean.tolist()) == (series.end_s, [3.0] * 4)
    assert list(forecast.quantiles) == [0.1, 0.9]
    with pytest.raises(SettingsRefused, match="The horizon is 0 steps"):
        fitted.predict(0)
    with pytest.raises(
        SettingsRefused, match=r"level of a quantile is 1.0\. Next: choose one between 0 and 1"
    ):
        fitted.predict(1, (1.0,))
