"""A report as a page for people: what closes the gate first, then every criterion by section."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from sophia_infra.model.printable import printable
from sophia_infra.reports.figures import utc_text
from sophia_infra.validation.report import Report, Row

__all__ = ["headline", "render_markdown"]

_MARKS = {"pass": "pass", "fail": "**fail**", "unknown": "unknown", "not measured": "not measured"}


def headline(report: Report) -> str:
    """One sentence: whether the gate is open, and the counts."""
    what = f"gate of phase {report.gate}" if report.gate is not None else "all criteria asked for"
    state = "green" if report.is_green else "red"
    if report.is_green and not report.count("pass"):
        state = "green, and nothing was measured"
    return (
        f"Stack {report.stack}, {what}: {state}. {report.count('pass')} pass, {len(report.failed)} close it, "
        f"{len(report.refuted)} do not hold and close nothing, {report.count('unknown')} are unknown, "
        f"{report.count('not measured')} no stack can show."
    )


def render_markdown(report: Report) -> str:
    """The whole page; the same report gives the same text."""
    lines = [f"# Validation of stack {report.stack}", "", headline(report), ""]
    lines += [f"Taken at {utc_text(report.taken_at_s)}, phase {report.phase}.", ""]
    if report.trouble:
        lines += ["Sources that did not answer, so the gate stays closed:", ""]
        lines += [*(f"- {_cell(one)}" for one in report.trouble), ""]
    for title, rows in (
        ("Closes the gate", report.failed),
        ("Does not hold and closes nothing", report.refuted),
    ):
        if rows:
            lines += [f"## {title}", "", *_table(rows), ""]
    for section, found in groupby(report.rows, key=lambda row: row.criterion.section):
        lines += [f"## {section}", "", *_table(found), ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(rows: Iterable[Row]) -> list[str]:
    lines = [
        "| id | criterion | target | measured | verdict | label | evidence |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        one = row.criterion
        label = one.label if not one.reason else f"{one.label}: {one.reason}"
        cells = (one.id, one.text, one.target, row.measured.value, _MARKS[row.verdict], label)
        evidence = f"`{row.measured.evidence}`" if row.measured.evidence else ""
        lines.append("| " + " | ".join(map(_cell, (*cells, evidence))) + " |")
    return lines


def _cell(text: str) -> str:
    return printable(text).replace("|", "\\|")
