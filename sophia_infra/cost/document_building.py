"""Fill in the document of a cost report (see `sophia_infra.cost.document`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from sophia_infra.cost import words
from sophia_infra.cost.boot import Minutes, gpu_model
from sophia_infra.cost.changes import Machine
from sophia_infra.cost.document import (
    SCHEMA_VERSION,
    BudgetDocument,
    CostDocument,
    MachineDocument,
    MinutesDocument,
    PriceDocument,
    RowDocument,
    TotalsDocument,
)
from sophia_infra.cost.judgement import BudgetCheck
from sophia_infra.cost.prices import Price
from sophia_infra.cost.report import CostReport
from sophia_infra.cost.rows import CostRow
from sophia_infra.cost.totals import Totals
from sophia_infra.model.money import HOURS_PER_MONTH

__all__ = ["build_document"]


def build_document(
    report: CostReport,
    *,
    exit_code: int,
    notices: Iterable[str] = (),
    changes: Mapping[str, int] | None = None,
) -> CostDocument:
    """The document of `report`; `notices` go in front of its notes."""
    low, high = report.overlap_usd
    return {
        "schema_version": SCHEMA_VERSION,
        "stack": report.terms.stack,
        "phase": report.terms.phase,
        "hours_per_month": HOURS_PER_MONTH,
        "headline": words.headline(report),
        "rows": [_row(row) for row in report.rows],
        "totals": _totals(report.totals),
        "by_phase": _group(report.grouped.by_phase),
        "by_region": _group(report.grouped.by_region),
        "by_gpu": _group(report.grouped.by_gpu),
        "overlap_usd_low": _usd(low),
        "overlap_usd_high": _usd(high),
        "adopted_usd_per_hour": _usd(report.adopted_usd_per_hour),
        "left_out": report.left_out,
        "budget": None if report.budget is None else _budget(report.budget),
        "quota": [
            {
                "what": check.what,
                "limit": check.limit,
                "before": check.before,
                "after": check.after,
                "peak": check.peak,
                "over": check.is_over,
            }
            for check in report.quota
        ],
        "unpriced": [{"name": i.name, "kind": i.kind, "reason": i.reason} for i in report.unpriced],
        "prices": [_price(price) for price in report.price_sources],
        "findings": words.findings(report),
        "notes": [*notices, *words.notes(report), *words.unpriced_lines(report)],
        "exit_code": exit_code,
        "changes": dict(changes or {}),
    }


def _row(row: CostRow) -> RowDocument:
    capacity = row.capacity
    return {
        "name": row.name,
        "action": row.action.value,
        "phase": row.phase,
        "adopted": row.is_adopted,
        "before": _machine(row.before, row.price_before),
        "after": _machine(row.after, row.price_after),
        "before_usd_per_hour": _usd(row.before_usd_per_hour),
        "after_usd_per_hour": _usd(row.after_usd_per_hour),
        "difference_usd_per_hour": _usd(row.difference_usd_per_hour),
        "difference_usd_per_month": _usd(row.difference_usd_per_month),
        "lowest_usd_per_hour": _usd(row.lowest_usd_per_hour),
        "highest_usd_per_hour": _usd(row.highest_usd_per_hour),
        "fallbacks": [
            {"instance_type": choice.instance_type, "region": choice.region}
            for choice in (row.after.fallbacks if row.after else ())
        ],
        "replace_order": row.order,
        "replaced_because": list(row.reasons),
        "overlap": None
        if row.overlap is None
        else {
            "minutes": _minutes(row.overlap.minutes),
            "usd_low": _usd(row.overlap.usd_low),
            "usd_high": _usd(row.overlap.usd_high),
        },
        "boot_minutes": None if row.boot is None else _minutes(row.boot),
        "capacity_now": None
        if capacity is None
        else {
            "listed": capacity.is_listed,
            "instance_type": capacity.at.instance_type if capacity.at else None,
            "region": capacity.at.region if capacity.at else None,
        },
    }


def _machine(machine: Machine | None, price: Price | None) -> MachineDocument | None:
    if machine is None or price is None:
        return None
    return {
        "instance_type": machine.instance_type,
        "region": machine.region,
        "gpu": gpu_model(machine.instance_type),
        "price": _price(price),
    }


def _price(price: Price) -> PriceDocument:
    return {
        "usd_per_hour": _usd(price.usd_per_hour),
        "as_of": price.as_of.isoformat(),
        "source": price.source,
    }


def _minutes(minutes: Minutes) -> MinutesDocument:
    return {"low": minutes.low, "high": minutes.high}


def _group(totals: Mapping[str, Totals]) -> dict[str, TotalsDocument]:
    return {key: _totals(value) for key, value in totals.items()}


def _totals(totals: Totals) -> TotalsDocument:
    return {
        "instances_before": totals.instances_before,
        "instances_after": totals.instances_after,
        "gpus_before": totals.gpus_before,
        "gpus_after": totals.gpus_after,
        "before_usd_per_hour": _usd(totals.before_usd_per_hour),
        "after_usd_per_hour": _usd(totals.after_usd_per_hour),
        "difference_usd_per_hour": _usd(totals.difference_usd_per_hour),
        "highest_usd_per_hour": _usd(totals.highest_usd_per_hour),
        "before_usd_per_month": _usd(totals.before_usd_per_month),
        "after_usd_per_month": _usd(totals.after_usd_per_month),
        "difference_usd_per_month": _usd(totals.difference_usd_per_month),
    }


def _budget(budget: BudgetCheck) -> BudgetDocument:
    spent = budget.spent
    return {
        "limit": str(budget.terms.limit),
        "limit_usd_per_month": _usd(budget.terms.limit.usd_per_month),
        "alert_percent": budget.terms.alert_percent,
        "source": budget.terms.source,
        "percent_before": _tenth(budget.percent(budget.before)),
        "percent_after": _tenth(budget.percent(budget.after)),
        "percent_highest": _tenth(budget.percent(budget.highest)),
        "over": budget.is_over,
        "over_at_highest": budget.is_over_at_worst,
        "alert": budget.is_alert,
        "hours_per_period": _text(budget.hours_per_period),
        "hours_left": _text(budget.hours_left),
        "spent_usd": None if spent is None else _usd(spent.usd),
        "spent_since": None if spent is None else spent.since.date().isoformat(),
    }


def _usd(usd: Decimal) -> str:
    """At least two decimals, and never an exponent."""
    whole, _, cents = f"{usd:f}".partition(".")
    return f"{whole}.{cents:0<2}"


def _tenth(percent: Decimal) -> str:
    return f"{percent:.1f}"


def _text(hours: Decimal | None) -> str | None:
    return None if hours is None else f"{hours:f}"
