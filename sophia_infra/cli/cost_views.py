"""A cost report for people on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sophia_infra.cli.views import print_table
from sophia_infra.cost import words
from sophia_infra.cost.report import CostReport
from sophia_infra.cost.rows import CostRow
from sophia_infra.cost.totals import Totals, sum_rows
from sophia_infra.model.money import HOURS_PER_MONTH, format_usd

__all__ = ["show_cost"]

_ACTION_STYLES = {
    "create": "green",
    "adopt": "green",
    "update": "yellow",
    "replace": "yellow",
    "delete": "red",
    "gone": "bold red",
}
_CAPACITY_STYLES = {"none": "bold red", "listed": "green"}


def show_cost(console: Console, report: CostReport, notices: Iterable[str] = ()) -> None:
    """Every change with its dollars, the totals, then what it means for budget, quota and capacity."""
    if report.changed_rows:
        print_table(
            console,
            _changes(report),
            least=("Price of", "Boot", "Capacity now", "$/h before", "$/h after", "Region", "Type"),
        )
    kept = [row for row in report.rows if not row.changes]
    if kept:
        console.print(f"Unchanged: {len(kept)}, {format_usd(sum_rows(kept).after_usd_per_hour)}/h.")
    elif not report.rows:
        console.print("No machine is in this plan.")
    console.print()
    console.print(Text(words.headline(report), "bold"))
    for finding in words.findings(report):
        console.print(Text(finding, "bold red"), soft_wrap=True)
    console.print()
    console.print(_totals(report))
    console.print()
    lines = [*notices, *words.budget_lines(report), *words.notes(report)]
    lines += [f"Not in these figures: {line}" for line in words.unpriced_lines(report)]
    lines += words.price_source_lines(report)
    for line in lines:
        console.print(Text(line), soft_wrap=True)


def _changes(report: CostReport) -> Table:
    totals = sum_rows(report.changed_rows)
    table = Table(show_footer=True, pad_edge=False, box=None)
    table.add_column("Instance", overflow="fold", footer=f"{len(report.changed_rows)} changed")
    for heading in ("Change", "Type", "Region", "Boot", "Capacity now", "Price of"):
        table.add_column(heading, overflow="fold")
    money = (
        ("$/h before", format_usd(totals.before_usd_per_hour)),
        ("$/h after", format_usd(totals.after_usd_per_hour)),
        ("$/h", words.format_signed_usd(totals.difference_usd_per_hour)),
        ("$/month", words.format_signed_usd(totals.difference_usd_per_month)),
    )
    for heading, footer in money:
        table.add_column(heading, justify="right", no_wrap=True, footer=footer)
    for row in report.changed_rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: CostRow) -> tuple[Text, ...]:
    capacity = words.capacity_word(row)
    return (
        Text(row.name),
        Text(words.action_words(row), _ACTION_STYLES.get(row.action.value, "")),
        Text(words.machine_words(row)),
        Text(words.region_words(row)),
        Text(str(row.boot or "")),
        Text(capacity, _CAPACITY_STYLES.get(capacity, "yellow")),
        Text(words.price_day_words(row)),
        Text(format_usd(row.before_usd_per_hour)),
        Text(words.range_words(row)),
        Text(words.format_signed_usd(row.difference_usd_per_hour)),
        Text(words.format_signed_usd(row.difference_usd_per_month)),
    )


def _totals(report: CostReport) -> Table:
    table = Table(pad_edge=False, box=None)
    table.add_column("Total")
    table.add_column("Instances", justify="right")
    for heading in ("$/h before", "$/h after", "$/h", f"$/month ({HOURS_PER_MONTH} h)"):
        table.add_column(heading, justify="right", no_wrap=True)
    _add_totals(table, "all", report.totals)
    for phase, totals in report.grouped.by_phase.items():
        _add_totals(table, words.phase_words(phase), totals)
    for group in (report.grouped.by_region, report.grouped.by_gpu):
        for key, totals in group.items():
            _add_totals(table, key, totals)
    return table


def _add_totals(table: Table, label: str, totals: Totals) -> None:
    table.add_row(
        Text(label),
        f"{totals.instances_before} -> {totals.instances_after}",
        format_usd(totals.before_usd_per_hour),
        format_usd(totals.after_usd_per_hour),
        words.format_signed_usd(totals.difference_usd_per_hour),
        words.format_signed_usd(totals.difference_usd_per_month),
    )
