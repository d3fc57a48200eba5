"""What a person reads of the node scaler: decisions, machines, and one line for each thing done."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from sophia_infra.model.money import format_usd

if TYPE_CHECKING:
    from sophia_infra.scaling.nodes.reporting import PassReport

__all__ = ["show_decisions", "show_machines", "show_pass"]

_STATES = ("ready", "coming", "draining", "ending", "lost")


def show_decisions(console: Console, report: PassReport) -> None:
    """One row a pool: what would be done and why; then what is left of the budget."""
    table = Table(box=None, pad_edge=False)
    for name in ("POOL", "THERE", "WANTED", "WOULD", "LIMITED BY", "WHY"):
        table.add_column(name, overflow="fold")
    for one in report.decisions:
        deeds = [
            f"{verb} {count}"
            for verb, count in (("take back", one.rescue), ("launch", one.launch), ("release", one.release))
            if count
        ]
        table.add_row(
            one.pool,
            str(one.counted_on),
            str(one.wanted),
            ", ".join(deeds) or "nothing",
            ", ".join(one.limited_by) or "-",
            one.reason,
        )
    console.print(table)
    _show_foot(console, report)


def show_machines(console: Console, report: PassReport) -> None:
    """One row a machine."""
    table = Table(box=None, pad_edge=False)
    for name in ("NAME", "STATE", "TYPE", "REGION", "$/H", "ID"):
        table.add_column(name, justify="right" if name == "$/H" else "left")
    total = Decimal(0)
    for view in report.views:
        for state in _STATES:
            for one in getattr(view, state):
                total += one.usd_per_hour
                cells = (one.name.name, state, one.instance_type, one.region)
                table.add_row(*cells, format_usd(one.usd_per_hour), one.id)
    if table.row_count:
        console.print(table)
        console.print(f"{table.row_count} machines of the scaler, {format_usd(total)}/h.")
    else:
        console.print("The scaler has no machines.")
    _show_foot(console, report)


def show_pass(console: Console, report: PassReport) -> None:
    """Lines of one pass of many: only what was done, or would be, or went wrong."""
    for event in report.events:
        console.print(str(event), markup=False, highlight=False)
    if report.dry_run:
        for one in report.decisions:
            if one.action != "none":
                console.print(f"would {one.action}: {one.pool}: {one.reason}", markup=False, highlight=False)
    for problem in report.problems:
        console.print(problem, markup=False, highlight=False)


def _show_foot(console: Console, report: PassReport) -> None:
    if report.headroom_usd_per_hour is not None:
        console.print(
            f"The stack runs at {format_usd(report.usd_per_hour)}/h, the fleet's absent machines included; "
            f"{format_usd(report.headroom_usd_per_hour)}/h of its budget are left."
        )
    for problem in report.problems:
        console.print(problem, markup=False, highlight=False)
