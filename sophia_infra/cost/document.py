"""A cost report as one JSON document. These types are its documentation: `cost_report.schema.json` is made
from them by `python -m sophia_infra.cost.schema`.

Money is decimal text in US dollars, never a JSON number: a reader's float would not be exact. A month is
720 h.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple, TypedDict

from sophia_infra.cost import words
from sophia_infra.cost.boot import Minutes, gpu_model
from sophia_infra.cost.changes import Machine
from sophia_infra.cost.judgement import BudgetCheck
from sophia_infra.cost.prices import Price
from sophia_infra.cost.report import CostReport
from sophia_infra.cost.rows import CostRow
from sophia_infra.cost.totals import Totals
from sophia_infra.model.money import HOURS_PER_MONTH

__all__ = ["SCHEMA_VERSION", "CostDocument", "Keyword", "build_document"]

SCHEMA_VERSION: Literal[1] = 1


class Keyword(NamedTuple):
    """A JSON schema keyword, kept beside the type that it narrows."""

    name: str
    value: str


Usd = Annotated[str, Keyword("pattern", r"^-?[0-9]+(\.[0-9]+)?$"), "US dollars as decimal text."]
Day = Annotated[str, Keyword("format", "date"), "YYYY-MM-DD."]


class MinutesDocument(TypedDict):
    """Whole minutes, from and to."""

    low: int
    high: int


class PriceDocument(TypedDict):
    """List price of one instance."""

    usd_per_hour: Usd
    as_of: Day
    source: Annotated[str, "Where the price was read."]


class MachineDocument(TypedDict):
    """A machine as it is billed."""

    instance_type: Annotated[str, "API name, such as gpu_1x_gh200."]
    region: str
    gpu: Annotated[str, "GPU model, or `no GPU`."]
    price: PriceDocument


class OverlapDocument(TypedDict):
    """What a replacement costs once (launch_first), or how long nothing runs (terminate_first: 0 dollars)."""

    minutes: MinutesDocument
    usd_low: Usd
    usd_high: Usd


class CapacityDocument(TypedDict):
    """The live list for a launch: the first choice that it has room for. Nothing is reserved."""

    listed: bool
    instance_type: Annotated[str | None, "null when no choice is listed."]
    region: Annotated[str | None, "null when no choice is listed."]


class FallbackDocument(TypedDict):
    """What a launch may take instead."""

    instance_type: str
    region: str


class RowDocument(TypedDict):
    """One machine before and after."""

    name: str
    action: Literal["create", "adopt", "same", "update", "replace", "delete", "gone"]
    phase: Annotated[int | None, "null when the stack file no longer has it, or is not known."]
    adopted: Annotated[bool, "Not launched by the stack."]
    before: Annotated[MachineDocument | None, "null when it does not exist before."]
    after: Annotated[MachineDocument | None, "null when it does not exist after."]
    before_usd_per_hour: Usd
    after_usd_per_hour: Usd
    difference_usd_per_hour: Usd
    difference_usd_per_month: Usd
    lowest_usd_per_hour: Annotated[Usd, "After, with the cheapest of its fallbacks."]
    highest_usd_per_hour: Annotated[Usd, "After, with the dearest of its fallbacks."]
    fallbacks: list[FallbackDocument]
    replace_order: Annotated[
        Literal["launch_first", "terminate_first"] | None,
        "Of a replacement; null when the plan does not say.",
    ]
    replaced_because: Annotated[list[str], "Properties that force the replacement."]
    overlap: Annotated[OverlapDocument | None, "null for all but replacements."]
    boot_minutes: Annotated[MinutesDocument | None, "null when nothing is launched."]
    capacity_now: Annotated[CapacityDocument | None, "null when nothing is launched or nobody was asked."]


class TotalsDocument(TypedDict):
    """A sum of rows."""

    instances_before: int
    instances_after: int
    gpus_before: int
    gpus_after: int
    before_usd_per_hour: Usd
    after_usd_per_hour: Usd
    difference_usd_per_hour: Usd
    highest_usd_per_hour: Annotated[Usd, "After, with every fallback at its dearest."]
    before_usd_per_month: Usd
    after_usd_per_month: Usd
    difference_usd_per_month: Usd


class BudgetDocument(TypedDict):
    """The run rate beside the budget."""

    limit: Annotated[str, "As written: $200/day."]
    limit_usd_per_month: Usd
    alert_percent: int
    source: str
    percent_before: Annotated[Usd, "Percent, decimal text."]
    percent_after: Annotated[Usd, "Percent, decimal text."]
    percent_highest: Annotated[Usd, "Percent with the dearest fallbacks, decimal text."]
    over: Annotated[bool, "At the declared types."]
    over_at_highest: Annotated[bool, "With the dearest fallbacks."]
    alert: bool
    hours_per_period: Annotated[
        Usd | None, "Hours the limit of one period lasts; null when nothing is billed."
    ]
    hours_left: Annotated[
        Usd | None, "Hours until the month's budget is used up; null when nothing is billed."
    ]
    spent_usd: Annotated[Usd | None, "This month by what runs now; null when the account was not asked."]
    spent_since: Annotated[Day | None, "null when the account was not asked."]


class QuotaDocument(TypedDict):
    """One stated limit of the account."""

    what: Annotated[str, "instances, gpus, or an instance type."]
    limit: int
    before: int
    after: int
    peak: Annotated[int, "The most at one moment of the update."]
    over: bool


class UnpricedDocument(TypedDict):
    """A resource in no figure."""

    name: str
    kind: str
    reason: str


class CostDocument(TypedDict):
    """What a plan costs: the output of `sophia preview --json` and `sophia cost diff --json`."""

    schema_version: Annotated[Literal[1], "Raised when a reader would have to change."]
    stack: Annotated[str | None, "null when the file does not name it."]
    phase: Annotated[int | None, "The phase in force; null when not known."]
    hours_per_month: int
    headline: str
    rows: list[RowDocument]
    totals: TotalsDocument
    by_phase: dict[str, TotalsDocument]
    by_region: dict[str, TotalsDocument]
    by_gpu: dict[str, TotalsDocument]
    overlap_usd_low: Annotated[Usd, "Once, all replacements together."]
    overlap_usd_high: Annotated[Usd, "Once, all replacements together."]
    adopted_usd_per_hour: Annotated[Usd, "Part of the difference that is billed already."]
    left_out: Annotated[int, "Unchanged resources that the plan does not list; totals are whole only at 0."]
    budget: Annotated[BudgetDocument | None, "null without a budget."]
    quota: list[QuotaDocument]
    unpriced: list[UnpricedDocument]
    prices: Annotated[list[PriceDocument], "One price of each source in use, newest first."]
    findings: Annotated[list[str], "Why the exit code is not 0; empty when it is."]
    notes: list[str]
    exit_code: Annotated[
        int, "0 fine, 2 over budget, 3 over quota, 4 no capacity; the smallest that applies."
    ]
    changes: Annotated[dict[str, int], "The engine's count of resources by operation; empty from a file."]


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
