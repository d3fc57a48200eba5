"""Dollars of a plan: what changes, what it costs before and after, and whether that may be.

The way of a figure: `read_plan` or `plan_of_events` -> `build_report` -> `build_document`, `render_markdown`,
or the table of the command line. Pure; nothing here asks a cloud or runs the engine.
"""

from __future__ import annotations

from sophia_infra.cost.changes import Action, Machine, MachineChange, Plan, Unpriced
from sophia_infra.cost.errors import (
    CostError,
    PlanFailed,
    PlanIncomplete,
    PlanUnreadable,
    UnknownResource,
)
from sophia_infra.cost.plan_file import plan_of_events, plan_of_state, read_plan
from sophia_infra.cost.prices import Price, Prices
from sophia_infra.cost.report import CostReport, LiveFacts, build_report
from sophia_infra.cost.rows import CostRow, plan_rows
from sophia_infra.cost.spending import RunningMachine, Spent, spent_this_month
from sophia_infra.cost.terms import (
    BudgetTerms,
    MachineTerms,
    QuotaTerms,
    StackTerms,
    terms_of_plan,
    terms_of_stack,
)
from sophia_infra.cost.totals import Totals, group_totals, sum_rows

__all__ = [
    "Action",
    "BudgetTerms",
    "CostError",
    "CostReport",
    "CostRow",
    "LiveFacts",
    "Machine",
    "MachineChange",
    "MachineTerms",
    "Plan",
    "PlanFailed",
    "PlanIncomplete",
    "PlanUnreadable",
    "Price",
    "Prices",
    "QuotaTerms",
    "RunningMachine",
    "Spent",
    "StackTerms",
    "Totals",
    "UnknownResource",
    "Unpriced",
    "build_report",
    "group_totals",
    "plan_of_events",
    "plan_of_state",
    "plan_rows",
    "read_plan",
    "spent_this_month",
    "sum_rows",
    "terms_of_plan",
    "terms_of_stack",
]
