"""A cost report as one JSON document. These types are its documentation: `cost_report.schema.json` is made
from them by `python -m sophia_infra.cost.schema`.

Money is decimal text in US dollars, never a JSON number: a reader's float would not be exact. A month is
720 h.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, TypedDict

__all__ = [
    "SCHEMA_VERSION",
    "BudgetDocument",
    "CostDocument",
    "Keyword",
    "MachineDocument",
    "MinutesDocument",
    "PriceDocument",
    "RowDocument",
    "TotalsDocument",
]

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
