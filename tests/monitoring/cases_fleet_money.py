"""Cases of the dollars of the fleet against its budget of $200 a day ($8.33/h, $6,000 a month)."""

from __future__ import annotations

from tests.monitoring.fleet_series import (
    BUDGET,
    FLEET_USD_PER_HOUR,
    FORGOTTEN_USD_PER_HOUR,
    cost,
    counter,
    run_rate,
    steady,
)
from tests.monitoring.rule_cases import Case, Recorded

__all__ = ["CASES"]

_H = 3_600
_BUDGET_USD_PER_HOUR = 200 / 24
_RUNAWAY = FLEET_USD_PER_HOUR + FORGOTTEN_USD_PER_HOUR


def _spent(usd: float) -> dict[str, str]:
    return {'lambda_cloud_month_spent_usd{owner="stack"}': steady(usd)}


_RUN_RATE = [
    Case("FleetOverBudget", "9 dollars an hour", {**BUDGET, **run_rate(stack=9)}, 1_800, [{}]),
    Case("FleetOverBudget", "a minute before", {**BUDGET, **run_rate(stack=9)}, 1_740),
    Case("FleetOverBudget", "orphans count", {**BUDGET, **run_rate(stack=8, orphan=1)}, 1_800, [{}]),
    Case("FleetOverBudget", "machines of others do not", {**BUDGET, **run_rate(stack=8, other=9)}, 1_800),
    Case("FleetOverBudget", "the five machines", {**BUDGET, **run_rate(stack=7.35)}, 2 * _H),
    Case(
        "FleetOverBudget",
        "exactly at budget",
        {"lambda_cloud_budget_usd_per_hour": steady(8.5), **run_rate(stack=8.5)},
        2 * _H,
    ),
    Case("FleetOverBudget", "nobody says the budget", run_rate(stack=900), 2 * _H),
    Case(
        "FleetOverBudget",
        "two exporters while one takes over from the other",
        {
            **BUDGET,
            'lambda_cloud_usd_per_hour{owner="stack",pod="a"}': steady(7.35),
            'lambda_cloud_usd_per_hour{owner="stack",pod="b"}': steady(7.35),
        },
        2 * _H,
    ),
    Case("FleetFarOverBudget", "8 A100 too many", {**BUDGET, **run_rate(stack=_RUNAWAY)}, 180, [{}]),
    Case("FleetFarOverBudget", "a minute before", {**BUDGET, **run_rate(stack=_RUNAWAY)}, 120),
    Case("FleetFarOverBudget", "1.49 times the budget", {**BUDGET, **run_rate(stack=12.4)}, 2 * _H),
]


def _fading(first: float, samples: int, then: float, more: int, step_s: int = 60) -> dict[str, str]:
    """Times the budget, and then other times."""
    reached = _BUDGET_USD_PER_HOUR * first * samples * step_s / _H
    rest = counter(_BUDGET_USD_PER_HOUR * then, step_s, start=reached + 1e-6, samples=more)
    return {**BUDGET, **cost(f"{counter(_BUDGET_USD_PER_HOUR * first, step_s, samples=samples)} {rest}")}


# Two hours as planned, then 8 forgotten A100 beside them.
_TURN = cost(f"{counter(FLEET_USD_PER_HOUR, samples=120)} {counter(_RUNAWAY, start=14.71)}")
_AT_BUDGET = {**BUDGET, **cost(counter(_BUDGET_USD_PER_HOUR, 300))}
_SLIGHTLY = {**BUDGET, **cost(counter(_BUDGET_USD_PER_HOUR * 1.15, 1_800))}
_FOR_HOURS = {**BUDGET, **cost(counter(_BUDGET_USD_PER_HOUR * 1.7))}
_QUARTER = {**BUDGET, **cost(counter(_BUDGET_USD_PER_HOUR * 1.3, 300))}

_BURN = [
    Case("BudgetBurnsFast", "36 minutes of 8 A100 too many", {**BUDGET, **_TURN}, 2 * _H + 37 * 60, [{}]),
    Case("BudgetBurnsFast", "34 minutes of them", {**BUDGET, **_TURN}, 2 * _H + 34 * 60),
    Case("BudgetBurnsFast", "1.7 times for 5 hours and a half", _FOR_HOURS, round(5.5 * _H), [{}]),
    Case("BudgetBurnsFast", "1.7 times for 5 hours", _FOR_HOURS, 5 * _H),
    Case("BudgetBurnsFast", "more than an hour's, and less now", _fading(2.6, 50, 1.7, 10), _H),
    Case("BudgetBurnsFast", "more than 6 hours', and less now", _fading(1.8, 330, 1.3, 35), 365 * 60),
    Case("BudgetBurnsFast", "a day exactly at budget", _AT_BUDGET, 24 * _H, step_s=300),
    Case("BudgetBurnsFast", "3 days at 1.15 times", _SLIGHTLY, 72 * _H, step_s=1_800),
    Case(
        "BudgetBurnsFast",
        "10 minutes after 45 minutes of it",
        {**BUDGET, **cost(f"{counter(_RUNAWAY, samples=45)} {steady(_RUNAWAY * 0.75)}")},
        55 * 60,
    ),
    Case("BudgetBurns", "1.3 times for a day", _QUARTER, round(23.5 * _H), [{}], step_s=300),
    Case("BudgetBurns", "1.3 times for 22 hours", _QUARTER, 22 * _H, step_s=300),
    Case(
        "BudgetBurns",
        "more than a day's, and less now",
        _fading(1.34, 22 * 12, 1.0, 25, 300),
        24 * _H,
        step_s=300,
    ),
    Case(
        "BudgetBurns",
        "more than 3 days', and less now",
        _fading(1.2, 66 * 2, 1.0, 14, 1_800),
        73 * _H,
        step_s=1_800,
    ),
    Case("BudgetBurns", "1.15 times for 3 days", _SLIGHTLY, 70 * _H, [{}], step_s=1_800),
    Case("BudgetBurns", "1.15 times for 66 hours", _SLIGHTLY, 66 * _H, step_s=1_800),
    Case("BudgetBurns", "a day exactly at budget", _AT_BUDGET, 24 * _H, step_s=300),
]

_MONTH = [
    Case("MonthSpentNearBudget", "4,800 of 6,000", {**BUDGET, **_spent(4_800)}, 300, [{}]),
    Case("MonthSpentNearBudget", "a minute before", {**BUDGET, **_spent(4_800)}, 240),
    Case("MonthSpentNearBudget", "a dollar less", {**BUDGET, **_spent(4_799)}, _H),
    Case("MonthSpentOverBudget", "6,001 of 6,000", {**BUDGET, **_spent(6_001)}, 300, [{}]),
    Case("MonthSpentOverBudget", "a minute before", {**BUDGET, **_spent(6_001)}, 240),
    Case("MonthSpentOverBudget", "exactly 6,000", {**BUDGET, **_spent(6_000)}, _H),
]

_RECORDED = [
    Recorded(
        "a fleet at budget burns 1.0 over every window",
        "round(fleet:budget_burn:ratio5m, 0.001) or label_replace(round(fleet:budget_burn:ratio1h, 0.001), "
        '"window", "1h", "", "") or label_replace(round(fleet:budget_burn:ratio1d, 0.001), "window", "1d", '
        '"", "")',
        {**BUDGET, **cost(counter(_BUDGET_USD_PER_HOUR))},
        24 * _H,
        [("{}", 1.0), ('{window="1h"}', 1.0), ('{window="1d"}', 1.0)],
    ),
    Recorded(
        "an exporter that starts anew costs nothing twice",
        "round(fleet:budget_burn:ratio1h, 0.001)",
        {**BUDGET, **cost(f"{counter(5, samples=60)} {counter(5, samples=60)}")},
        _H + 1_800,
        [("{}", round(5 / _BUDGET_USD_PER_HOUR * 59 / 60, 3))],
    ),
]

CASES = [*_RUN_RATE, *_BURN, *_MONTH, *_RECORDED]
