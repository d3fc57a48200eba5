"""Families of series out of rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

__all__ = ["Number", "Row", "counter", "gauge", "single"]

Number = float | int | Decimal
Row = tuple[Sequence[str], Number]


def gauge(name: str, text: str, labels: Sequence[str], rows: Iterable[Row]) -> GaugeMetricFamily:
    """A gauge; each row has the values of the labels, in order, and its own."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in rows:
        family.add_metric(values, float(number))
    return family


def counter(name: str, text: str, labels: Sequence[str], rows: Iterable[Row]) -> CounterMetricFamily:
    """A counter, whose name ends in `_total`."""
    family = CounterMetricFamily(name, text, labels=labels)
    for values, number in rows:
        family.add_metric(values, float(number))
    return family


def single(name: str, text: str, number: Number | None) -> GaugeMetricFamily:
    """A gauge without labels; without a sample when the number is not known."""
    return gauge(name, text, (), () if number is None else (((), number),))
