"""The inventory of metrics says what the node scaler really shows: nothing more, nothing less."""

from __future__ import annotations

from decimal import Decimal

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sophia_infra.monitoring.inventory import inventory
from sophia_infra.scaling.nodes.deciding import NodeDecision
from sophia_infra.scaling.nodes.metrics import ScalerMetrics
from sophia_infra.scaling.nodes.reporting import Event, PassReport
from sophia_infra.scaling.nodes.viewing import PoolView


def a_scaler_that_shows_everything() -> str:
    metrics = ScalerMetrics()
    decision = NodeDecision(
        "gpu",
        1.0,
        "launch",
        wanted=2,
        counted_on=1,
        needed=2,
        word="demand",
        reason="x",
        limited_by=("budget",),
    )
    metrics.show(
        PassReport(
            1.0,
            dry_run=False,
            leads=True,
            headroom_usd_per_hour=Decimal(1),
            decisions=[decision],
            views=[PoolView("gpu")],
            events=[Event("gpu", "launch", "gpu-1")],
            problems=["no room"],
        )
    )
    return generate_latest(metrics.registry).decode()


def test_the_inventory_is_what_the_node_scaler_shows() -> None:
    shown = {
        (f"{family.name}_total" if family.type == "counter" else family.name): (
            family.type,
            tuple(sorted({label for sample in family.samples for label in sample.labels})),
            family.documentation,
        )
        for family in text_string_to_metric_families(a_scaler_that_shows_everything())
        if not family.name.endswith("_created")
    }
    known = {
        name: (metric.type, metric.labels, metric.help)
        for name, metric in inventory().items()
        if metric.exporter == "node-scaler"
    }
    assert shown == known
