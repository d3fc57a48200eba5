"""Board `slo`: what share of calls succeeds, and how much of the error budget is left."""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from sophia_infra.monitoring.dashboards.board import Board
from sophia_infra.monitoring.dashboards.looks import Column, Query, above, below
from sophia_infra.monitoring.terms import Terms

__all__ = ["slo"]

_CHOSEN = '{namespace=~"$namespace",service=~"$service"}'
_BY = "slo, namespace, service"
_NAME = "{{service}} ({{slo}})"
_ALERTS = ("ErrorBudgetBurnsFast", "ErrorBudgetBurns")


def slo(terms: Terms) -> Board:
    """Needs at least one objective."""
    allowed = float(1 - terms.slo)
    promised = f"{terms.config.slo_percent:g} %"
    board = Board(
        terms,
        "slo",
        "Objectives",
        f"{promised} of calls have to succeed in 30 days. A burn rate of 1 spends the error budget in "
        "exactly that time.",
        hours=24,
    )
    board.choose("namespace", "Namespace", "label_values(slo:requests:rate5m, namespace)")
    board.choose("service", "Service", "label_values(slo:requests:rate5m, service)")
    board.row("Error budgets")
    board.stat(
        "Objective",
        "sophia:kubernetes.monitoring.slo_percent.",
        units.PercentUnit,
        Query("max(slo:objective:ratio)"),
        decimals=2,
    )
    board.stat(
        "Least error budget left",
        "Of the chosen services, over 30 days: 100 % when nothing failed, below 0 when an objective is "
        "missed.",
        units.PercentUnit,
        Query(f"min(slo:error_budget_remaining:ratio{_CHOSEN})"),
        steps=below(0, 0.5),
        decimals=0,
        alerts=("ErrorBudgetSpent",),
    )
    for title, window, limit in (("hour", "1h", 14.4), ("6 hours", "6h", 6.0), ("3 days", "3d", 1.0)):
        board.stat(
            f"Fastest burn, {title}",
            f"Times the pace that would last the month; an alarm from {limit:g} on, when the short window "
            "agrees.",
            units.NoUnit,
            Query(f"max(slo:errors_per_request:ratio_rate{window}{_CHOSEN}) / {allowed:g}"),
            steps=above(limit / 2, limit),
            decimals=2,
            alerts=_ALERTS,
        )
    board.stat(
        "Calls per second, all",
        "That count for an objective, of the chosen services.",
        units.RequestsPerSecond,
        Query(f"sum(slo:requests:rate5m{_CHOSEN})"),
        decimals=1,
    )
    board.table(
        "Objectives of all services",
        "Sorted by any column. Left is the error budget over 30 days.",
        f"max by ({_BY}) (slo:requests:rate5m{_CHOSEN})",
        {"service": "Service", "slo": "Objective", "namespace": "Namespace"},
        Column(
            _BY, f"max by ({_BY}) (slo:requests:rate5m{_CHOSEN})", "Calls per second", units.RequestsPerSecond
        ),
        Column(
            _BY,
            f"max by ({_BY}) (slo:errors_per_request:ratio_rate5m{_CHOSEN})",
            "Failing now",
            units.PercentUnit,
            above(allowed, 14.4 * allowed),
        ),
        Column(
            _BY,
            f"max by ({_BY}) (slo:errors_per_request:ratio_rate30d{_CHOSEN})",
            "Failed in 30 days",
            units.PercentUnit,
            above(allowed / 2, allowed),
        ),
        Column(
            _BY,
            f"max by ({_BY}) (slo:error_budget_remaining:ratio{_CHOSEN})",
            "Left",
            units.PercentUnit,
            below(0, 0.5),
        ),
        alerts=_ALERTS,
    )
    board.row("Over time")
    board.chart(
        "Error budget left",
        "A slope that meets zero before the month ends is a reason to stop rolling out.",
        units.PercentUnit,
        Query(f"slo:error_budget_remaining:ratio{_CHOSEN}", _NAME),
        width=12,
        most=1,
        alerts=("ErrorBudgetSpent",),
    )
    board.chart(
        "Failing calls",
        "Share of calls over five minutes; the lines are 1 and 14.4 times the allowed pace.",
        units.PercentUnit,
        Query(f"slo:errors_per_request:ratio_rate5m{_CHOSEN}", _NAME),
        width=12,
        steps=above(allowed, 14.4 * allowed),
        alerts=_ALERTS,
    )
    if terms.of_kind("http"):
        board.chart(
            "Calls under 0.2 s",
            "Share of calls of http services within the plan's limit, over five minutes.",
            units.PercentUnit,
            Query(f"service:calls_under_200ms:ratio_rate5m{_CHOSEN}", "{{service}}"),
            width=12,
            most=1,
        )
    board.chart(
        "Calls per second",
        "That count for an objective.",
        units.RequestsPerSecond,
        Query(f"slo:requests:rate5m{_CHOSEN}", _NAME),
        width=12,
        stacked=True,
    )
    return board
