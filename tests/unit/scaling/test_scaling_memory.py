"""Smoothing with gaps says what statsmodels says, and its factors fit the strays they were found on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sophia_infra.scaling.memory import Memory, Stray, fit_ets, fit_recall
from sophia_infra.scaling.series import FloatArray
from tests.effort import examples


def remembered(recall: float, noise: float, count: int = 3000) -> FloatArray:
    """A stray that is forgotten at a known speed, seen through noise."""
    random = np.random.default_rng(5)
    value, strays = 0.0, np.empty(count)
    for step in range(count):
        value = recall * value + random.normal()
        strays[step] = value + noise * random.normal()
    return strays


@settings(max_examples=examples(25))
@given(
    gain=st.floats(0.05, 0.95),
    slope_share=st.floats(0.05, 0.95),
    damping=st.floats(0.81, 0.97),
    strays=st.lists(st.floats(-10, 10), min_size=12, max_size=60),
)
def test_state_and_forecast_are_those_of_statsmodels(
    gain: float, slope_share: float, damping: float, strays: list[float]
) -> None:
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel  # type: ignore[import-untyped]

    memory = Memory(gain, slope_share * gain, damping)
    model = ETSModel(
        np.array(strays),
        error="add",
        trend="add",
        damped_trend=True,
        initialization_method="known",
        initial_level=0.5,
        initial_trend=0.1,
    )
    theirs = model.smooth(np.array([gain, slope_share * gain, damping])).forecast(8)
    ours = Stray(0.5, 0.1).after(np.array(strays), memory).ahead(8, memory)
    np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)


def test_a_gap_only_lets_time_pass() -> None:
    memory = Memory(gain=0.5, recall=0.9)
    gone_on = Stray(level=1.0).after(np.array([np.nan] * 3), memory)
    assert gone_on.level == pytest.approx(0.9**3)
    np.testing.assert_allclose(Stray(level=1.0).ahead(3, memory), [0.9, 0.81, 0.729])


def test_ets_finds_a_level_that_moves_and_one_that_does_not() -> None:
    random = np.random.default_rng(1)
    wandering = np.cumsum(random.normal(size=2000))
    assert fit_ets(wandering).gain > 0.9
    assert fit_ets(random.normal(size=2000)).gain < 0.05
    assert fit_ets(np.zeros(500)) == Memory(gain=0.1)


def test_ets_learns_from_the_longest_stretch_without_gaps() -> None:
    random = np.random.default_rng(1)
    lasting = remembered(1.0, 2.0, 1500)
    broken = np.concatenate((50 * random.normal(size=400), [np.nan] * 50, lasting, [np.nan], lasting[:9]))
    assert 0.2 < fit_ets(lasting).gain < 0.7
    assert fit_ets(broken) == fit_ets(lasting)


def test_recall_finds_how_long_a_stray_lasts() -> None:
    weights = np.ones(3000)
    assert fit_recall(remembered(0.93, 0.0), weights).recall == pytest.approx(0.93, abs=0.04)
    lasting = fit_recall(remembered(1.0, 0.0), weights)
    assert (lasting.recall, lasting.gain) == (1.0, 1.0)
    assert fit_recall(remembered(0.97, 4.0), weights).gain < 0.6


def test_recall_weighs_strays_by_what_they_are_worth() -> None:
    """Large strays of quiet times, worth nothing, must not drown what is learned from busy ones."""
    noise = np.random.default_rng(2).normal(size=2000) * 50
    strays = np.concatenate((noise, remembered(1.0, 0.0, 2000)))
    worth = np.repeat([0.0, 1.0], 2000)
    assert fit_recall(strays, worth).gain == 1.0
    assert fit_recall(strays, np.ones(4000)).gain < 0.1
