"""The forecast as metrics: what KEDA asks for, and nothing once it is stale."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sophia_infra.model.clock import VirtualClock
from sophia_infra.scaling.errors import SourceUnavailable
from sophia_infra.scaling.gauges import PredictionGauges
from tests.unit.scaling.loads import MONDAY_S, prediction

NOW_S = float(MONDAY_S)


def shown(registry: CollectorRegistry) -> dict[str, float]:
    """Sample with labels -> value, as a scrape reads them."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in families
        for sample in family.samples
    }


def test_the_peak_for_pods_and_the_peak_of_the_hour() -> None:
    registry, clock = CollectorRegistry(), VirtualClock(NOW_S)
    gauges = PredictionGauges(registry, clock=clock, ahead_s=900)
    assert shown(registry) == {}
    gauges.show(prediction([float(step) for step in range(12)], confidence=0.9, model="week-profile-ets"))
    samples = shown(registry)
    assert samples["lambda_inference_predicted_demand['0.9']"] == 2.0
    assert samples["lambda_inference_predicted_demand_hour['0.5']"] == 11.0
    assert samples["lambda_inference_prediction_confidence_ratio[]"] == 0.9
    assert samples["lambda_inference_prediction_model_info['week-profile-ets']"] == 1.0
    clock.advance(300)
    assert shown(registry)["lambda_inference_predicted_demand['0.9']"] == 3.0


def test_a_stale_forecast_is_no_number_but_its_age_is() -> None:
    registry, clock = CollectorRegistry(), VirtualClock(NOW_S)
    gauges = PredictionGauges(registry, clock=clock, max_age_s=900)
    gauges.show(prediction([5.0] * 12))
    clock.advance(901)
    samples = shown(registry)
    assert not any("predicted_demand" in name or "confidence" in name for name in samples)
    assert samples["lambda_inference_prediction_data_age_seconds[]"] == 901.0
    assert samples["lambda_inference_prediction_timestamp_seconds[]"] == NOW_S


def test_failures_are_counted_by_their_error() -> None:
    registry = CollectorRegistry()
    gauges = PredictionGauges(registry, clock=VirtualClock(NOW_S))
    for _ in range(2):
        gauges.failed(SourceUnavailable("No answer.", next_step="wait."))
    assert shown(registry) == {"lambda_inference_prediction_failures_total['SourceUnavailable']": 2.0}
