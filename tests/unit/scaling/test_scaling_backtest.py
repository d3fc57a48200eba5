"""The backtest never looks ahead, and its measures are those of the textbooks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.scaling.backtest import Backtest, Schedule, backtest, pinball, seasonal_scale
from sophia_infra.scaling.choosing import choose
from sophia_infra.scaling.models import Fit, Model, Persistence
from sophia_infra.scaling.profiled import all_models
from sophia_infra.scaling.series import DAY_S, HOUR_S, WEEK_S, FloatArray, Series, make_series
from tests.unit.scaling.loads import MONDAY_S, STEP_S, daily, series_of, trace

MODELS = all_models()


def poisoned(series: Series, from_s: int, poison: float) -> Series:
    """The same past with another future."""
    values = series.values.copy()
    values[(from_s - series.start_s) // series.step_s :] = poison
    return make_series(series.start_s, series.step_s, values)


@pytest.mark.parametrize("poison", [float("nan"), 0.0, 1e12])
@pytest.mark.parametrize("model", MODELS, ids=[one.name for one in MODELS])
def test_no_model_sees_the_future(model: Model, poison: float) -> None:
    series = trace("plan", 4).true
    start_s = series.start_s + 3 * WEEK_S
    cut_s = start_s + DAY_S + 5 * HOUR_S
    schedule = Schedule(start_s, series.end_s, every_s=5 * HOUR_S, refit_s=DAY_S)
    clean = backtest(model, series, schedule)
    dirty = backtest(model, poisoned(series, cut_s, poison), schedule)
    before = clean.origins_s <= cut_s
    assert before.sum() == 6
    again = {int(at_s): row for at_s, row in zip(dirty.origins_s, dirty.forecasts, strict=True)}
    for at_s, row in zip(clean.origins_s[before], clean.forecasts[before], strict=True):
        if np.isnan(poison) and int(at_s) == cut_s:
            continue  # nothing came after it, so it is not judged
        np.testing.assert_array_equal(again[int(at_s)], row)


def test_a_model_that_peeks_would_be_caught() -> None:
    """The test above can fail: a model that reads what is ahead of the cut gets another forecast."""
    series = trace("plan", 4).true
    cut_s = series.start_s + 3 * WEEK_S
    schedule = Schedule(cut_s, cut_s + DAY_S)
    clean, dirty = (backtest(Peeking(one), one, schedule) for one in (series, poisoned(series, cut_s, 1e12)))
    assert not np.array_equal(clean.forecasts, dirty.forecasts)


class Peeking:
    """Knows the whole series, as a model must not."""

    name, needs_s = "peeking", 0

    def __init__(self, everything: Series) -> None:
        self.everything = everything

    def fit(self, series: Series) -> Fit:
        return PeekingFit(self.everything, series.end_s)


class PeekingFit:
    def __init__(self, everything: Series, end_s: int) -> None:
        self.everything, self.end_s = everything, end_s

    def advanced(self, series: Series) -> Fit:
        return PeekingFit(self.everything, series.end_s)

    def mean(self, horizon_steps: int) -> FloatArray:
        return self.everything.between(self.end_s, self.end_s + horizon_steps * STEP_S).values


def test_who_knows_the_future_has_no_error() -> None:
    """So forecasts and actuals are laid side by side at the right steps."""
    series = daily(3)
    result = backtest(Peeking(series), series, Schedule(MONDAY_S + DAY_S, series.end_s))
    assert (result.mae, result.wape) == (0.0, 0.0)
    assert result.forecasts.shape == (48, 12)


def test_a_fit_is_as_old_as_the_schedule_says_and_knows_no_more_than_its_memory() -> None:
    seen: list[tuple[int, int]] = []

    class Noting(Persistence):
        def fit(self, series: Series) -> Fit:
            seen.append((series.start_s, series.end_s))
            return super().fit(series)

    series = daily(6)
    start_s = MONDAY_S + 3 * DAY_S
    backtest(Noting(), series, Schedule(start_s, series.end_s, refit_s=DAY_S, memory_s=2 * DAY_S))
    assert seen == [(end_s - 2 * DAY_S, end_s) for end_s in range(start_s, start_s + 3 * DAY_S, DAY_S)]


def test_stale_loads_and_unmeasured_hours_are_not_judged() -> None:
    values = daily(2).values.copy()
    values[300:330] = np.nan
    """From 25:00 to 27:30."""
    result = backtest(Persistence(), series_of(values), Schedule(MONDAY_S + DAY_S, MONDAY_S + 2 * DAY_S))
    hours = ((result.origins_s - MONDAY_S) // HOUR_S).tolist()
    assert hours == [24, *range(28, 48)]


def of(forecasts: Sequence[float], actuals: Sequence[float]) -> Backtest:
    return Backtest("x", np.array([0]), np.array([forecasts], float), np.array([actuals], float))


def test_errors_by_hand() -> None:
    result = of([1, 2, 3, 4], [2, float("nan"), 3, 2])
    assert result.mae == pytest.approx(1.0)
    assert result.wape == pytest.approx(3 / 7)
    assert of([0.0], [0.0]).wape == 0.0
    assert of([1.0], [0.0]).wape == float("inf")
    assert np.isnan(of([1.0], [float("nan")]).mae)


def test_mase_counts_a_week_ago_as_one() -> None:
    series = trace("plan", 3).true
    expected = np.abs(series.values[2016:] - series.values[:-2016]).mean()
    assert seasonal_scale(series) == pytest.approx(expected)
    short = daily(2)
    assert seasonal_scale(short) == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(seasonal_scale(daily(1)))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=40), st.floats(0.01, 0.99))
def test_no_constant_has_less_pinball_loss_than_the_quantile(loads: list[float], level: float) -> None:
    actuals = np.array(loads)
    best = np.quantile(actuals, level, method="inverted_cdf")
    least = pinball(actuals, np.full_like(actuals, best), level)
    for other in (*loads, best + 1, max(0.0, best - 1)):
        assert least <= pinball(actuals, np.full_like(actuals, other), level) + 1e-9


def test_the_choice_too_depends_on_the_past_alone() -> None:
    """As in production: chosen by what is known at a moment, whatever comes."""
    series = trace("plan", 4).true
    cut_s = series.start_s + 3 * WEEK_S
    choices = [
        choose(one.until(cut_s), MODELS).fit(one.until(cut_s)).predict(12)
        for one in (series, poisoned(series, cut_s, 1e12))
    ]
    np.testing.assert_array_equal(choices[0].mean, choices[1].mean)
    for level, values in choices[0].quantiles.items():
        np.testing.assert_array_equal(values, choices[1].quantiles[level])
