"""`PredictiveScaler`, under the names of the migration plan.

    scaling_predictor = PredictiveScaler()
    predicted_load = await scaling_predictor.predict_next_hour()
    await scaling_predictor.pre_scale(predicted_load)

"Machine learning-based" is the plan's word: what learns is a calendar profile and exponential smoothing,
chosen by backtest (docs/scaling.md).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from sophia_infra.model.clock import Clock, SystemClock
from sophia_infra.model.price_book import PriceBook
from sophia_infra.scaling.capacity import Capacity, lead_time_of
from sophia_infra.scaling.errors import SettingsRefused
from sophia_infra.scaling.fleet import Actuator, FleetView
from sophia_infra.scaling.gauges import PredictionGauges
from sophia_infra.scaling.pre_scaling import Decision, ScaleSettings, decide
from sophia_infra.scaling.prediction import Forecaster, ForecastSettings, Prediction
from sophia_infra.scaling.sources import REQUEST_RATE, PrometheusSource, SeriesSource

__all__ = ["DEFAULT_SCALE", "QUERY_VARIABLE", "URL_VARIABLE", "PredictiveScaler"]

URL_VARIABLE: Final = "SOPHIA_PROMETHEUS_URL"
QUERY_VARIABLE: Final = "SOPHIA_FORECAST_QUERY"

_TYPE: Final = "gpu_1x_a100_sxm4"

DEFAULT_SCALE: Final = ScaleSettings(
    group="inference",
    capacity=Capacity(per_replica=1.0),
    lead=lead_time_of(_TYPE),
    max_nodes=8,
    usd_per_hour=PriceBook.fallback().get(_TYPE),
)
"""What a scaler that was told nothing assumes: one A100 carries one call a second, at most eight of them (the
plan's autoscaler of inference has 1 to 8 replicas), and nobody acts: a dry run."""

_log = logging.getLogger(__name__)


class PredictiveScaler:
    """Predicts the load of the next hour and has nodes ready before it comes.

    Args:
        source: of the load. None: Prometheus at SOPHIA_PROMETHEUS_URL with the query in SOPHIA_FORECAST_QUERY
            (default: calls per second through all gateways).
        actuator: launches and releases. None: there is nobody to act, and no fleet to look at; decisions
            are made for an empty fleet and stay on paper.
        scale: limits of the group of nodes; see `DEFAULT_SCALE`.
        forecast: how the load is read and forecast.
        clock: whose now it is.
        gauges: show every prediction there.
        environ: in place of the process's environment.

    Raises:
        SettingsRefused: no source and no SOPHIA_PROMETHEUS_URL; a level that is not predicted; a horizon
            shorter than a node takes to come.
    """

    def __init__(
        self,
        source: SeriesSource | None = None,
        actuator: Actuator | None = None,
        *,
        scale: ScaleSettings = DEFAULT_SCALE,
        forecast: ForecastSettings | None = None,
        clock: Clock | None = None,
        gauges: PredictionGauges | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        forecast = forecast or ForecastSettings()
        if scale.level not in forecast.levels:
            raise SettingsRefused(
                f"level is {scale.level}, but only {', '.join(map(str, forecast.levels))} are predicted.",
                next_step="choose one of them, or add it to the levels of the forecast.",
            )
        if forecast.horizon_s < scale.lead_s + scale.every_s:
            raise SettingsRefused(
                f"horizon_s is {forecast.horizon_s}, but a node takes {scale.lead_s:.0f} s to be of use.",
                next_step="forecast farther than that.",
            )
        self._clock: Clock = clock or SystemClock()
        self._actuator = actuator
        self._scale = scale
        self._gauges = gauges
        self._forecaster = Forecaster(
            source or _prometheus(os.environ if environ is None else environ), forecast, self._clock
        )
        self._turn = asyncio.Lock()

    async def predict_next_hour(self) -> Prediction:
        """The load of the next hour. The first call reads six weeks and chooses a model: a second or two.

        Raises:
            SourceUnavailable, SourceRefused, SeriesRefused: of the source.
            TooLittleData: less than a day was measured, or nothing at all.
        """
        async with self._turn:
            return await asyncio.to_thread(self.predict)

    def predict(self) -> Prediction:
        """`predict_next_hour` for one caller without an event loop. Raises the same."""
        prediction = self._forecaster.predict()
        if self._gauges is not None:
            self._gauges.show(prediction)
        return prediction

    async def pre_scale(self, predicted_load: Prediction) -> Decision:
        """Launch nodes that will be needed by the time they are of use; release those that are not needed for
        an hour. Does nothing on stale data, in a dry run, or without an actuator.

        Raises:
            What the actuator raises: then it is not known whether it acted, and the same intent is safe to
            repeat.
        """
        async with self._turn:
            return await asyncio.to_thread(self._pre_scale, predicted_load)

    def _pre_scale(self, prediction: Prediction) -> Decision:
        now_s = self._clock.now()
        fleet = FleetView(seen_at_s=now_s, ready=0) if self._actuator is None else self._actuator.look()
        decision = decide(prediction, fleet, self._scale, now_s)
        if self._actuator is None:
            return replace(decision, dry_run=True)
        if decision.dry_run or decision.action == "none":
            _log.info("%s%s", "dry run: " if decision.dry_run else "", decision.reason)
            return decision
        act = self._actuator.launch if decision.action == "launch" else self._actuator.release
        done = act(decision.count, intent=decision.intent)
        _log.info("%s %d of %d nodes: %s", decision.action, done, decision.count, decision.reason)
        return replace(decision, done=done)


def _prometheus(environ: Mapping[str, str]) -> PrometheusSource:
    url = environ.get(URL_VARIABLE)
    if not url:
        raise SettingsRefused(
            "There is no source of the load.",
            next_step=f"give PredictiveScaler a source, or set {URL_VARIABLE} to the address of Prometheus.",
        )
    return PrometheusSource(url, environ.get(QUERY_VARIABLE) or REQUEST_RATE)
