"""Short ways to write the series of a page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from tests.monitoring.platform import Line, Series, constant

__all__ = ["counter", "gauge", "histogram", "one_of"]

_COUNTED_BEFORE_S = 10 * 86_400.0


def gauge(name: str, value: float | Line, /, **labels: str) -> Series:
    """A value that stays, or a line."""
    return Series(name, labels, value if isinstance(value, Line) else constant(float(value)))


def counter(name: str, per_s: float, /, **labels: str) -> Series:
    """A counter that has gone on like this for ten days."""
    return Series(name, labels, Line(per_s * _COUNTED_BEFORE_S, per_s))


def histogram(name: str, per_s: float, mean: float, bounds: str, /, **labels: str) -> Iterable[Series]:
    """Observations in an exponential distribution: the 95th percentile is three times the mean.

    Args:
        bounds: of the buckets as the exporter writes them: "0.5 1.0" by Python's client, "0.5 1" by others.
    """
    for bound in bounds.split():
        share = 1 - math.exp(-float(bound) / mean)
        yield counter(f"{name}_bucket", per_s * share, **labels, le=bound)
    yield counter(f"{name}_bucket", per_s, **labels, le="+Inf")
    yield counter(f"{name}_sum", per_s * mean, **labels)
    yield counter(f"{name}_count", per_s, **labels)


def one_of(
    name: str, label: str, values: Iterable[str], current: str, labels: Mapping[str, str]
) -> Iterable[Series]:
    """A series for each value, 1 for the one that holds."""
    return [gauge(name, float(value == current), **labels, **{label: value}) for value in values]
