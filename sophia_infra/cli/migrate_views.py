"""How phases, steps and the timeline are shown to people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from sophia_infra.migration.journal import Progress
from sophia_infra.migration.runner import PhasePlan
from sophia_infra.migration.steps import Command, Step
from sophia_infra.migration.timeline import Scheduled

__all__ = ["StepView", "show_plan", "show_progress", "show_timeline"]

_STYLES = {"done": "green", "failed": "bold red", "begun": "yellow", "undone": "dim", "undo": "yellow"}
_WORDS = {"begun": "interrupted", "undo": "undo interrupted"}
_PARTS = ("gate", "action", "check", "undo")


class StepView:
    """Shows a run: a spinner with the last line of the command on a terminal, a line a command elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._command = ""

    def step(self, step: Step, number: int, total: int) -> None:
        self._console.print(f"[{number}/{total}] {step.step_id}: {step.title}", markup=False)

    def runs(self, part: str, command: Command) -> None:
        self._command = f"{part}: {command}"
        if not self._console.is_terminal:
            self._console.print(f"      {self._command}", markup=False, soft_wrap=True)
            return
        self._rest()
        self._status = self._console.status(Text(self._command))
        self._status.start()

    def output(self, line: str) -> None:
        if self._status is not None:
            room = max(20, self._console.width - 4)
            self._status.update(Text(f"{self._command}\n    {line}"[: 2 * room], overflow="ellipsis"))

    def ended(self, how: str, duration_s: float) -> None:
        self._rest()
        style = "green" if how in ("done", "was done", "undone") else "bold red"
        self._console.print(Text(f"      {how}, {duration_s:.0f} s", style))

    def _rest(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def close(self) -> None:
        """Stop what moves; the lines stay."""
        self._rest()


def show_plan(console: Console, phases: Sequence[PhasePlan], progress: Progress) -> None:
    """Every step with its commands, and what was done of them."""
    for phase in phases:
        console.print(Text(phase.name, "bold"))
        for step in phase.steps:
            done = " (done)" if progress.is_done(step.step_id) else ""
            first, last = step.days
            console.print(
                f"  {step.step_id}: {step.title} [day {first}-{last}]{done}", markup=False, soft_wrap=True
            )
            for part in _PARTS:
                command = getattr(step, part)
                if command is not None:
                    console.print(f"      {part:6} {command}", markup=False, soft_wrap=True)
            if step.undo is None:
                console.print(f"      undo   none: {step.no_undo}", markup=False, soft_wrap=True)


def show_progress(console: Console, phases: Sequence[PhasePlan], progress: Progress) -> None:
    """A line for each step: how it stands and since when."""
    table = Table(box=None, pad_edge=False)
    for heading in ("Phase", "Step", "What", "Stands", "Since (UTC)"):
        table.add_column(heading, no_wrap=heading != "What", overflow="fold")
    for phase in phases:
        for step in phase.steps:
            record = progress.steps.get(step.step_id)
            status = "not begun" if record is None else _WORDS.get(record.status, record.status)
            style = "dim" if record is None else _STYLES[record.status]
            since = "" if record is None else record.when.replace("T", " ").removesuffix("Z")
            table.add_row(phase.name, step.step_id, step.title, Text(status, style), since)
    console.print(table)


def show_timeline(console: Console, rows: Sequence[Scheduled]) -> None:
    """The 42 days and what comes before."""
    table = Table(box=None, pad_edge=False)
    for heading in ("Week", "Phase", "Days", "From", "To", "Id", "What", "Commands"):
        table.add_column(heading, no_wrap=heading not in ("What", "Commands"), overflow="fold")
    for row in rows:
        first, last = row.entry.days
        table.add_row(
            str(row.week) if row.week else "before",
            str(row.entry.phase) if row.entry.phase else "-",
            str(first) if first == last else f"{first} to {last}",
            row.first.isoformat(),
            row.last.isoformat(),
            row.entry.entry_id,
            row.entry.title,
            ", ".join(row.entry.commands) or "-",
        )
    console.print(table)
