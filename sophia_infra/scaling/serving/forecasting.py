"""The forecaster: predict the next hour, show it, wait, and again."""

from __future__ import annotations

import logging

from prometheus_client import CollectorRegistry

from sophia_infra.model.clock import SystemClock
from sophia_infra.model.scaler import CalendarConfig
from sophia_infra.model.scaling_site import ForecasterSite
from sophia_infra.scaling.errors import ScalingError
from sophia_infra.scaling.gauges import PredictionGauges
from sophia_infra.scaling.holidays import WorkCalendar
from sophia_infra.scaling.prediction import Forecaster, ForecastSettings
from sophia_infra.scaling.serving.process import Pulse, asked_to_end, serving
from sophia_infra.scaling.sources import REQUEST_RATE, PrometheusSource

__all__ = ["ForecastLoop", "run_forecaster", "work_calendar"]

_log = logging.getLogger(__name__)


class ForecastLoop:
    """One forecast after the other; what a source refuses is counted, told once, and tried again.

    Args:
        forecaster: predicts.
        gauges: where a forecast is shown.
    """

    def __init__(self, forecaster: Forecaster, gauges: PredictionGauges) -> None:
        self._forecaster = forecaster
        self._gauges = gauges
        self._said = ""

    def step(self) -> None:
        """Predict and show, or count why not."""
        try:
            prediction = self._forecaster.predict()
        except ScalingError as error:
            self._gauges.failed(error)
            self._say(str(error))
            return
        self._gauges.show(prediction)
        self._say(f"forecast by {prediction.model}: {prediction.reason}")

    def _say(self, words: str) -> None:
        # What is as it was a minute ago is no news.
        if words != self._said:
            self._said = words
            _log.info("%s", words)


def run_forecaster(site: ForecasterSite, listen: tuple[str, int]) -> None:
    """Forecast until SIGTERM or SIGINT.

    Raises:
        SettingsRefused: the calendar cannot be. CannotListen. Both before anything is asked.
    """
    clock = SystemClock()
    registry = CollectorRegistry()
    gauges = PredictionGauges(registry, clock=clock)
    settings = ForecastSettings(calendar=work_calendar(site.calendar))
    source = PrometheusSource(site.prometheus_url, site.query or REQUEST_RATE)
    loop = ForecastLoop(Forecaster(source, settings, clock), gauges)
    pulse = Pulse(site.every_s)
    with asked_to_end() as stopped, serving(registry, listen, pulse):
        while not stopped.is_set():
            loop.step()
            pulse.beat()
            stopped.wait(site.every_s)


def work_calendar(config: CalendarConfig) -> WorkCalendar:
    """The calendar of a stack file as models take it. Raises SettingsRefused: no such zone or country."""
    return WorkCalendar(config.zone, config.country, frozenset(config.days_off))
