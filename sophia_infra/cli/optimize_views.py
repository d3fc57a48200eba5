"""Advice, outcomes and the action log for people on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from sophia_infra.cli.views import make_console
from sophia_infra.model.money import format_usd

if TYPE_CHECKING:
    from sophia_infra.optimization.action_log import ActionLog
    from sophia_infra.optimization.advice import Advice
    from sophia_infra.optimization.outcome import Outcome
    from sophia_infra.optimization.recommendation import Recommendation, Saving

__all__ = ["show_advice", "show_log", "show_outcomes", "show_recommendation"]

_RISK_STYLES = {"low": "green", "medium": "yellow", "high": "bold red"}
_WORD_STYLES = {"done": "green", "undone": "yellow", "failed": "bold red", "not allowed": "yellow"}


def show_advice(stack: str, advice: Advice, notes: Iterable[str]) -> None:
    """What fits together, with its sum; then what stands against it, and what could not be judged."""
    console = make_console()
    if not advice.chosen:
        console.print(f"Stack {stack}: nothing to advise, at {format_usd(advice.usd_per_month)} a month.")
    else:
        console.print(_table(advice.chosen))
        share = advice.saving.expected * 100 / advice.usd_per_month if advice.usd_per_month else 0
        console.print(
            f"Together {_interval(advice.saving)} a month, each machine counted once: {share:.0f} % of "
            f"{format_usd(advice.usd_per_month)}.",
            soft_wrap=True,
        )
    for one, other in advice.excluded:
        console.print(
            Text(f"Instead of {other.id}: {one.id}, {one.title} ({_interval(one.saving)})"), soft_wrap=True
        )
    for note in (*notes, *advice.notes):
        console.print(Text(note, "dim"), soft_wrap=True)
    if advice.chosen:
        console.print(f"`sophia optimize explain ID --stack {stack}` says why and how.")


def show_recommendation(one: Recommendation, proposed: Outcome | None) -> None:
    """Everything about one."""
    console = make_console()
    console.print(Text(f"{one.id}: {one.title}", "bold"), soft_wrap=True)
    console.print(f"Saves {_interval(one.saving)} a month.")
    console.print(
        Text(f"Risk: {one.risk}: {'; '.join(one.verdict.reasons)}.", _RISK_STYLES[one.risk]), soft_wrap=True
    )
    console.print("Evidence:")
    for row in one.evidence:
        age = "" if row.age_s is None else f", {row.age_s / 60:.0f} min old"
        console.print(Text(f"  {row.what}: {row.value} ({row.source}{age})"), soft_wrap=True)
    _lines("What is done", one.steps)
    _lines("Before that", one.requires)
    console.print(Text(f"Undo: {one.undo or 'it cannot be undone'}."), soft_wrap=True)
    if proposed is not None and proposed.patch:
        print(f"\n{proposed.patch}", end="")
    elif proposed is not None and "No diff" in proposed.detail:
        console.print(Text(proposed.detail.partition("No diff")[2].lstrip(": ")), soft_wrap=True)


def show_outcomes(outcomes: Sequence[Outcome], *, with_patches: bool, dry_run: bool) -> None:
    """One line each; diffs as they are, so that they can be piped into `git apply`."""
    console = make_console()
    if not outcomes:
        console.print("There is nothing of that risk to be done.")
    for one in outcomes:
        line = Text(f"{one.word}", _WORD_STYLES.get(one.word, ""))
        line.append(f": {one.recommendation_id} ({one.subject}): {one.detail}")
        console.print(line, soft_wrap=True)
        if with_patches and one.patch:
            print(one.patch, end="")
    if dry_run and any(one.word == "would do" for one in outcomes):
        console.print("Nothing was done: --yes does it.")


def show_log(log: ActionLog, problems: Sequence[str]) -> None:
    """The lines, oldest first."""
    console = make_console()
    rows = log.rows()
    if not rows:
        console.print("Nothing was done by itself yet.")
    else:
        table = Table(pad_edge=False, box=None)
        for heading in ("When", "Who", "What", "Action", "Recommendation or why"):
            table.add_column(heading, overflow="fold")
        for row in rows:
            why = row.get("recommendation") or row.get("why") or ""
            table.add_row(
                *(Text(str(row.get(name, ""))) for name in ("when", "who", "event", "action")), Text(str(why))
            )
        console.print(table)
    for problem in problems:
        console.print(Text(f"{log.path}: {problem}", "bold red"), soft_wrap=True)


def _table(recommendations: Iterable[Recommendation]) -> Table:
    table = Table(pad_edge=False, box=None)
    table.add_column("Id", no_wrap=True)
    table.add_column("$/month", justify="right", no_wrap=True)
    table.add_column("from", justify="right", no_wrap=True)
    table.add_column("to", justify="right", no_wrap=True)
    table.add_column("Risk", no_wrap=True)
    table.add_column("What", overflow="fold")
    for one in recommendations:
        saving = one.saving
        table.add_row(
            one.id,
            *(format_usd(usd) for usd in (saving.expected, saving.low, saving.high)),
            Text(one.risk, _RISK_STYLES[one.risk]),
            Text(one.title),
        )
    return table


def _lines(title: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    console = make_console()
    console.print(f"{title}:")
    for number, line in enumerate(lines, start=1):
        console.print(Text(f"  {number}. {line}"), soft_wrap=True)


def _interval(saving: Saving) -> str:
    if saving.low == saving.high:
        return format_usd(saving.expected)
    return f"{format_usd(saving.expected)} ({format_usd(saving.low)} to {format_usd(saving.high)})"
