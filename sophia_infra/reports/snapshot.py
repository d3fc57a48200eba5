"""All that is known of a stack at one moment, each figure with its source and age, as values and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sophia_infra.cost.forecast import DayCost, Interval, MonthForecast, forecast_month
from sophia_infra.reports.figures import Figure, known, unknown, utc_text
from sophia_infra.reports.fleet import OWNERS, Fleet, Machine
from sophia_infra.reports.inference_facts import Inference
from sophia_infra.reports.prometheus_facts import Alert, GpuUse, Month
from sophia_infra.reports.slo_facts import Slos

__all__ = [
    "BudgetTerms",
    "Snapshot",
    "forecast_of",
    "higher_month",
    "month_of_days",
    "month_of_fleet",
    "with_history",
]


@dataclass(frozen=True, slots=True)
class BudgetTerms:
    """The budget of the stack file. A month has 720 h, as everywhere in this project."""

    usd_per_month: Decimal
    alert_percent: int

    def percent(self, usd_per_month: Decimal) -> Decimal:
        """`usd_per_month` in percent of the budget."""
        return usd_per_month * 100 / self.usd_per_month


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One stack at one moment.

    Attributes:
        stack: its name.
        taken_at_s: seconds since 1970 on this machine's clock.
        month: what the stack has spent since the first; `forecast`: what it will have spent.
        slo: services with an objective, the least budget first.
        trouble: why a figure that was asked for is not new: sources that failed in this round.
    """

    stack: str
    taken_at_s: float
    budget: BudgetTerms
    fleet: Figure[Fleet]
    month: Figure[Month]
    forecast: Figure[MonthForecast]
    inference: Inference
    gpus: Figure[tuple[GpuUse, ...]]
    slo: Figure[Slos]
    alerts: Figure[tuple[Alert, ...]]
    trouble: tuple[str, ...] = ()

    @property
    def usd_per_hour(self) -> Decimal | None:
        """What the stack's machines cost now, those it lost included; None when it is not known."""
        return None if self.fleet.value is None else self.fleet.value.usd_per_hour("stack", "orphan")

    @property
    def strays(self) -> tuple[Machine, ...]:
        """Machines that cost money and that no stack file asks for."""
        return () if self.fleet.value is None else self.fleet.value.strays

    def firing(self, *severities: str) -> tuple[Alert, ...]:
        """Alerts that fire, of these severities; empty also when they are not known."""
        return tuple(row for row in self.alerts.value or () if row.is_firing and row.severity in severities)

    def unknowns(self) -> Mapping[str, tuple[str, ...]]:
        """Reason -> what is not known for it."""
        figures: tuple[tuple[str, Figure[Any]], ...] = (
            ("machines and their dollars", self.fleet),
            ("dollars of the month", self.month),
            ("forecast of the month", self.forecast),
            ("inference calls a second", self.inference.calls_per_s),
            ("time of an inference call", self.inference.p95_s),
            ("time to the first token", self.inference.first_token_p95_s),
            ("inference dollars an hour", self.inference.usd_per_hour),
            ("inference queue", self.inference.queue_length),
            ("inference budget used", self.inference.budget_use_ratio),
            ("inference backends", self.inference.backends),
            ("GPU utilisation", self.gpus),
            ("service level objectives", self.slo),
            ("alerts", self.alerts),
        )
        found: dict[str, tuple[str, ...]] = {}
        for name, figure in figures:
            if not figure.is_known:
                found[figure.missing] = (*found.get(figure.missing, ()), name)
        return found

    def as_json(self) -> dict[str, Any]:
        """The document of `sophia monitor --once --json`, described there."""
        return {
            "stack": self.stack,
            "taken_at": utc_text(self.taken_at_s),
            "budget": {
                "usd_per_month_720h": f"{self.budget.usd_per_month.normalize():f}",
                "alert_percent": self.budget.alert_percent,
            },
            "fleet": self.fleet.as_json(_fleet_json),
            "month": self.month.as_json(Month.as_json),
            "forecast": self.forecast.as_json(_forecast_json),
            "inference": self.inference.as_json(),
            "gpus": self.gpus.as_json(lambda rows: [row.as_json() for row in rows]),
            "slo": self.slo.as_json(Slos.as_json),
            "alerts": self.alerts.as_json(lambda rows: [row.as_json() for row in rows]),
            "trouble": list(self.trouble),
        }


def month_of_fleet(fleet: Figure[Fleet]) -> Figure[Month]:
    """The month's dollars by the launch times of what still runs: at least so much."""
    if fleet.value is None or fleet.at_s is None:
        return unknown(fleet.missing, fleet.source)
    usd = fleet.value.month_usd["stack"] + fleet.value.month_usd["orphan"]
    return known(Month(usd, is_complete=False), f"{fleet.source}, launch tags", fleet.at_s)


def month_of_days(cost: Figure[tuple[DayCost, ...]]) -> Figure[Month]:
    """The month's dollars by adding up its days; complete when all of them but today were watched whole."""
    if cost.value is None or cost.at_s is None:
        return unknown(cost.missing, cost.source)
    today = datetime.fromtimestamp(cost.at_s, UTC).date()
    days = [row for row in cost.value if row.day >= today.replace(day=1)]
    usd = sum((row.usd for row in days), Decimal(0)).quantize(Decimal("0.01"))
    is_complete = len(days) == today.day and all(row.is_whole for row in days if row.day < today)
    return known(Month(usd, is_complete), cost.source, cost.at_s)


def higher_month(month: Figure[Month], other: Figure[Month]) -> Figure[Month]:
    """A complete one; of two that say `at least` the one that says more."""
    if other.value is None or (month.value is not None and month.value.is_complete):
        return month
    if month.value is None or other.value.is_complete:
        return other
    return other if other.value.usd > month.value.usd else month


def forecast_of(
    month: Figure[Month], fleet: Figure[Fleet], days: tuple[DayCost, ...] = ()
) -> Figure[MonthForecast]:
    """The month's forecast from what is spent, what runs, and the days that are on record.

    Args:
        days: daily dollars of the stack, on the clock that `month` is of.
    """
    if month.value is None or month.at_s is None:
        return unknown(f"the month's dollars are not known: {month.missing}", month.source)
    if fleet.value is None:
        return unknown(f"what runs is not known: {fleet.missing}", fleet.source)
    now = datetime.fromtimestamp(month.at_s, UTC)
    forecast = forecast_month(
        tuple(row for row in days if row.day <= now.date()),
        now,
        fleet.value.usd_per_hour("stack", "orphan"),
        spent_usd=month.value.usd,
    )
    return known(forecast, f"computed from {month.source}", month.at_s)


def with_history(snapshot: Snapshot, cost: Figure[tuple[DayCost, ...]]) -> Snapshot:
    """The snapshot with what the days on record say of the month and of its end."""
    month = higher_month(snapshot.month, month_of_days(cost))
    return replace(snapshot, month=month, forecast=forecast_of(month, snapshot.fleet, cost.value or ()))


def _fleet_json(fleet: Fleet) -> dict[str, Any]:
    return {
        "machines": [machine.as_json() for machine in fleet.machines],
        "missing": list(fleet.missing),
        "usd_per_hour": {owner: str(fleet.usd_per_hour(owner)) for owner in OWNERS},
        "month_usd": {owner: str(fleet.month_usd[owner]) for owner in OWNERS},
        "launch_not_recorded": list(fleet.unrecorded),
    }


def _forecast_json(forecast: MonthForecast) -> dict[str, Any]:
    return {
        "spent_usd": str(forecast.spent_usd),
        "expected_usd": str(forecast.expected_usd),
        "interval_80_usd": _interval_json(forecast.interval_80),
        "interval_95_usd": _interval_json(forecast.interval_95),
        "method": forecast.method,
    }


def _interval_json(interval: Interval | None) -> list[str] | None:
    return None if interval is None else [str(interval.low_usd), str(interval.high_usd)]
