"""A cost report as the comment of a pull request: stable text, no colour, details folded away.

Names come from a pull request, so nothing in them is markup: they are escaped, and mention nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sophia_infra.cost import words
from sophia_infra.cost.report import CostReport
from sophia_infra.cost.totals import Totals
from sophia_infra.model.money import HOURS_PER_MONTH, format_usd

__all__ = ["MARKER", "render_markdown"]

MARKER = "<!-- sophia-cost -->"
"""First line, by which a workflow finds its comment to edit it instead of writing another."""

_ACTIVE = re.compile(r"([\\`*_\[\]|~<&@#])")


def render_markdown(report: CostReport, *, notices: Iterable[str] = ()) -> str:
    """The comment, ending in a newline. `notices` stand below the headline, such as why prices are dated."""
    stack = f" of stack {escape(report.terms.stack)}" if report.terms.stack else ""
    lines = [MARKER, f"### Cost{stack}: {escape(words.headline(report))}", ""]
    lines += [f"- **{escape(text)}**" for text in words.findings(report)]
    lines += [f"- {escape(text)}" for text in notices]
    if lines[-1]:
        lines.append("")
    lines += _changes(report)
    lines += [f"- {escape(text)}" for text in (*words.budget_lines(report), *words.notes(report))]
    lines += ["", *_details("Totals by phase, region and GPU", _totals(report))]
    kept = [row for row in report.rows if not row.changes]
    if kept:
        rows = [
            (row.name, words.machine_words(row), words.region_words(row), format_usd(row.after_usd_per_hour))
            for row in kept
        ]
        table = _table(("Instance", "Type", "Region", "$/h"), rows, money=1)
        lines += ["", *_details(f"{len(kept)} unchanged", table)]
    lines += ["", *_details("Not in these figures", [f"- {escape(t)}" for t in words.unpriced_lines(report)])]
    lines += ["", *(f"<sub>{escape(text)}</sub>" for text in words.price_source_lines(report))]
    return "\n".join(lines).rstrip("\n") + "\n"


def escape(text: str) -> str:
    """`text` as plain words in Markdown, on one line: every mark that could mean something is escaped."""
    flat = " ".join(text.split())
    return _ACTIVE.sub(lambda match: _ENTITIES.get(match[1], f"\\{match[1]}"), flat)


# A backslash keeps none of these from being HTML, a mention, or a link to an issue.
_ENTITIES = {"<": "&lt;", "&": "&amp;", "@": "&#64;", "#": "&#35;"}


def _changes(report: CostReport) -> list[str]:
    rows = report.changed_rows
    if not rows:
        return ["No machine changes.", ""]
    heads = (
        "Instance",
        "Change",
        "Type",
        "Region",
        "Boot",
        "Capacity now",
        "Price of",
        "$/h before",
        "$/h after",
        "$/h",
        "$/month",
    )
    cells = [
        (
            row.name,
            words.action_words(row),
            words.machine_words(row),
            words.region_words(row),
            str(row.boot or ""),
            words.capacity_word(row),
            words.price_day_words(row),
            format_usd(row.before_usd_per_hour),
            words.range_words(row),
            words.format_signed_usd(row.difference_usd_per_hour),
            words.format_signed_usd(row.difference_usd_per_month),
        )
        for row in rows
    ]
    return [*_table(heads, cells, money=4), ""]


def _totals(report: CostReport) -> list[str]:
    heads = ("Total", "Instances", "$/h before", "$/h after", "$/h", f"$/month ({HOURS_PER_MONTH} h)")
    grouped = report.grouped
    cells = [_totals_row("all", report.totals)]
    cells += [_totals_row(words.phase_words(key), totals) for key, totals in grouped.by_phase.items()]
    for group in (grouped.by_region, grouped.by_gpu):
        cells += [_totals_row(key, totals) for key, totals in group.items()]
    return _table(heads, cells, money=4)


def _totals_row(label: str, totals: Totals) -> tuple[str, ...]:
    return (
        label,
        f"{totals.instances_before} -> {totals.instances_after}",
        format_usd(totals.before_usd_per_hour),
        format_usd(totals.after_usd_per_hour),
        words.format_signed_usd(totals.difference_usd_per_hour),
        words.format_signed_usd(totals.difference_usd_per_month),
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, money: int) -> list[str]:
    """A table whose last `money` columns are aligned to the right."""
    left = len(heads) - money
    return [
        "| " + " | ".join(heads) + " |",
        "|" + "|".join("---" if at < left else "---:" for at in range(len(heads))) + "|",
        *("| " + " | ".join(escape(cell) for cell in row) + " |" for row in rows),
    ]


def _details(summary: str, lines: Iterable[str]) -> list[str]:
    return [f"<details><summary>{escape(summary)}</summary>", "", *lines, "", "</details>"]
