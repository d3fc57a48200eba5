"""The plan's 42 days on the calendar: 13 activities, and before and beside them 12 windows of preparation.

Day 1 is the start; day 0 is the day before it. The plan orders activities by days; it gives the windows
(`next steps`) no days, so theirs are this project's: the week before the start for what must be ready by
then, all 42 days for what watches, the last two for what comes afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal

from sophia_infra.migration.errors import PlanRefused

__all__ = ["DAYS", "ENTRIES", "PHASE_DAYS", "Entry", "Scheduled", "parse_start", "schedule"]

DAYS: Final = 42
PHASE_DAYS: Final = {1: (1, 14), 2: (15, 28), 3: (29, 42)}


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the plan. `days` are its first and last day; `phase` 0 is preparation or watching."""

    entry_id: str
    title: str
    days: tuple[int, int]
    phase: Literal[0, 1, 2, 3]
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The same with its dates, both inclusive."""

    entry: Entry
    first: date
    last: date

    @property
    def week(self) -> int:
        """1 to 6; 0 for the week before the start."""
        return max(0, (self.entry.days[0] + 6) // 7)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.entry.entry_id,
            "title": self.entry.title,
            "phase": self.entry.phase,
            "week": self.week,
            "first_day": self.entry.days[0],
            "last_day": self.entry.days[1],
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "commands": list(self.entry.commands),
        }


def schedule(start: date) -> list[Scheduled]:
    """All rows in order of their first day. Raises PlanRefused: the calendar has no such days."""
    day = timedelta(days=1)
    try:
        return [
            Scheduled(entry, start + (entry.days[0] - 1) * day, start + (entry.days[1] - 1) * day)
            for entry in sorted(ENTRIES, key=lambda entry: entry.days)
        ]
    except OverflowError:
        raise PlanRefused(
            f"The week before {start.isoformat()}, or the 42 days from it on, are not in the calendar.",
            next_step="give a date near today.",
        ) from None


def parse_start(text: str, today: date, *, past_too: bool = False) -> date:
    """The plan's first day, ISO 8601. Raises PlanRefused: no date, or one that is over.

    Args:
        past_too: a plan that has begun already is meant.
    """
    try:
        start = date.fromisoformat(text)
    except ValueError:
        raise PlanRefused(
            f"{text!r} is no date of the calendar.", next_step="give year-month-day, as 2026-11-02."
        ) from None
    if start < today and not past_too:
        raise PlanRefused(
            f"{text} is over: today is {today.isoformat()}.",
            next_step="give today or a later day; a week before the start is for preparation.",
        )
    schedule(start)
    return start


ENTRIES: Final = (
    Entry("N1", "Review and approve the plan", (-6, -6), 0, ("migrate complete --dry-run",)),
    Entry("N2", "Set a window for each phase", (-6, -5), 0, ("migrate plan --start DATE",)),
    Entry("N3", "Prepare the backup of every critical system", (-5, -4), 0, ("backup create",)),
    Entry("N4", "Watch how far the migration is", (-5, -4), 0, ("migrate status",)),
    Entry("N5", "Development environment", (-4, -3), 0, ("up --stack development",)),
    Entry("N6", "Back up all configuration and data", (-1, 0), 0, ("backup create", "backup verify")),
    Entry("N7", "Rollback of each phase, rehearsed", (-3, -2), 0, ("rollback list", "migrate undo")),
    Entry("N8", "Team availability", (-3, -3), 0, ()),
    Entry("N9", "Baseline before anything changes", (0, 0), 0, ("baseline capture",)),
    Entry("N10", "Continuous monitoring", (1, 42), 0, ("monitor",)),
    Entry("N11", "Success criteria of each phase", (-2, -1), 0, ("validate",)),
    Entry("N12", "Plan what is optimized afterwards", (41, 42), 0, ("optimize", "baseline compare")),
    Entry("T1", "Inference API over the fleet's own GPUs", (1, 2), 1, ("inference configure",)),
    Entry("T2", "Multi-stage image builds", (3, 4), 1, ("images lock", "images budget")),
    Entry("T3", "NVIDIA GPU operator", (5, 7), 1, ("up --phase 1",)),
    Entry("T4", "Test and validate phase 1", (8, 10), 1, ("validate --phase 1",)),
    Entry("T5", "Performance tuning", (11, 14), 1, ("optimize",)),
    Entry("T6", "Secrets in Pulumi ESC", (15, 17), 2, ("secrets check",)),
    Entry("T7", "GPU scheduling on Kubernetes", (18, 20), 2, ("up --phase 2", "cutover run")),
    Entry("T8", "Monitoring stack", (21, 24), 2, ("monitor", "report")),
    Entry("T9", "Integration tests and validation", (25, 28), 2, ("validate --phase 2",)),
    Entry("T10", "Training clusters", (29, 31), 3, ("train run",)),
    Entry("T11", "Auto-scaling", (32, 35), 3, ("up --phase 3", "scaler run")),
    Entry("T12", "Cost optimization", (36, 38), 3, ("optimize apply",)),
    Entry("T13", "Final test and documents", (39, 42), 3, ("validate", "migrate complete")),
)
"""The plan's activities (T) by its own days, and its next steps (N)."""
