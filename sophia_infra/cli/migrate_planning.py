"""`sophia migrate plan` and `status`: they run nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.migrate_context import Migration, open_migration, today
from sophia_infra.cli.migrate_views import show_progress, show_timeline
from sophia_infra.cli.views import make_console
from sophia_infra.migration.gantt import gantt_svg
from sophia_infra.migration.journal import Progress
from sophia_infra.migration.runner import PhasePlan
from sophia_infra.migration.timeline import parse_start, schedule

__all__ = ["run_plan", "run_status", "steps_document"]


def run_plan(start: str, *, gantt: Path | None, as_json: bool) -> ExitCode:
    """Print the timeline, and write it as a picture."""
    first = parse_start(start, today().date())
    rows = schedule(first)
    if gantt is not None:
        gantt.write_text(gantt_svg(rows, f"Migration from {first.isoformat()}, 42 days"), encoding="utf-8")
    if as_json:
        document = {
            "start": first.isoformat(),
            "end": max(row.last for row in rows).isoformat(),
            "rows": [row.as_json() for row in rows],
            "gantt": None if gantt is None else str(gantt),
        }
        print(json.dumps(document, indent=2))
        return ExitCode.OK
    console = make_console()
    show_timeline(console, rows)
    if gantt is not None:
        console.print(f"The picture is in {gantt}.")
    return ExitCode.OK


def run_status(stack: str, *, as_json: bool) -> ExitCode:
    """Print how each step stands and which command goes on."""
    migration = open_migration("complete", stack)
    command = _next_command(migration)
    if as_json:
        start = migration.progress.start
        document = {
            "stack": stack,
            "start": None if start is None else start.isoformat(),
            "next": command,
            "phases": steps_document(migration.phases, migration.progress),
        }
        print(json.dumps(document, indent=2))
        return ExitCode.OK
    console = make_console()
    show_progress(console, migration.phases, migration.progress)
    if migration.progress.start is not None:
        day = (today().date() - migration.progress.start).days + 1
        console.print(f"The plan began on {migration.progress.start}: today is day {day} of 42.")
    console.print(f"Next: `{command}`." if command else "Every step is done.")
    return ExitCode.OK


def steps_document(phases: Sequence[PhasePlan], progress: Progress) -> list[dict[str, object]]:
    """Phases and steps for machines: commands, status, exit code, criteria."""
    return [
        {
            "phase": phase.name,
            "steps": [
                {
                    "id": step.step_id,
                    "title": step.title,
                    "days": list(step.days),
                    "criteria": list(step.criteria),
                    **{part: _line(getattr(step, part)) for part in ("gate", "action", "check", "undo")},
                    "no_undo": step.no_undo,
                    "status": record.status if (record := progress.steps.get(step.step_id)) else None,
                    "exit_code": record.exit_code if record else None,
                    "log": record.log_file if record else None,
                }
                for step in phase.steps
            ],
        }
        for phase in phases
    ]


def _line(command: object) -> str | None:
    return None if command is None else str(command)


def _next_command(migration: Migration) -> str | None:
    for phase in migration.phases:
        if not all(migration.progress.is_done(step.step_id) for step in phase.steps):
            return f"sophia migrate {phase.name} --stack {migration.context.name}"
    return None
