"""Series: what is accepted, how gaps are treated, and what cutting and joining steps preserves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.scaling.errors import SeriesRefused
from sophia_infra.scaling.series import align_down, make_series
from tests.unit.scaling.loads import MONDAY_S, STEP_S, series_of

LOADS = st.lists(st.none() | st.floats(0, 1e6), min_size=1, max_size=60)


@pytest.mark.parametrize("bad", [-0.1, float("inf"), float("-inf")])
def test_what_cannot_be_a_load_is_refused_with_its_place(bad: float) -> None:
    with pytest.raises(SeriesRefused, match=r"Value 1 of the series is .*at least 0, or a gap\. Next: mend"):
        series_of([1.0, bad, 2.0])


def test_the_form_has_to_be_even() -> None:
    with pytest.raises(
        SeriesRefused, match=r"no multiple of its step of 300 s\. Next: begin it at 1788739200"
    ):
        make_series(MONDAY_S + 7, STEP_S, [1.0])
    with pytest.raises(SeriesRefused, match="The step is 0 s"):
        make_series(0, 0, [1.0])
    with pytest.raises(SeriesRefused, match="2 dimensions"):
        make_series(0, 1, np.ones((2, 2)))


def test_none_and_nan_are_gaps() -> None:
    series = series_of([1.0, None, float("nan"), 4.0, None])
    assert np.isnan(series.values).tolist() == [False, True, True, False, True]
    assert series.last_measured_end_s == MONDAY_S + 4 * STEP_S
    assert series_of([None]).last_measured_end_s is None


def test_nobody_can_write_into_a_series() -> None:
    source = np.ones(3)
    series = series_of(source)
    source[0] = 5.0
    assert series.values[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        series.values[0] = 2.0


@given(LOADS, st.integers(-70, 70), st.integers(0, 140))
def test_between_keeps_every_step_at_its_time(loads: list[float | None], first: int, count: int) -> None:
    series = series_of(loads)
    start_s = MONDAY_S + first * STEP_S
    cut = series.between(start_s, start_s + count * STEP_S)
    assert (len(cut), cut.start_s) == (count, start_s)
    for place, at_s in enumerate(range(cut.start_s, cut.end_s, cut.step_s)):
        source = (at_s - MONDAY_S) // STEP_S
        inside = 0 <= source < len(series)
        expected = series.values[source] if inside else np.nan
        np.testing.assert_equal(cut.values[place], expected)


@given(LOADS, st.integers(1, 6))
def test_only_short_gaps_between_measurements_are_bridged(loads: list[float | None], longest: int) -> None:
    series = series_of(loads)
    bridged = series.without_short_gaps(longest * STEP_S)
    known = ~np.isnan(series.values)
    np.testing.assert_array_equal(bridged.values[known], series.values[known])
    text = "".join("x" if one else "." for one in known)
    left = "".join("." if np.isnan(one) else "x" for one in bridged.values)
    inner = text.strip(".")
    for run in inner.replace("x", " ").split():
        assert len(run) > longest or left.strip(".").count("." * len(run)) < inner.count("." * len(run)) + 1
    assert ("." * (longest + 1) in left.strip(".")) == ("." * (longest + 1) in inner)
    assert left[: len(text) - len(text.lstrip("."))] == text[: len(text) - len(text.lstrip("."))]


def test_a_bridge_is_a_straight_line() -> None:
    bridged = series_of([1.0, None, None, 4.0, None, None, None, 8.0]).without_short_gaps(2 * STEP_S)
    np.testing.assert_allclose(bridged.values[:4], [1, 2, 3, 4])
    assert np.isnan(bridged.values[4:7]).all()


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.integers(1, 6), st.integers(0, 5))
def test_resampling_keeps_what_was_served(loads: list[float], factor: int, offset: int) -> None:
    series = series_of(loads, MONDAY_S + offset * STEP_S)
    coarse = series.resampled(factor * STEP_S)
    assert coarse.start_s % (factor * STEP_S) == 0
    inside = series.between(coarse.start_s, coarse.end_s)
    assert coarse.values.sum() * factor == pytest.approx(inside.values.sum())
    assert len(series) - len(inside) < 2 * factor


def test_a_coarse_step_needs_half_of_its_parts() -> None:
    coarse = series_of([1.0, 3.0, None, None, 5.0, None, None, None]).resampled(4 * STEP_S)
    assert coarse.values[0] == 2.0
    assert np.isnan(coarse.values[1])


def test_load_inside_of_a_step_is_not_made_up() -> None:
    with pytest.raises(SeriesRefused, match=r"steps of 450 s\. Next: choose a whole multiple of 300"):
        series_of([1.0]).resampled(450)


@given(st.floats(0, 4e9), st.integers(1, 7200))
def test_aligning_never_goes_up(time_s: float, step_s: int) -> None:
    aligned = align_down(time_s, step_s)
    assert aligned % step_s == 0
    assert aligned <= time_s < aligned + step_s
