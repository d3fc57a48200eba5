"""What the inventory says of Prometheus and Alertmanager is what the real ones say of themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.monitoring.alertmanager import alertmanager
from tests.monitoring.prometheus import Target, prometheus

_MADE_BY_PROMETHEUS = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "ALERTS",
    "ALERTS_FOR_STATE",
)
_SILENT_CONFIG = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}
_ALWAYS = {"groups": [{"name": "a", "rules": [{"alert": "Always", "expr": "vector(1)"}]}]}


def _listed(exporter: str) -> Mapping[str, Mapping[str, Any]]:
    file = resources.files("sophia_infra.monitoring") / "data" / f"metrics-{exporter}.json"
    metrics: dict[str, Mapping[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["metrics"]
    return {name: row for name, row in metrics.items() if name not in _MADE_BY_PROMETHEUS}


def _types(url: str) -> dict[str, str]:
    page = requests.get(f"{url}/metrics", timeout=10).text
    return dict(_families(page))


def _families(page: str) -> Iterator[tuple[str, str]]:
    for family in text_string_to_metric_families(page):
        # The parser takes _total from the names of counters.
        yield f"{family.name}_total" if family.type == "counter" else family.name, family.type


def _differ(listed: Mapping[str, Mapping[str, Any]], real: Mapping[str, str]) -> list[str]:
    return [f"{name}: {real.get(name)}" for name, row in listed.items() if real.get(name) != row["type"]]


def test_the_inventory_knows_both_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with (
        alertmanager(tmp_path / "a", _SILENT_CONFIG) as told,
        prometheus(
            tmp_path / "p",
            rule_file=_ALWAYS,
            targets=[Target("alertmanager", f"{told.url}/metrics")],
            alertmanager=told.url.removeprefix("http://"),
        ) as server,
    ):
        assert _differ(_listed("alertmanager"), _types(told.url)) == []
        # Some show only after the second scrape, or after the first alarm was told.
        listed = _listed("prometheus")
        server.wait_until("every metric shows", lambda: not _differ(listed, _types(server.url)))
        made = {sample.labels["__name__"] for sample in server.query('{__name__=~"ALERTS.*|up|scrape_.*"}')}
        assert made >= set(_MADE_BY_PROMETHEUS)
