"""The forecast as metrics, for KEDA's second trigger and for people.

A forecast that is too old is not shown at all: a number that nothing stands behind is worse than none. So the
query of a trigger ends in `or vector(0)`, and a forecast can only ever ask for more pods than the measured
load does.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from sophia_infra.model.clock import Clock, SystemClock
from sophia_infra.scaling.backtest import FRESH_S
from sophia_infra.scaling.prediction import PODS_AHEAD_S, Prediction

__all__ = ["PredictionGauges"]


class PredictionGauges(Collector):
    """Collects the last prediction that was shown.

    Args:
        registry: registers itself there; nowhere when None.
        ahead_s: `lambda_inference_predicted_demand` is the highest load expected within it.
        max_age_s: a prediction, or a measurement behind it, that is older is not shown.
    """

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        *,
        ahead_s: float = PODS_AHEAD_S,
        max_age_s: float = FRESH_S,
        clock: Clock | None = None,
    ) -> None:
        self._ahead_s, self._max_age_s = ahead_s, max_age_s
        self._clock: Clock = clock or SystemClock()
        self._prediction: Prediction | None = None
        self._failures: dict[str, int] = {}
        if registry is not None:
            registry.register(self)

    def show(self, prediction: Prediction) -> None:
        """From now on this one."""
        self._prediction = prediction

    def failed(self, error: Exception) -> None:
        """A prediction could not be made; the last one stays until it is too old."""
        kind = type(error).__name__
        self._failures[kind] = self._failures.get(kind, 0) + 1

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        failures = CounterMetricFamily(
            "lambda_inference_prediction_failures",
            "Predictions that could not be made, by the error.",
            labels=["error"],
        )
        for kind, count in self._failures.items():
            failures.add_metric([kind], count)
        yield failures
        prediction = self._prediction
        if prediction is None:
            return
        yield GaugeMetricFamily(
            "lambda_inference_prediction_timestamp_seconds",
            "When the last prediction was made.",
            value=prediction.made_at_s,
        )
        now_s = self._clock.now()
        age_s = now_s - prediction.measured_until_s
        yield GaugeMetricFamily(
            "lambda_inference_prediction_data_age_seconds",
            "Since the newest measurement behind the last prediction.",
            value=age_s,
        )
        if max(age_s, now_s - prediction.made_at_s) > self._max_age_s:
            return
        yield from _values(prediction, now_s, self._ahead_s)


def _values(prediction: Prediction, now_s: float, ahead_s: float) -> Iterable[Metric]:
    soon = GaugeMetricFamily(
        "lambda_inference_predicted_demand",
        "Highest load that is expected within the time a pod takes, in the unit of the query (calls/s).",
        labels=["quantile"],
    )
    hour = GaugeMetricFamily(
        "lambda_inference_predicted_demand_hour",
        "Highest load that is expected within the predicted hour.",
        labels=["quantile"],
    )
    for level in prediction.quantiles:
        soon.add_metric([f"{level:g}"], prediction.peak(level, now_s, now_s + ahead_s))
        hour.add_metric([f"{level:g}"], prediction.peak(level, now_s, prediction.end_s))
    yield soon
    yield hour
    yield GaugeMetricFamily(
        "lambda_inference_prediction_confidence_ratio",
        "1 less the sum of absolute errors over the sum of the load, in the backtest of the model.",
        value=prediction.confidence,
    )
    model = GaugeMetricFamily("lambda_inference_prediction_model_info", "The model in use.", labels=["model"])
    model.add_metric([prediction.model], 1)
    yield model
