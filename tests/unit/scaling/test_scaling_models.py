"""Every model: finite and not negative whatever was measured, exact where it should be, fair about data."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sophia_infra.scaling.errors import LibraryMissing, TooLittleData
from sophia_infra.scaling.holidays import WORK_CALENDAR, WorkCalendar
from sophia_infra.scaling.models import BASELINES, Model, Persistence, SeasonalNaive
from sophia_infra.scaling.profile import fit_profile
from sophia_infra.scaling.profiled import Profiled, all_models
from sophia_infra.scaling.series import DAY_S, HOUR_S, WEEK_S, Series, make_series
from tests.unit.scaling.loads import DAY_STEPS, MONDAY_S, STEP_S, daily, series_of, trace

MODELS = all_models(WorkCalendar(country=None))
NAMES = [one.name for one in MODELS]
NEW_YORK = ZoneInfo("America/New_York")
EACH = pytest.mark.parametrize("model", MODELS, ids=NAMES)


def test_names_are_unique_and_baselines_come_first() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert MODELS[: len(BASELINES)] == BASELINES


def hourly(values: list[float | None]) -> Series:
    """Two weeks and more of hours made of a repeated list: cheap to fit."""
    repeated = (values * (15 * 24 // len(values) + 1))[: 15 * 24]
    return make_series(MONDAY_S, HOUR_S, repeated)


@EACH
@settings(max_examples=12)
@given(
    values=st.lists(st.none() | st.floats(0, 1e9), min_size=1, max_size=50).filter(
        lambda them: any(one is not None for one in them)
    ),
    more=st.lists(st.none() | st.floats(0, 1e9), max_size=30),
)
def test_a_forecast_is_finite_and_not_negative(
    model: Model, values: list[float | None], more: list[float | None]
) -> None:
    series = hourly(values)
    fit = model.fit(series)
    longer = make_series(MONDAY_S, HOUR_S, np.concatenate((series.values, make_series(0, 1, more).values)))
    for one in (fit, fit.advanced(longer)):
        mean = one.mean(30)
        assert mean.shape == (30,)
        assert np.isfinite(mean).all()
        assert (mean >= 0).all()


@EACH
@pytest.mark.parametrize("load", [0.0, 7.5])
def test_a_constant_load_goes_on(model: Model, load: float) -> None:
    np.testing.assert_allclose(model.fit(hourly([load])).mean(12), load, rtol=1e-9)


@EACH
def test_a_fit_goes_on_with_new_steps_as_if_told_one_by_one(model: Model) -> None:
    series = trace("gaps", 3).seen
    fit = model.fit(series.until(series.end_s - DAY_S))
    at_once = fit.advanced(series)
    for end_s in range(fit.end_s, series.end_s + 1, 2 * HOUR_S):
        fit = fit.advanced(series.until(end_s))
    np.testing.assert_allclose(fit.mean(12), at_once.mean(12), rtol=1e-9)
    assert fit.end_s == series.end_s
    with pytest.raises(ValueError, match="before this fit"):
        fit.advanced(series.until(series.end_s - DAY_S))


@EACH
def test_too_little_and_nothing_measured_are_said_in_words(model: Model) -> None:
    if model.needs_s:
        short = daily(model.needs_s / DAY_S - 0.1)
        with pytest.raises(TooLittleData, match=rf"{model.name} needs .* days of load and has .* Next: wait"):
            model.fit(short)
    with pytest.raises(TooLittleData, match="None of the 10000 steps of the series was measured"):
        model.fit(series_of([None] * 10_000))


def test_baselines_are_what_their_names_say() -> None:
    series = trace().true
    values = series.values
    np.testing.assert_array_equal(Persistence().fit(series).mean(3), [values[-1]] * 3)
    day, week = (SeasonalNaive("x", one).fit(series).mean(12) for one in (DAY_S, WEEK_S))
    np.testing.assert_array_equal(day, values[-DAY_STEPS : -DAY_STEPS + 12])
    np.testing.assert_array_equal(week, values[-7 * DAY_STEPS : -7 * DAY_STEPS + 12])


def test_a_seasonal_baseline_looks_further_back_over_a_gap() -> None:
    values = np.tile(np.arange(DAY_STEPS, dtype=np.float64), 3)
    values[2 * DAY_STEPS : 2 * DAY_STEPS + 5] = np.nan
    forecast = SeasonalNaive("x", DAY_S).fit(series_of(values)).mean(10)
    np.testing.assert_array_equal(forecast, np.arange(10))


@pytest.mark.parametrize("memory", ["ets", "recall"])
def test_a_day_that_repeats_exactly_is_known_exactly(memory: str) -> None:
    known, coming = daily(14.3), daily(14.4)
    forecast = Profiled("day", memory, calendar=WorkCalendar("UTC", None)).fit(known).mean(20)  # type: ignore[arg-type]
    # A slot learns from its neighbours too: that flattens the top by less than a hundredth.
    np.testing.assert_allclose(forecast, coming.values[len(known) : len(known) + 20], atol=0.09)


def test_growth_does_not_bend_the_shape_and_the_level_is_the_latest() -> None:
    exact = daily(42)
    growing = series_of(exact.values * 1.05 ** (np.arange(len(exact)) / (7 * DAY_STEPS)))
    calendar = WorkCalendar("UTC", None)
    steady, grown = (fit_profile(one, "week", calendar) for one in (exact, growing))
    np.testing.assert_allclose(
        grown.shape / grown.shape.mean(), steady.shape / steady.shape.mean(), rtol=0.02
    )
    assert grown.level / steady.level == pytest.approx(1.05**5.5, rel=0.03)


def test_a_lost_weekend_does_not_lift_the_level() -> None:
    whole = trace().true
    values = whole.values.copy()
    values[-2 * DAY_STEPS :] = np.nan
    lost = make_series(whole.start_s, STEP_S, values)
    levels = [fit_profile(one, "week", WORK_CALENDAR).level for one in (whole, lost)]
    assert np.nanmean(values[-7 * DAY_STEPS :]) > 1.3 * whole.values[-7 * DAY_STEPS :].mean()
    assert levels[1] == pytest.approx(levels[0], rel=0.06)


def test_a_weekday_never_measured_is_like_the_others() -> None:
    whole = trace().true
    local = WORK_CALENDAR.local_steps(whole.start_s, STEP_S, len(whole))
    values = np.where(local.weekday == 2, np.nan, whole.values)
    shape = fit_profile(make_series(whole.start_s, STEP_S, values), "week", WORK_CALENDAR).shape
    np.testing.assert_allclose(shape[2], shape[[0, 1, 3, 4]].mean(axis=0), rtol=0.05)


def test_a_weekday_of_its_own_kind_keeps_its_shape() -> None:
    """Every Wednesday night a batch runs: no chance, so it is not averaged away."""
    whole = trace().true
    local = WORK_CALENDAR.local_steps(whole.start_s, STEP_S, len(whole))
    batch = (local.weekday == 2) & (local.second_of_day < 4 * HOUR_S)
    series = make_series(whole.start_s, STEP_S, whole.values + 8.0 * batch)
    profile = fit_profile(series, "week", WORK_CALENDAR)
    at_two = profile.level * profile.shape[:, 2 * 12]
    assert at_two[2] > 7.5
    assert at_two[[0, 1, 3, 4]].max() < 2.0


def test_office_hours_follow_the_clock_on_the_wall() -> None:
    """Learned in summer time, forecast for the Monday after the clocks changed: 9:00 is still the rise."""
    summer = trace("plan", 8).true
    monday_s = int(datetime(2026, 11, 2, 8, 30, tzinfo=NEW_YORK).timestamp())
    profile = fit_profile(summer.until(monday_s - 3 * DAY_S), "week", WORK_CALENDAR)
    expected = profile.expected(monday_s, 12)
    assert expected[0] == pytest.approx(3.3, abs=0.8)
    assert expected[-1] == pytest.approx(9.0, abs=1.2)


def test_a_holiday_is_quiet_and_without_a_calendar_it_is_not() -> None:
    known = trace("holidays", 7).true
    """Thanksgiving is the 26th."""
    noon_s = int(datetime(2026, 11, 26, 12, tzinfo=NEW_YORK).timestamp())
    past = known.until(noon_s - DAY_S)
    aware = fit_profile(past, "week", WORK_CALENDAR).expected(noon_s, 1)[0]
    unaware = fit_profile(past, "week", WorkCalendar(country=None)).expected(noon_s, 1)[0]
    listed = fit_profile(past, "week", WorkCalendar(country=None, days_off=frozenset({date(2026, 11, 26)})))
    assert aware < 2.0 < 7.0 < unaware
    assert listed.expected(noon_s, 1)[0] < 2.0


def test_models_without_statsmodels_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sophia_infra.scaling.profiled.has_statsmodels", lambda: False)
    names = [one.name for one in all_models()]
    assert "week-profile-recall" in names
    assert not any("ets" in name for name in names)


def test_asked_for_by_name_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "statsmodels.tsa.exponential_smoothing.ets", None)
    with pytest.raises(LibraryMissing, match=r"smoothing \(ETS\) needs the package statsmodels"):
        Profiled("week", "ets").fit(trace().true)
