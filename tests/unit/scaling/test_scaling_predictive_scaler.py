"""`PredictiveScaler` under the plan's names, on a recorded load, a virtual clock and a fleet on paper."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from sophia_infra.model.clock import VirtualClock
from sophia_infra.scaling.errors import SeriesRefused, SettingsRefused, SourceUnavailable, TooLittleData
from sophia_infra.scaling.fleet import FleetView
from sophia_infra.scaling.prediction import Forecaster, ForecastSettings, Prediction
from sophia_infra.scaling.predictive_scaler import PredictiveScaler
from sophia_infra.scaling.series import DAY_S, HOUR_S, WEEK_S, make_series
from tests.unit.scaling.loads import (
    STEP_S,
    PaperFleet,
    TraceFile,
    daily,
    prediction,
    series_of,
    settings,
    trace,
)

TUESDAY_NINE_S = trace().true.start_s + 6 * WEEK_S + DAY_S + 12 * HOUR_S + 1800
"""08:30 in New York, before the rise of the day."""


def at(now_s: float, **fields: object) -> tuple[PredictiveScaler, VirtualClock, TraceFile, PaperFleet]:
    clock = VirtualClock(now_s)
    source = TraceFile(trace("plan", 7).true, clock)
    fleet = PaperFleet(FleetView(now_s, ready=1))
    capacity = replace(settings().capacity, per_replica=2.0)
    scale = settings(capacity=capacity, **fields)
    return PredictiveScaler(source, fleet, scale=scale, clock=clock), clock, source, fleet


def test_the_plans_lines_work() -> None:
    scaling_predictor, _, _, fleet = at(TUESDAY_NINE_S)

    async def the_plan() -> tuple[Prediction, object]:
        predicted_load = await scaling_predictor.predict_next_hour()
        return predicted_load, await scaling_predictor.pre_scale(predicted_load)

    predicted_load, decision = asyncio.run(the_plan())
    assert predicted_load.model == "week-profile-recall"
    assert predicted_load.data_age_s == 0.0
    assert 0.9 < predicted_load.confidence < 1.0
    assert predicted_load.last_measured < 5 < 8 < predicted_load.mean[-1]
    """The rise is known before it comes, and nodes are launched for it now."""
    ((action, count, intent),) = fleet.asked
    assert (action, decision.action, decision.done) == ("launch", "launch", count)  # type: ignore[attr-defined]
    assert 3 <= count <= 5
    assert intent.startswith("tests:launch:")


def test_a_dry_run_and_a_scaler_without_actuator_only_say_what_they_would_do() -> None:
    scaler, clock, source, fleet = at(TUESDAY_NINE_S, dry_run=True)
    alone = PredictiveScaler(source, scale=replace(settings(), dry_run=False), clock=clock)
    for one in (scaler, alone):
        predicted = asyncio.run(one.predict_next_hour())
        decision = asyncio.run(one.pre_scale(predicted))
        assert (decision.action, decision.dry_run, decision.done) == ("launch", True, 0)
    assert fleet.asked == []


def test_stale_data_moves_nothing() -> None:
    scaler, clock, _, fleet = at(TUESDAY_NINE_S)
    predicted = asyncio.run(scaler.predict_next_hour())
    clock.advance(1000)
    decision = asyncio.run(scaler.pre_scale(predicted))
    assert (decision.action, fleet.asked) == ("none", [])


def test_a_source_that_does_not_answer_is_said_and_not_guessed_around() -> None:
    scaler, clock, source, _ = at(TUESDAY_NINE_S)
    asyncio.run(scaler.predict_next_hour())
    source.fails = True
    clock.advance(300)
    with pytest.raises(SourceUnavailable):
        asyncio.run(scaler.predict_next_hour())
    source.fails = False
    assert asyncio.run(scaler.predict_next_hour()).data_age_s < STEP_S


def test_predictions_at_once_do_not_mix() -> None:
    scaler, _, _, _ = at(TUESDAY_NINE_S)

    async def twice() -> list[Prediction]:
        return list(await asyncio.gather(scaler.predict_next_hour(), scaler.predict_next_hour()))

    one, other = asyncio.run(twice())
    np.testing.assert_array_equal(one.mean, other.mean)


def test_without_a_source_it_says_what_to_set() -> None:
    with pytest.raises(SettingsRefused, match=r"no source of the load\. Next: .* SOPHIA_PROMETHEUS_URL"):
        PredictiveScaler(environ={})
    assert PredictiveScaler(environ={"SOPHIA_PROMETHEUS_URL": "http://127.0.0.1:9090"})


def test_what_does_not_fit_together_is_refused_at_once() -> None:
    source = TraceFile(daily(1))
    with pytest.raises(SettingsRefused, match=r"level is 0.95, but only 0.1, 0.5, 0.9 are predicted"):
        PredictiveScaler(source, scale=settings(level=0.95))
    with pytest.raises(SettingsRefused, match="horizon_s is 900, but a node takes 1200 s to be of use"):
        PredictiveScaler(source, scale=settings(), forecast=ForecastSettings(horizon_s=900))
    with pytest.raises(SettingsRefused, match="one that divides an hour"):
        ForecastSettings(step_s=700)
    with pytest.raises(SettingsRefused, match=r"levels are \[1.5\]"):
        ForecastSettings(levels=[1.5])


def test_the_forecaster_reads_what_is_new_and_keeps_what_is_still_good() -> None:
    clock = VirtualClock(TUESDAY_NINE_S)
    source = TraceFile(trace("plan", 7).true, clock)
    forecaster = Forecaster(source, clock=clock)
    forecaster.predict()
    choice = forecaster.choice
    clock.advance(STEP_S)
    later = forecaster.predict()
    spans = [end_s - start_s for start_s, end_s in source.reads]
    assert spans == [6 * WEEK_S, HOUR_S + STEP_S]
    assert forecaster.choice is choice
    assert later.start_s == TUESDAY_NINE_S + STEP_S
    fresh = Forecaster(source, clock=clock).predict()
    """What goes on from a fit of five minutes ago is nearly what a new fit says."""
    np.testing.assert_allclose(later.mean, fresh.mean, rtol=0.05)


def test_the_choice_is_made_anew_each_week_and_the_fit_each_day() -> None:
    clock = VirtualClock(float(trace().true.start_s + 5 * WEEK_S))
    forecaster = Forecaster(TraceFile(trace().true, clock), clock=clock)
    forecaster.predict()
    first = forecaster.choice
    clock.advance(WEEK_S - 1)
    forecaster.predict()
    assert forecaster.choice is first
    clock.advance(1)
    forecaster.predict()
    assert forecaster.choice is not first


def test_a_clock_set_back_is_survived() -> None:
    clock = VirtualClock(TUESDAY_NINE_S)
    source = TraceFile(trace("plan", 7).true)
    forecaster = Forecaster(source, clock=clock)
    forecaster.predict()
    forecaster._clock = VirtualClock(TUESDAY_NINE_S - 2 * HOUR_S)
    assert forecaster.predict().start_s == TUESDAY_NINE_S - 2 * HOUR_S


def test_what_was_never_measured_before_the_first_value_is_not_history() -> None:
    """Three days of a new platform are no six weeks with gaps: the weekly models are not even tried."""
    known = daily(3)
    clock = VirtualClock(float(known.end_s))
    forecaster = Forecaster(TraceFile(known), clock=clock)
    predicted = forecaster.predict()
    assert forecaster.choice is not None
    assert not any("week" in score.model for score in forecaster.choice.scores)
    assert np.isfinite(predicted.mean).all()


@pytest.mark.parametrize("hours", [0, 20])
def test_too_little_to_learn_from_is_said(hours: int) -> None:
    known = series_of([5.0] * (hours * 12) or [None])
    clock = VirtualClock(float(known.end_s))
    with pytest.raises(TooLittleData, match="Next: "):
        Forecaster(TraceFile(known), clock=clock).predict()


@pytest.mark.parametrize("load", [0.0, 3.0])
def test_a_constant_load_is_predicted_exactly_and_trusted(load: float) -> None:
    known = series_of([load] * (10 * 288))
    predicted = Forecaster(TraceFile(known), clock=VirtualClock(float(known.end_s))).predict()
    assert predicted.mean.tolist() == [load] * 12
    assert predicted.upper(0.9).tolist() == [load] * 12
    assert predicted.confidence == 1.0


def test_a_gap_of_ten_minutes_at_the_end_is_aged_and_forecast_over() -> None:
    whole = trace("plan", 7).true
    values = whole.until(TUESDAY_NINE_S).values.copy()
    values[-2:] = np.nan
    source = TraceFile(make_series(whole.start_s, STEP_S, values))
    predicted = Forecaster(source, clock=VirtualClock(TUESDAY_NINE_S + 60.0)).predict()
    assert predicted.data_age_s == 660.0
    assert predicted.start_s == TUESDAY_NINE_S
    assert np.isfinite(predicted.mean).all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
def test_a_prediction_that_is_no_load_cannot_be_made(bad: float) -> None:
    with pytest.raises(SeriesRefused, match="A predicted load is negative, or no number"):
        prediction([1.0, bad, 2.0])


def test_the_peak_is_the_highest_step_touched() -> None:
    told = prediction(list(range(12)))
    start_s = told.start_s
    assert told.peak(0.9, start_s, start_s + 1) == 0.0
    assert told.peak(0.9, start_s, start_s + 601) == 2.0
    assert told.peak(0.9, start_s + 299, start_s + 600) == 1.0
    assert told.peak(0.9, start_s + 7200, start_s + 9000) == 11.0
    with pytest.raises(SettingsRefused, match=r"no quantile 0.95\. Next: use one of 0.1, 0.5, 0.9"):
        told.upper(0.95)


def test_budget_and_price_reach_the_decision() -> None:
    scaler, _, _, fleet = at(TUESDAY_NINE_S, budget_usd_per_hour=Decimal("6.00"))
    decision = asyncio.run(scaler.pre_scale(asyncio.run(scaler.predict_next_hour())))
    assert (decision.limited_by, fleet.asked[0][1]) == (("budget",), 2)
    assert decision.usd_per_hour == Decimal("4.00")
