"""What a person reads of `sophia validate` and `sophia baseline`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sophia_infra.model.printable import printable
from sophia_infra.validation.markdown import headline

if TYPE_CHECKING:
    from sophia_infra.validation.comparison import Comparison
    from sophia_infra.validation.criterion import Criterion
    from sophia_infra.validation.report import Report, Row

__all__ = ["show_comparison", "show_criteria", "show_report"]

_STYLES = {"pass": "green", "fail": "bold red", "unknown": "yellow", "not measured": "dim", "refuted": "red"}


def show_report(console: Console, report: Report) -> None:
    """Every measured criterion, then those that no stack can show as one line, then the verdict."""
    measured = [row for row in report.rows if row.verdict != "not measured"]
    table = Table(box=None, pad_edge=False)
    for heading in ("Id", "Criterion", "Target", "Verdict", "Measured", "Label"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("Id", "Verdict"))
    for row in measured:
        _add(table, row)
    if measured:
        console.print(table)
    silent = [row.criterion.id for row in report.rows if row.verdict == "not measured"]
    if silent:
        console.print(
            f"No stack can show {len(silent)} more: {', '.join(silent)}. `--markdown FILE` or `--json` says "
            "what is known of them.",
            soft_wrap=True,
        )
    for row in report.failed:
        said = f"{row.criterion.id}: {printable(row.measured.value)}. See: {printable(row.measured.evidence)}"
        console.print(Text(said, "bold red"), soft_wrap=True)
    console.print(Text(headline(report), "green" if report.is_green else "bold red"), soft_wrap=True)


def show_criteria(console: Console, criteria: Iterable[Criterion]) -> None:
    """Ids, targets and labels."""
    table = Table(box=None, pad_edge=False)
    for heading in ("Id", "Phase", "Criterion", "Target", "Label", "Why"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "Id")
    for row in criteria:
        cells = (row.id, str(row.phase or "every"), row.text, row.target, row.label, row.reason)
        table.add_row(*map(Text, cells))
    console.print(table)


def show_comparison(console: Console, comparison: Comparison) -> None:
    """Before, now, and the target of the plan."""
    table = Table(box=None, pad_edge=False)
    for heading in ("Id", "Figure", "Before", "Now", "Change", "Plan", "Reached"):
        table.add_column(heading, overflow="fold")
    for row in comparison.rows:
        table.add_row(row.id, row.name, row.before, row.now, row.change, row.target, row.reached)
    console.print(table)
    console.print(f"Before: {comparison.before_at}. Now: {comparison.now_at}.")


def _add(table: Table, row: Row) -> None:
    one = row.criterion
    shown = "refuted" if row.verdict == "fail" and not one.gates else row.verdict
    table.add_row(
        one.id,
        Text(one.text),
        Text(one.target),
        Text(shown, _STYLES[shown]),
        Text(printable(row.measured.value)),
        one.label,
    )
