"""Days gone by: dollars of the fleet and of inference, use of every GPU, and calls that succeeded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from sophia_infra.cost.forecast import DayCost
from sophia_infra.metrics_client.prometheus import PrometheusApi
from sophia_infra.reports.figures import Figure, known, unknown
from sophia_infra.reports.prometheus_facts import NO_GPU_SERIES, gpu_busy

__all__ = ["MAX_DAYS", "GpuHistory", "History", "SloHistory", "no_history", "read_history"]

MAX_DAYS: Final = 400
"""The longest retention that `sophia:kubernetes.monitoring.retention_days` takes."""

_DAY_S: Final = 86_400
_STEP_S: Final = 300
"""Prometheus shows a sample for 5 minutes: with this step no change is missed and no gap is filled."""

_POINTS: Final = 180
_WHOLE: Final = 0.98
_DOLLARS: Final = Decimal("0.0001")
_FLEET: Final = 'sum(max by (owner) (lambda_cloud_usd_per_hour{owner=~"stack|orphan"}))'
_INFERENCE: Final = "sum(increase(lambda_inference_cost_total[WINDOW]))"
_SUCCEEDED: Final = (
    f"1 - sum_over_time(slo:errors:rate5m[WINDOW:{_STEP_S}s]) "
    f"/ (sum_over_time(slo:requests:rate5m[WINDOW:{_STEP_S}s]) > 0)"
)


@dataclass(frozen=True, slots=True)
class GpuHistory:
    """One GPU: (seconds since 1970, percent of time in use), means over equal steps, oldest first."""

    name: str
    model: str
    points: tuple[tuple[float, float], ...]

    @property
    def mean_percent(self) -> float:
        return math.fsum(value for _, value in self.points) / len(self.points)


@dataclass(frozen=True, slots=True)
class SloHistory:
    """Calls of one service: (day, share of its calls that succeeded); days without calls are left out."""

    slo: str
    namespace: str
    service: str
    days: tuple[tuple[date, float], ...]

    @property
    def worst(self) -> tuple[date, float]:
        """The first of the days on which the least succeeded."""
        return min(self.days, key=lambda row: (row[1], row[0]))


@dataclass(frozen=True, slots=True)
class History:
    """The last `days` days, today's part included.

    Attributes:
        cost: dollars of the stack's machines for each day, lost ones included.
        inference: dollars of inference for each day.
        gpus: in the order of their names.
    """

    days: int
    cost: Figure[tuple[DayCost, ...]]
    inference: Figure[tuple[DayCost, ...]]
    gpus: Figure[tuple[GpuHistory, ...]]
    slo: Figure[tuple[SloHistory, ...]]


def no_history(days: int, missing: str) -> History:
    """Nothing is known, for one reason."""
    return History(days, unknown(missing), unknown(missing), unknown(missing), unknown(missing))


def read_history(api: PrometheusApi, now_s: float, days: int) -> History:
    """Ask for the last `days` days (UTC).

    Args:
        now_s: seconds since 1970, on Prometheus' clock.
        days: 1 to 400.

    Raises:
        SourceError: Prometheus gave no result.
        ValueError: `days` is outside.
    """
    if not 1 <= days <= MAX_DAYS:
        raise ValueError(f"{days} days")
    return History(
        days,
        cost=_fleet_cost(api, now_s, days),
        inference=_inference_cost(api, now_s, days),
        gpus=_gpus(api, now_s, days),
        slo=_slo(api, now_s, days),
    )


def _fleet_cost(api: PrometheusApi, now_s: float, days: int) -> Figure[tuple[DayCost, ...]]:
    """The rate, added up over each day: a counter would miss what was spent before it was first seen."""
    sums, counts = _by_day(api, "sum_over_time", now_s, days), _by_day(api, "count_over_time", now_s, days)
    source = f"sophia exporter, by {api.source}: the rate every 5 minutes"
    if not sums:
        return unknown("Prometheus has no series lambda_cloud_usd_per_hour of sophia exporter", source)
    today = _day(now_s)
    rows = []
    for day, total in sorted(sums.items()):
        seconds = now_s - _midnight_s(now_s) if day == today else _DAY_S
        is_whole = day != today and counts.get(day, 0) * _STEP_S >= _WHOLE * seconds
        usd = (Decimal(str(total)) * _STEP_S / 3600).quantize(_DOLLARS)
        rows.append(DayCost(day, usd, is_whole))
    return known(tuple(rows), source, now_s)


def _by_day(api: PrometheusApi, function: str, now_s: float, days: int) -> dict[date, float]:
    """`function` over the fleet's rate, for each day."""
    rows = _daily(api, f"{function}({_FLEET}[WINDOW:{_STEP_S}s])", now_s, days)
    return {day: value for row in rows for day, value in row.days}


@dataclass(frozen=True, slots=True)
class _Daily:
    labels: Mapping[str, str]
    days: tuple[tuple[date, float], ...]


def _daily(api: PrometheusApi, expr: str, now_s: float, days: int) -> tuple[_Daily, ...]:
    """`expr` for each day, WINDOW in it being the day, or today's part so far."""
    midnight_s = _midnight_s(now_s)
    found: dict[tuple[tuple[str, str], ...], dict[date, float]] = {}
    if days > 1:
        # A second before midnight, so that what is sampled at midnight belongs to one day alone.
        start_s, end_s = midnight_s - (days - 2) * _DAY_S - 1, midnight_s - 1
        for row in api.query_range(expr.replace("WINDOW", "1d"), start_s, end_s, _DAY_S):
            of_series = found.setdefault(tuple(sorted(row.labels.items())), {})
            of_series |= {_day(at_s): value for at_s, value in row.points}
    today = f"{int(now_s - midnight_s) + 1}s"
    for sample in api.query(expr.replace("WINDOW", today), now_s):
        if math.isfinite(sample.value):
            found.setdefault(tuple(sorted(sample.labels.items())), {})[_day(now_s)] = sample.value
    return tuple(_Daily(dict(labels), tuple(sorted(rows.items()))) for labels, rows in found.items())


def _inference_cost(api: PrometheusApi, now_s: float, days: int) -> Figure[tuple[DayCost, ...]]:
    found = {day: value for row in _daily(api, _INFERENCE, now_s, days) for day, value in row.days}
    source = f"the gateways, by {api.source}"
    if not found:
        return unknown("Prometheus has no series lambda_inference_cost_total", source)
    today = _day(now_s)
    rows = tuple(
        DayCost(day, Decimal(str(max(0.0, usd))).quantize(_DOLLARS), is_whole=day != today)
        for day, usd in sorted(found.items())
    )
    return known(rows, source, now_s)


def _gpus(api: PrometheusApi, now_s: float, days: int) -> Figure[tuple[GpuHistory, ...]]:
    step_s = max(1, math.ceil(days * _DAY_S / _POINTS / _STEP_S)) * _STEP_S
    series = api.query_range(
        gpu_busy(f"{step_s}s"),
        now_s - days * _DAY_S + step_s,
        now_s,
        step_s,
    )
    source = f"dcgm-exporter, by {api.source}: means of {step_s // 60} minutes"
    rows = [
        GpuHistory(_gpu_name(row.labels), row.labels.get("modelName", "?"), row.points)
        for row in series
        if row.points
    ]
    if not rows:
        return unknown(NO_GPU_SERIES, source)
    return known(tuple(sorted(rows, key=lambda row: row.name)), source, now_s)


def _slo(api: PrometheusApi, now_s: float, days: int) -> Figure[tuple[SloHistory, ...]]:
    source = f"{api.source}: rates every 5 minutes"
    rows = [
        SloHistory(
            slo=row.labels.get("slo", "?"),
            namespace=row.labels.get("namespace", "?"),
            service=row.labels.get("service", "?"),
            days=row.days,
        )
        for row in _daily(api, _SUCCEEDED, now_s, days)
    ]
    if not rows:
        return unknown(
            "Prometheus has no series slo:requests:rate5m: are the rules of this project loaded?", source
        )
    return known(tuple(sorted(rows, key=lambda row: (row.slo, row.namespace, row.service))), source, now_s)


def _gpu_name(labels: Mapping[str, str]) -> str:
    return f"{labels.get('node', '?')} GPU {labels.get('gpu', '?')}"


def _midnight_s(now_s: float) -> int:
    return int(now_s) // _DAY_S * _DAY_S


def _day(at_s: float) -> date:
    return datetime.fromtimestamp(at_s, UTC).date()
