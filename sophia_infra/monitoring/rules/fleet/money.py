"""Rules about the dollars of the fleet against its budget.

Sums count machines of the stack and its orphans: both are paid for by whoever set the budget. Machines of
nobody have alarms of their own, those of other stacks have budgets of their own.

Why not the factors of the SRE workbook. An error budget is spent at nearly 0 on a good day; a fleet that is
planned well spends its dollars at 0.8 to 1.0 times the budget every hour, and cannot spend them much faster:
8 forgotten A100 beside the five machines of stack `local` are 2.8 times its $200 a day, so a page at 6 or
14.4 times would never come. But the pace of a fleet is also steady where errors come in bursts, so a small
excess is no noise. The factors here are chosen by what is lost, above the budget, until somebody hears of it:

    tier    windows      factor  lost until it fires   of a month   at $200 a day
    page    1 h, 5 min    2      1 h of budget         0.14 %       $8.33
    page    6 h, 30 min   1.5    3 h                   0.42 %       $25
    ticket  1 d, 2 h      1.25   6 h                   0.83 %       $50
    ticket  3 d, 6 h      1.1    7.2 h                 1 %          $60

A fleet exactly at its budget burns 1.0 and is silent. Burn is the increase of the counters of dollars, so it
also sees machines that come and go between two looks; `FleetFarOverBudget` looks at the present run rate and
comes first, within minutes.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from sophia_infra.monitoring.rule import Alert, Recording, RuleGroup, duration
from sophia_infra.monitoring.rules.fleet.texts import PERCENT, USD, USD_ROUND, VALUE_USD, asked
from sophia_infra.monitoring.slo import BurnWindow, burn_condition
from sophia_infra.monitoring.terms import Terms

__all__ = ["BURN_WINDOWS_S", "FAR_OVER", "OWN", "PAGE", "TICKET", "groups"]

OWN: Final = 'owner=~"stack|orphan"'
"""Machines whose dollars count against the budget of the stack."""

FAR_OVER: Final = Decimal("1.5")
"""Times the budget from which somebody is woken. Replacing one machine, which doubles it, stays below."""

PAGE: Final = (BurnWindow(Decimal(2), 3_600, 300), BurnWindow(Decimal("1.5"), 21_600, 1_800))
TICKET: Final = (BurnWindow(Decimal("1.25"), 86_400, 7_200), BurnWindow(Decimal("1.1"), 259_200, 21_600))
BURN_WINDOWS_S: Final = tuple(
    sorted({seconds for window in (*PAGE, *TICKET) for seconds in (window.long_s, window.short_s)})
)

_RATE: Final = "fleet:usd_per_hour:sum"
_BUDGET: Final = "fleet:budget_usd_per_hour:max"
_DAY: Final = asked(f"{_RATE} * 24", USD_ROUND)
_OF_BUDGET: Final = asked(f"{_RATE} / {_BUDGET}", PERCENT)
_HOURLY_BUDGET: Final = asked(_BUDGET, USD)


def groups(terms: Terms) -> tuple[RuleGroup, ...]:
    """Nothing without the exporter."""
    if not terms.has_exporter:
        return ()
    alerts = (*_run_rate_alerts(), *_burn_alerts(), *_month_alerts())
    return (RuleGroup("fleet-money", (*_totals(), *_burn(), *alerts)),)


def _totals() -> tuple[Recording, ...]:
    # max first: while one exporter takes over from another, both are scraped.
    def own(metric: str) -> str:
        return f"sum(max by (owner) ({metric}{{{OWN}}}))"

    return (
        Recording(_RATE, own("lambda_cloud_usd_per_hour")),
        Recording(_BUDGET, "max(lambda_cloud_budget_usd_per_hour)"),
        Recording("fleet:budget_usd_per_month:max", "max(lambda_cloud_budget_usd_per_month)"),
        Recording("fleet:month_spent_usd:sum", own("lambda_cloud_month_spent_usd")),
        Recording("fleet:month_forecast_usd:sum", own("lambda_cloud_month_forecast_usd")),
    )


def _burn() -> tuple[Recording, ...]:
    """Dollars of a window divided by the budget's share of it: 1 is exactly at budget."""
    return tuple(
        Recording(
            _burn_name(seconds),
            f"sum(increase(lambda_cloud_instance_cost_usd_total{{{OWN}}}[{duration(seconds)}]))"
            f" / ({_BUDGET} * {_hours(seconds)})",
        )
        for seconds in BURN_WINDOWS_S
    )


def _run_rate_alerts() -> tuple[Alert, ...]:
    summary = (
        f"The fleet costs {VALUE_USD}/h, {_DAY} a day: {_OF_BUDGET} of its budget of {_HOURLY_BUDGET}/h."
    )
    return (
        Alert(
            name="FleetOverBudget",
            expr=f"{_RATE} > {_BUDGET}",
            for_s=1_800,
            severity="warning",
            owner="platform",
            summary=summary,
            description="At this rate the month costs more than its budget. `sophia status` shows what runs, "
            "`sophia doctor` what nobody needs. A replacement that overlaps ends by itself within half an "
            "hour.",
        ),
        Alert(
            name="FleetFarOverBudget",
            expr=f"{_RATE} > {_BUDGET} * {FAR_OVER}",
            for_s=180,
            severity="critical",
            owner="platform",
            summary=summary,
            description="Far more runs than the budget was made for. `sophia doctor` lists machines that no "
            "state holds, each with the command that ends it.",
        ),
    )


def _burn_alerts() -> tuple[Alert, ...]:
    return (
        Alert(
            name="BudgetBurnsFast",
            expr=burn_condition(PAGE, _burns),
            for_s=0,
            severity="critical",
            owner="platform",
            summary=f"Dollars go {_TIMES} as fast as the budget allows: {_spent(3_600)} in the last hour, "
            f"{_spent(21_600)} in the last 6.",
            description="The money was spent already: machines may have come and gone in between. `sophia "
            "status` shows what runs now, Grafana's cost dashboard what ran.",
        ),
        Alert(
            name="BudgetBurns",
            expr=burn_condition(TICKET, _burns),
            for_s=0,
            severity="warning",
            owner="platform",
            summary=f"Dollars go {_TIMES} as fast as the budget allows: {_spent(86_400)} in the last day, "
            f"{_spent(259_200)} in the last 3.",
            description="Too little to be woken for and too much for the month. End what is not needed, or "
            "raise sophia:budget.limit on purpose.",
        ),
    )


def _month_alerts() -> tuple[Alert, ...]:
    spent, budget = "fleet:month_spent_usd:sum", "fleet:budget_usd_per_month:max"
    of_budget = asked(f"{spent} / {budget}", PERCENT)
    summary = f"{VALUE_USD} are spent this month, {of_budget} of the budget of {asked(budget, USD_ROUND)}; "
    return (
        Alert(
            name="MonthSpentNearBudget",
            expr=f"{spent} >= {budget} * max(lambda_cloud_budget_alert_ratio)",
            for_s=300,
            severity="warning",
            owner="platform",
            summary=summary + f"{asked(_RATE)}/h go on.",
            description="sophia:budget.alert_percent of the month's dollars are gone. A fleet just below its "
            "budget gets here in the last days of every month; BudgetForecastExceeded says whether it "
            "matters.",
        ),
        Alert(
            name="MonthSpentOverBudget",
            expr=f"{spent} > {budget}",
            for_s=300,
            severity="warning",
            owner="platform",
            summary=summary + f"each hour adds {asked(_RATE)}.",
            description="Every dollar from here on is over the month's budget. End what can wait until the "
            "first, or raise sophia:budget.limit on purpose.",
        ),
    )


_TIMES: Final = '{{ $value | printf "%.2f" }} times'


def _spent(seconds: int) -> str:
    return asked(f"{_burn_name(seconds)} * on () {_BUDGET} * {_hours(seconds)}", USD)


def _burns(seconds: int, factor: Decimal) -> str:
    return f"{_burn_name(seconds)} > {factor}"


def _burn_name(seconds: int) -> str:
    return f"fleet:budget_burn:ratio{duration(seconds)}"


def _hours(seconds: int) -> str:
    return f"({seconds} / 3600)"
