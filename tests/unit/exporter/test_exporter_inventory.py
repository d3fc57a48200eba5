"""The inventory of metrics says what exporter and gateway really show: nothing more, nothing less."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from importlib import resources
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sophia_infra.emulator import EmulatorServer
from sophia_infra.inference.gateway.metrics import GatewayMetrics
from sophia_infra.inference.usage import Tokens, UsageEntry
from sophia_infra.monitoring.inventory import inventory
from tests.emulator.emulator_client import strict_settings
from tests.unit.exporter.stage import Stage, machine, settings_of


def families_of(text: str) -> dict[str, dict[str, Any]]:
    """Name -> type, labels and help, as they are scraped; without the moments of creation."""
    found: dict[str, dict[str, Any]] = {}
    for family in text_string_to_metric_families(text):
        if family.name.endswith("_created"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels: dict[str, None] = {}
        for sample in family.samples:
            labels |= dict.fromkeys(label for label in sample.labels if label not in ("le", "quantile"))
        assert family.samples, f"nothing shows {name}"
        found[name] = {"type": family.type, "labels": sorted(labels), "help": family.documentation}
    return found


def a_stage_that_shows_everything(emulator: EmulatorServer) -> Stage:
    stage = Stage(emulator, settings_of({"core": machine(node="core")}))
    disk = stage.api.data("POST", "/filesystems", {"name": "models", "region": "us-east-3"})
    stage.api.control("POST", f"/filesystems/{disk['id']}/bytes", {"bytes_used": 1})
    stage.launch("core")
    stage.pass_time(60)
    stage.close()
    stage.api.session.close()
    return stage


def a_gateway_that_shows_everything() -> str:
    metrics = GatewayMetrics(pressure=lambda _: 50, users=("backend",))
    metrics.on_settled(
        UsageEntry(
            request_id="r",
            at=datetime(2026, 9, 14, tzinfo=UTC),
            user="backend",
            model="qwen-3-32b",
            backend="own",
            tokens=Tokens(1, 1),
            input_usd=Decimal(1),
            output_usd=Decimal(1),
            latency_ms=1,
            first_token_ms=1,
            cached=True,
        )
    )
    metrics.on_attempt("own", "ok")
    metrics.on_queue("own", 1)
    metrics.on_refused("rate_limited")
    metrics.on_backend("own", ready=True)
    metrics.on_warm({"qwen-3-32b": 1})
    metrics.on_backend_load("own", waiting=1, cache_use=0.5)
    return metrics.text().decode()


def listed(exporter: str) -> dict[str, dict[str, Any]]:
    file = resources.files("sophia_infra.monitoring") / "data" / f"metrics-{exporter}.json"
    document = json.loads(file.read_text("utf-8"))
    assert document["exporter"] == exporter
    return {name: {**row, "labels": sorted(row["labels"])} for name, row in document["metrics"].items()}


def test_the_exporter_shows_what_is_listed() -> None:
    with EmulatorServer(strict_settings()) as emulator:
        stage = a_stage_that_shows_everything(emulator)
    shown = stage.show()
    assert families_of(shown.text) == listed("sophia-exporter")


def test_the_gateway_shows_what_is_listed() -> None:
    assert families_of(a_gateway_that_shows_everything()) == listed("gateway")


@pytest.mark.parametrize("exporter", ["sophia-exporter", "gateway"])
def test_rules_and_dashboards_find_it(exporter: str) -> None:
    known = inventory()
    for name, row in listed(exporter).items():
        series = f"{name}_count" if row["type"] == "histogram" else name
        assert known[series].name == name
        if not name.startswith("process_"):  # many programs have these
            assert known[series].exporter == exporter
