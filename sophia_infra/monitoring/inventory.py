"""Every metric that rules and dashboards may name: who exports it, and with which labels.

A rule about a metric that nobody exports never fires and looks like health, so what is not listed here is
refused by tests. One file of `data/` for each exporter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Literal

__all__ = ["Metric", "inventory"]

MetricType = Literal["counter", "gauge", "histogram", "summary"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One family of series.

    Attributes:
        name: as it is scraped; of a histogram without `_bucket`, `_sum` and `_count`.
        type: as the exporter declares it.
        labels: its own, without those that scraping adds (job, instance, namespace, pod, service, ...).
        exporter: name of the file it is from.
        help: what it counts, with its unit.
    """

    name: str
    type: MetricType
    labels: tuple[str, ...]
    exporter: str
    help: str

    @property
    def series_names(self) -> tuple[str, ...]:
        """The names by which an expression may ask for it."""
        if self.type == "histogram":
            return (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")
        if self.type == "summary":
            return (self.name, f"{self.name}_sum", f"{self.name}_count")
        return (self.name,)


@cache
def inventory() -> Mapping[str, Metric]:
    """Name of a series -> its metric, of every exporter."""
    found: dict[str, Metric] = {}
    folder = resources.files("sophia_infra.monitoring") / "data"
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not file.name.startswith("metrics-"):
            continue
        document = json.loads(file.read_text(encoding="utf-8"))
        for name, row in document["metrics"].items():
            metric = Metric(name, row["type"], tuple(row["labels"]), document["exporter"], row["help"])
            for series in metric.series_names:
                found[series] = metric
    return MappingProxyType(found)
