"""The inventory of metrics says what the forecast really shows: nothing more, nothing less."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sophia_infra.model.clock import VirtualClock
from sophia_infra.monitoring.inventory import inventory
from sophia_infra.scaling.errors import SourceUnavailable
from sophia_infra.scaling.gauges import PredictionGauges
from tests.unit.scaling.loads import MONDAY_S, prediction


def test_the_inventory_is_what_the_forecast_shows() -> None:
    registry = CollectorRegistry()
    gauges = PredictionGauges(registry, clock=VirtualClock(float(MONDAY_S)))
    gauges.show(prediction([5.0] * 12))
    gauges.failed(SourceUnavailable("No answer.", next_step="wait."))
    shown = {
        (f"{family.name}_total" if family.type == "counter" else family.name): (
            family.type,
            tuple(sorted({label for sample in family.samples for label in sample.labels})),
        )
        for family in text_string_to_metric_families(generate_latest(registry).decode())
    }
    known = {
        name: (metric.type, metric.labels)
        for name, metric in inventory().items()
        if metric.exporter == "forecaster"
    }
    assert shown == known
