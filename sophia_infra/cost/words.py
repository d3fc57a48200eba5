"""The sentences of a cost report: one wording for the terminal, the pull request and the JSON document."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from sophia_infra.cost.changes import Action, Machine
from sophia_infra.cost.judgement import BudgetCheck, QuotaCheck
from sophia_infra.cost.report import CostReport
from sophia_infra.cost.rows import CostRow
from sophia_infra.model.catalogue import human_instance_type
from sophia_infra.model.launch_choice import LaunchChoice
from sophia_infra.model.money import HOURS_PER_MONTH, format_usd

__all__ = [
    "budget_lines",
    "capacity_word",
    "findings",
    "format_signed_usd",
    "headline",
    "machine_words",
    "notes",
    "overlap_words",
    "percent_words",
    "phase_words",
    "price_day_words",
    "price_source_lines",
    "unpriced_lines",
]


def format_signed_usd(usd: Decimal) -> str:
    """`+$1.99`, `-$1.99`, `$0.00`."""
    return f"+{format_usd(usd)}" if usd > 0 else format_usd(usd)


def headline(report: CostReport) -> str:
    """`+$1.99/h (+$1,432.80/month) -> $9.34/h, 112 % of budget`; stable, one line."""
    totals = report.totals
    change = (
        f"{format_signed_usd(totals.difference_usd_per_hour)}/h "
        f"({format_signed_usd(totals.difference_usd_per_month)}/month)"
    )
    if report.left_out:
        return f"{change}; {report.left_out} unchanged resources are not in the plan"
    now = f"{change} -> {format_usd(totals.after_usd_per_hour)}/h"
    if report.budget is None:
        return f"{now}, no budget given"
    text = f"{now}, {percent_words(report.budget.percent(report.budget.after))} of budget"
    if report.budget.highest != report.budget.after:
        text += f" ({percent_words(report.budget.percent(report.budget.highest))} with the dearest fallbacks)"
    return text


def percent_words(percent: Decimal) -> str:
    """Whole percent; with decimals where rounding would hide on which side of 100 it is."""
    whole = percent.quantize(Decimal(1), ROUND_HALF_UP)
    if whole == 100 and percent != 100:
        return "just over 100 %" if percent > 100 else "just under 100 %"
    return f"{whole} %"


def machine_words(row: CostRow) -> str:
    """`1xA10`, or `1xA10 -> 1xA6000` for a replacement by another type; with `+` where fallbacks exist."""
    after = f"{_type(row.after)}{' +' if row.after and row.after.fallbacks else ''}" if row.after else ""
    if row.before is None or row.after is None:
        return after or _type(row.before)
    return after if row.before.instance_type == row.after.instance_type else f"{_type(row.before)} -> {after}"


def phase_words(phase: str) -> str:
    """The label of a group of `by_phase`: `phase 1`, or `not in the stack file`."""
    return f"phase {phase}" if phase.isdecimal() else phase


def region_words(row: CostRow) -> str:
    """The region, or `old -> new`."""
    regions = dict.fromkeys(machine.region for machine in (row.before, row.after) if machine)
    return " -> ".join(regions)


def price_day_words(row: CostRow) -> str:
    """The day of the row's price, or of both where they differ; `price_source_lines` names the sources."""
    prices = [price for price in (row.price_before, row.price_after) if price is not None]
    return ", ".join(dict.fromkeys(price.as_of.isoformat() for price in prices))


def action_words(row: CostRow) -> str:
    """The action, and the order of a replacement."""
    if row.action is Action.REPLACE:
        return f"replace, {row.order.replace('_', ' ')}" if row.order else "replace, order not in the plan"
    return row.action.value


def range_words(row: CostRow) -> str:
    """`$1.29` or, with fallbacks of other prices, `$1.29 ($1.29-$1.99)`."""
    usd = format_usd(row.after_usd_per_hour)
    if row.lowest_usd_per_hour == row.highest_usd_per_hour:
        return usd
    return f"{usd} ({format_usd(row.lowest_usd_per_hour)}-{format_usd(row.highest_usd_per_hour)})"


def capacity_word(row: CostRow) -> str:
    """`listed`, `only <fallback>`, `none`, `not asked`, or nothing where nothing is launched."""
    if not row.launches:
        return ""
    if row.capacity is None:
        return "not asked"
    if row.capacity.at is None:
        return "none"
    return "listed" if row.capacity.is_declared else f"only {_choice(row.capacity.at)}"


def overlap_words(row: CostRow) -> str:
    """What a replacement costs or interrupts, as a sentence; empty for other rows."""
    if row.action is not Action.REPLACE:
        return ""
    if row.overlap is None:
        return (
            f"{row.name}: the plan does not say in which order it replaces, so the overlap is in no figure."
            if row.launches
            else ""
        )
    if row.order == "terminate_first":
        return f"{row.name}: off for about {row.overlap.minutes} between the old machine and the new one."
    return (
        f"{row.name}: both machines are billed for about {row.overlap.minutes}, "
        f"{format_usd(row.overlap.usd_low)} to {format_usd(row.overlap.usd_high)} once."
    )


def budget_lines(report: CostReport) -> list[str]:
    """The budget beside the rate, and how long it lasts."""
    budget = report.budget
    if budget is None:
        return ["Budget: none given."]
    limit = budget.terms.limit
    lines = [
        f"Budget {limit} ({budget.terms.source}): {percent_words(budget.percent(budget.before))} before, "
        f"{percent_words(budget.percent(budget.after))} after"
        + (
            ""
            if budget.highest == budget.after
            else f", {percent_words(budget.percent(budget.highest))} with the dearest fallbacks "
            f"({format_usd(budget.highest)}/h)"
        )
        + "."
    ]
    if report.left_out or budget.hours_left is None:
        return lines
    if limit.period != "month":
        lines.append(f"The budget of one {_PERIOD_WORDS[limit.period]} lasts {budget.hours_per_period} h.")
    lines.append(_month_line(budget))
    return lines


_PERIOD_WORDS = {"h": "hour", "day": "day", "month": "month"}


def _month_line(budget: BudgetCheck) -> str:
    month = f"The month's budget of {format_usd(budget.terms.limit.usd_per_month)} ({HOURS_PER_MONTH} h)"
    if budget.spent is None:
        return f"{month} lasts {budget.hours_left} h at this rate, counted from now."
    text = (
        f"{month}: {format_usd(budget.spent.usd)} spent since {budget.spent.since.date().isoformat()} by "
        f"what runs now; the rest lasts {budget.hours_left} h at this rate."
    )
    if budget.spent.unknown:
        text += f" Launch unknown, counted from the first: {', '.join(budget.spent.unknown)}."
    return text


def findings(report: CostReport) -> list[str]:
    """Everything for which the exit code is not 0, each as one sentence; budget, quota, capacity."""
    found = []
    budget = report.budget
    if budget is not None and budget.is_over:
        found.append(
            f"Over budget: {format_usd(budget.after)}/h is {percent_words(budget.percent(budget.after))} of "
            f"{budget.terms.limit}."
        )
    elif budget is not None and budget.is_over_at_worst:
        found.append(
            f"Over budget if the dearest fallbacks are taken: {format_usd(budget.highest)}/h is "
            f"{percent_words(budget.percent(budget.highest))} of {budget.terms.limit}."
        )
    found += [_quota_sentence(check) for check in report.over_quota]
    found += [
        f"No capacity now: {row.name} needs {_choices(row.after.choices)}."
        for row in report.without_capacity
        if row.after is not None
    ]
    return found


def notes(report: CostReport) -> list[str]:
    """What else to know: overlaps, adopted machines, alerts, quotas that are kept, what capacity means."""
    lines = [words for row in report.rows if (words := overlap_words(row))]
    low, high = report.overlap_usd
    if high > 0 and sum(row.overlap is not None for row in report.rows) > 1:
        lines.append(f"All replacements together cost {format_usd(low)} to {format_usd(high)} once.")
    if report.adopted_usd_per_hour:
        lines.append(
            f"{format_usd(report.adopted_usd_per_hour)}/h of the difference is billed already: "
            "adopted machines run."
        )
    gone = [row.name for row in report.rows if row.action is Action.GONE]
    if gone:
        lines.append(f"In the state, but no longer running and no longer billed: {', '.join(gone)}.")
    budget = report.budget
    if budget is not None and budget.is_alert and not report.is_over_budget:
        lines.append(f"From {budget.terms.alert_percent} % of the budget on, this is a warning.")
    kept = [check for check in report.quota if not check.is_over]
    if kept:
        lines.append("Quota: " + ", ".join(f"{c.after} of {c.limit} {_what(c)}" for c in kept) + ".")
    if any(row.launches for row in report.rows):
        lines.append(
            "A listed capacity reserves nothing: a launch may still be refused."
            if report.asked_capacity
            else "Capacity was not asked for."
        )
    return lines


NAMED_AT_MOST = 12
"""More resources than this that are unpriced for one reason are counted, not named."""


def unpriced_lines(report: CostReport) -> list[str]:
    """What is in no figure, and what never is. Resources of one reason share a line; many are counted."""
    by_reason: dict[str, dict[str, list[str]]] = {}
    for item in report.unpriced:
        by_reason.setdefault(item.reason, {}).setdefault(item.kind, []).append(item.name)
    lines: list[str] = []
    for reason, by_kind in by_reason.items():
        if sum(map(len, by_kind.values())) > NAMED_AT_MOST:
            counts = ", ".join(f"{len(names)} {kind}" for kind, names in sorted(by_kind.items()))
            lines.append(f"{counts}: {reason}.")
        else:
            lines += [
                f"{kind} {', '.join(sorted(names))}: {reason}." for kind, names in sorted(by_kind.items())
            ]
    return [*sorted(lines), *report.always_unpriced]


def price_source_lines(report: CostReport) -> list[str]:
    """Each source of prices in use, with its day."""
    return [f"Prices of {price.as_of.isoformat()}: {price.source}" for price in report.price_sources]


def _quota_sentence(check: QuotaCheck) -> str:
    what = _what(check)
    if check.is_over_afterwards:
        return (
            f"Over quota: {check.after} {what}; the account may run {check.limit} (before: {check.before})."
        )
    return (
        f"Over quota during the update: {check.peak} {what} at once, and the account may run {check.limit}; "
        "old machines end last. Use replace_order terminate_first, or two updates."
    )


def _what(check: QuotaCheck) -> str:
    return {"instances": "instances", "gpus": "GPUs"}.get(check.what, human_instance_type(check.what))


def _type(machine: Machine | None) -> str:
    return human_instance_type(machine.instance_type) if machine else ""


def _choice(choice: LaunchChoice) -> str:
    return f"{human_instance_type(choice.instance_type)} in {choice.region}"


def _choices(choices: Iterable[LaunchChoice]) -> str:
    return ", or ".join(_choice(choice) for choice in choices)
