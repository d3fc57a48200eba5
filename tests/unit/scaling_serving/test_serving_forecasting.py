"""The forecaster's loop: what it shows, and what it does when the load cannot be read."""

from __future__ import annotations

import logging
from datetime import date

import pytest
from prometheus_client import CollectorRegistry

from sophia_infra.model.clock import VirtualClock
from sophia_infra.model.scaler import CalendarConfig
from sophia_infra.scaling.gauges import PredictionGauges
from sophia_infra.scaling.models import BASELINES
from sophia_infra.scaling.prediction import Forecaster, ForecastSettings
from sophia_infra.scaling.serving.forecasting import ForecastLoop, work_calendar
from tests.unit.scaling.loads import MONDAY_S, TraceFile, daily

DAY_S = 86_400
PEAK = "lambda_inference_predicted_demand"


def test_a_forecast_is_shown_and_a_failure_counts_and_hides_it_only_when_it_is_old(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = VirtualClock(MONDAY_S + 4 * DAY_S)
    source = TraceFile(daily(6), clock)
    registry = CollectorRegistry()
    forecaster = Forecaster(source, ForecastSettings(), clock, lambda _calendar: BASELINES)
    loop = ForecastLoop(forecaster, PredictionGauges(registry, clock=clock))

    def shown(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    with caplog.at_level(logging.INFO, "sophia_infra.scaling.serving"):
        loop.step()
        first = shown(PEAK, quantile="0.9")
        assert first is not None
        source.fails = True
        clock.advance(60)
        loop.step()
        loop.step()
        assert shown(PEAK, quantile="0.9") is not None, "a minute of silence is no reason to forget"
        clock.advance(3600)
        assert shown(PEAK, quantile="0.9") is None
        assert shown("lambda_inference_prediction_failures_total", error="SourceUnavailable") == 2
        source.fails = False
        loop.step()
        assert shown(PEAK, quantile="0.9") is not None
    said = [record.message for record in caplog.records]
    assert len(said) == 3, "what stays as it is, is said once"
    assert said[0].startswith("forecast by ")
    assert said[1] == "No answer. Next: wait."


def test_the_calendar_is_that_of_the_stack_file() -> None:
    config = CalendarConfig.model_validate(
        {"zone": "Europe/Berlin", "country": None, "days_off": ["2026-12-24"]}
    )
    calendar = work_calendar(config)
    assert (calendar.zone, calendar.country, calendar.days_off) == (
        "Europe/Berlin",
        None,
        frozenset({date(2026, 12, 24)}),
    )
