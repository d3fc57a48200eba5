"""Board `fleet-and-money`: what is spent now, this month and to its end, on what, and on what for nothing."""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from sophia_infra.monitoring.dashboards.board import Board
from sophia_infra.monitoring.dashboards.looks import Column, Query, above
from sophia_infra.monitoring.terms import Terms

__all__ = ["fleet_and_money"]

_NOBODYS = 'owner=~"orphan|unknown"'
_NOBODYS_ALERTS = ("MachinesUnknown", "MachinesUnknownCostly", "MachinesOrphaned", "MachinesOrphanedCostly")
_MACHINE = "name, instance_id"
_FACTS = "name, instance_id, instance_type, region, owner, node"


def fleet_and_money(terms: Terms) -> Board:
    """Needs the exporter; the waste of GPUs also DCGM."""
    board = Board(
        terms,
        "fleet-and-money",
        "Fleet and money",
        "Dollars of the account's machines at Lambda's list prices. Owner is stack (in the stack's file), "
        "training (of one of its runs, with a cap of its own), orphan (its tag, not in its file), other (of "
        "another stack) or unknown (launched by hand, or lost).",
        hours=24,
    )
    _dollars_first(board, terms)
    _where_it_goes(board)
    _who_uses_it(board)
    _machines(board)
    _lambda(board)
    return board


def _dollars_first(board: Board, terms: Terms) -> None:
    budget = float(terms.budget_usd_per_month)
    hourly = budget / 720
    warn = terms.budget_alert_percent / 100
    board.row("Dollars first")
    board.stat(
        "Dollars per hour now",
        "List price of everything of the stack that runs, orphans included. Orange from the share of the "
        "budget at which sophia:budget warns, red above the budget.",
        units.Dollars,
        Query("fleet:usd_per_hour:sum"),
        steps=above(hourly * warn, hourly),
        decimals=2,
        alerts=("FleetOverBudget", "FleetFarOverBudget"),
    )
    board.stat(
        "Spent this month",
        "Since the first of the month (UTC), by the exporter's count; ended machines included as far as it "
        "saw them.",
        units.Dollars,
        Query("fleet:month_spent_usd:sum"),
        steps=above(budget * warn, budget),
        decimals=0,
        alerts=("MonthSpentNearBudget", "MonthSpentOverBudget"),
    )
    board.stat(
        "Forecast of the month, of its budget",
        "Spent so far and the present rate to the end of the month, as a share of sophia:budget.limit.",
        units.PercentUnit,
        Query("fleet:month_forecast_usd:sum / fleet:budget_usd_per_month:max"),
        steps=above(warn, 1),
        decimals=0,
        alerts=("BudgetForecastExceeded", "BudgetTrendExceeded"),
    )
    board.stat(
        "Dollars per hour of orphans and unknown machines",
        "What the account pays for machines that no file holds. Anything above zero is a question.",
        units.Dollars,
        Query(f"sum(max by (owner) (lambda_cloud_usd_per_hour{{{_NOBODYS}}}))"),
        steps=above(0.01, 0.01),
        decimals=2,
        alerts=_NOBODYS_ALERTS,
    )
    board.stat(
        "Dollars per hour of idle GPUs",
        "Price of each node times the share of its GPUs that does nothing. Not all of it can be saved: no "
        "GPU is busy all the time.",
        units.Dollars,
        Query("sum(node:gpu_waste:usd_per_hour)"),
        steps=above(hourly * 0.3, hourly * 0.5),
        decimals=2,
        alerts=("GpuWasted", "GpuIdle"),
    )
    board.stat(
        "Age of these figures",
        "Since the last list of machines that succeeded. While Lambda does not answer, the last known "
        "dollars go on and this grows.",
        units.Seconds,
        Query("max(lambda_cloud_data_age_seconds)"),
        steps=above(120, 600),
        decimals=0,
        alerts=("FleetDataStale", "ExporterSilent"),
    )


def _where_it_goes(board: Board) -> None:
    board.row("Where it goes")
    board.chart(
        "Dollars per hour by owner",
        "Stacked, with the budget of an hour: sophia:budget.limit of a month by 720.",
        units.Dollars,
        Query("max by (owner) (lambda_cloud_usd_per_hour)", "{{owner}}"),
        Query("fleet:budget_usd_per_hour:max", "budget"),
        stacked=True,
        alerts=("FleetOverBudget",),
    )
    board.chart(
        "The month in dollars",
        "Spent, forecast and budget. The forecast moves when machines come and go.",
        units.Dollars,
        Query("fleet:month_spent_usd:sum", "spent"),
        Query("fleet:month_forecast_usd:sum", "forecast"),
        Query("fleet:budget_usd_per_month:max", "budget"),
        alerts=("BudgetForecastExceeded", "MonthSpentOverBudget"),
    )
    board.chart(
        "Pace of spending",
        "Dollars of the window as a multiple of what the budget allows for it: 1 is exactly at budget.",
        units.NoUnit,
        Query("fleet:budget_burn:ratio1h", "1 hour"),
        Query("fleet:budget_burn:ratio6h", "6 hours"),
        Query("fleet:budget_burn:ratio1d", "1 day"),
        steps=above(1, 1.5),
        alerts=("BudgetBurnsFast", "BudgetBurns"),
    )


def _who_uses_it(board: Board) -> None:
    board.chart(
        "Dollars per hour by namespace",
        "Prices of nodes, shared by what pods request; __idle__ is what nobody requests.",
        units.Dollars,
        Query("namespace:usd_per_hour:sum", "{{namespace}}"),
        width=12,
        stacked=True,
        alerts=("GpuIdle",),
    )
    board.bars(
        "Dollars per hour by workload",
        "The fifteen dearest, by what their pods request; __idle__ is what nobody requests.",
        units.Dollars,
        Query("topk(15, workload:usd_per_hour:sum)", "{{workload}}"),
        width=12,
    )


def _machines(board: Board) -> None:
    board.row("Machines")
    board.table(
        "Machines and their dollars",
        "Every machine of the account that the exporter sees. Cost so far is since launch where a tag says "
        "when that was, else since it was first seen.",
        f"max by ({_FACTS}) (lambda_cloud_instance_info)",
        {
            "name": "Machine",
            "instance_type": "Type",
            "region": "Region",
            "owner": "Owner",
            "node": "Node",
            "instance_id": "Instance",
        },
        Column(
            _MACHINE, f"max by ({_MACHINE}) (lambda_cloud_instance_usd_per_hour)", "$ per hour", units.Dollars
        ),
        Column(
            _MACHINE,
            f"max by ({_MACHINE}) (lambda_cloud_instance_cost_usd_total)",
            "Cost so far",
            units.Dollars,
        ),
        Column(_MACHINE, f"max by ({_MACHINE}) (lambda_cloud_instance_age_seconds)", "Age", units.Seconds),
        link=("Node", "Its GPUs", "/d/sophia-gpu?var-node=${__value.text}"),
    )
    board.stat(
        "Machines that are not as they should be",
        "Missing: in the stack's file, and nothing runs for it. Idle and billed: booting, unhealthy or "
        "terminating; Lambda bills from launch until a machine is gone.",
        units.NoUnit,
        Query("sum(max by (name) (lambda_cloud_machine_missing))", "missing"),
        Query(
            "count(max by (instance_id) (lambda_cloud_instance_status"
            '{status=~"booting|unhealthy|terminating"}) == 1) or vector(0)',
            "idle and billed",
        ),
        width=12,
        steps=above(1, 2),
        alerts=("MachineMissing", "MachineUnhealthy", "MachineBootingTooLong"),
    )
    board.stat(
        "Dollars of filesystems per month",
        "Kept data at the list price of a GiB; billed also while no machine runs.",
        units.Dollars,
        Query("sum(max by (name, region) (lambda_cloud_filesystem_usd_per_month))"),
        width=12,
        decimals=2,
    )


def _lambda(board: Board) -> None:
    board.row("What Lambda says")
    board.states(
        "Capacity of the stack's types",
        "Whether Lambda has one to launch now. A machine that ends where there is none cannot come back.",
        Query("max by (instance_type, region) (lambda_cloud_capacity)", "{{instance_type}} {{region}}"),
        words=((0, "none", "red"), (1, "available", "green")),
        alerts=("CapacityGone", "CapacityScarce"),
    )
    board.chart(
        "Calls of Lambda's API by outcome",
        "The account may make about one a second; repeated calls count.",
        units.RequestsPerSecond,
        Query("sum by (outcome) (rate(lambda_cloud_requests_total[$__rate_interval]))", "{{outcome}}"),
        stacked=True,
        width=12,
        alerts=("LambdaApiFailing", "LambdaKeyRefused", "RateLimited"),
    )
