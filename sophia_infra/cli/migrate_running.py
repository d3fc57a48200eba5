"""`sophia migrate phase1`, `phase2`, `phase3`, `complete` and `undo`: checks first, then the runner."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import Any, cast

from sophia_infra.audit import audit_log_of
from sophia_infra.cli.confirming import ask
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.migrate_context import Migration, journal_of, open_migration, today
from sophia_infra.cli.migrate_planning import steps_document
from sophia_infra.cli.migrate_views import StepView, show_plan
from sophia_infra.cli.views import make_console
from sophia_infra.migration.children import last_lines
from sophia_infra.migration.errors import GateRed, PlanRefused, StepFailed
from sophia_infra.migration.preconditions import check_calendar, check_order, check_stack, check_undo
from sophia_infra.migration.runner import Runner, steps_after, undoable
from sophia_infra.migration.steps import PhaseName
from sophia_infra.migration.timeline import parse_start
from sophia_infra.model.errors import did_you_mean

__all__ = ["MigrateRequest", "run_phase", "run_undo"]

_UNDO_PHASES = ("phase1", "phase2", "phase3")
_LINES_SHOWN = 15


@dataclass(frozen=True, slots=True)
class MigrateRequest:
    """What was asked for on the command line."""

    phase: PhaseName
    stack: str
    start: str | None
    again: bool
    prometheus: str | None
    cluster: bool | None
    as_json: bool


def run_phase(request: MigrateRequest, *, dry_run: bool, yes: bool) -> ExitCode:
    """Check stack, calendar and order; then run, or with `dry_run` only print, what is not done yet."""
    migration = open_migration(
        request.phase, request.stack, prometheus=request.prometheus, cluster=request.cluster
    )
    _check(request, migration)
    if dry_run:
        return _print_plan(request, migration)
    if not _may(migration, yes, f"Migrate stack {request.stack} ({request.phase}) on the real Lambda Cloud?"):
        return ExitCode.OK
    console = make_console(stderr=request.as_json)
    with migration.journal.held(), closing(StepView(console)) as view:
        if request.start is not None:
            migration.journal.append("plan", start=request.start)
        runner = Runner(migration.journal, view, environment=_environment(migration))
        stopped: GateRed | StepFailed | None = None
        log = audit_log_of(migration.context.home.root, request.stack)
        why = f"sophia migrate {request.phase} --stack {request.stack}"
        with log.change(
            action=f"migrate {request.phase}", subject=f"stack {request.stack}", why=why
        ) as change:
            try:
                change.after = {"steps": runner.run(migration.phases, again=request.again)}
            except (GateRed, StepFailed) as error:
                stopped = error
                change.outcome = "failed"
                change.after = {"stopped_at": error.step_id, "exit_code": error.exit_code}
    ran = change.after.get("steps")
    return _report(request.as_json, migration, stopped, f"{ran} steps were run" if ran else "nothing to do")


def run_undo(phase: str, to: str, stack: str, *, dry_run: bool, yes: bool, as_json: bool) -> ExitCode:
    """Take steps back, after saying which ones, and which cannot be."""
    if phase not in _UNDO_PHASES:
        raise PlanRefused(
            f"{phase!r} is no phase{did_you_mean(phase, _UNDO_PHASES) or '.'}",
            next_step="give phase1, phase2 or phase3.",
        )
    migration = open_migration(cast(PhaseName, phase), stack)
    (plan,) = migration.phases
    names = [step.step_id for step in plan.steps]
    if to and to not in names:
        raise PlanRefused(
            f"{phase} of stack {stack} has no step {to!r}{did_you_mean(to, names) or '.'}",
            next_step=f"its steps: {', '.join(names)}.",
        )
    check_undo(cast(PhaseName, phase), stack, migration.progress)
    console = make_console(stderr=as_json)
    steps = undoable(plan, to, migration.progress)
    for step, undo in steps:
        console.print(f"{step.step_id}: `{undo}`", markup=False, soft_wrap=True)
    for step in steps_after(plan, to):
        if step.action and not step.undo and migration.progress.is_done(step.step_id):
            console.print(f"{step.step_id} stays: {step.no_undo}.", markup=False, soft_wrap=True)
    if dry_run or not steps:
        if not steps:
            console.print("Nothing is to be undone.")
        return ExitCode.OK
    if not _may(migration, yes, f"Undo this on stack {stack}, on the real Lambda Cloud?"):
        return ExitCode.OK
    stopped: GateRed | StepFailed | None = None
    with migration.journal.held(), closing(StepView(console)) as view:
        runner = Runner(migration.journal, view, environment=_environment(migration))
        why = f"sophia migrate undo {phase} --to {to or 'the beginning'} --stack {stack}"
        log = audit_log_of(migration.context.home.root, stack)
        with log.change(action="migrate undo", subject=f"stack {stack}", why=why) as change:
            try:
                change.after = {"undone": runner.undo(plan, to)}
            except (GateRed, StepFailed) as error:
                stopped = error
                change.outcome = "failed"
    return _report(as_json, migration, stopped, f"{len(steps)} steps were undone")


def _check(request: MigrateRequest, migration: Migration) -> None:
    home, progress = migration.context.home, migration.progress
    start = progress.start
    if request.start is not None:
        start = parse_start(request.start, today().date(), past_too=True)
    check_stack(request.phase, request.stack, migration.context.config, progress)
    check_calendar(request.phase, start, today().date())
    check_order(
        request.phase,
        request.stack,
        progress,
        has_file=lambda name: (home.checkout / f"Pulumi.{name}.yaml").is_file(),
        progress_of=lambda name: journal_of(home, name).progress(),
    )


def _print_plan(request: MigrateRequest, migration: Migration) -> ExitCode:
    if request.as_json:
        document = {
            "stack": request.stack,
            "dry_run": True,
            "phases": steps_document(migration.phases, migration.progress),
        }
        print(json.dumps(document, indent=2))
    else:
        show_plan(make_console(), migration.phases, migration.progress)
    return ExitCode.OK


def _report(
    as_json: bool, migration: Migration, stopped: GateRed | StepFailed | None, summary: str
) -> ExitCode:
    if as_json:
        progress = migration.journal.progress()
        document: dict[str, Any] = {
            "stack": migration.context.name,
            "done": stopped is None,
            "stopped": None if stopped is None else {"step": stopped.step_id, "message": str(stopped)},
            "phases": steps_document(migration.phases, progress),
        }
        print(json.dumps(document, indent=2))
    if stopped is None:
        make_console(stderr=as_json).print(f"{summary[0].upper()}{summary[1:]}.")
        return ExitCode.OK
    for line in last_lines(stopped.log_file, _LINES_SHOWN) if stopped.log_file else ():
        print(f"    {line}", file=sys.stderr)
    print(f"sophia: {stopped}", file=sys.stderr)
    if isinstance(stopped, GateRed):
        return ExitCode.FINDINGS
    known = stopped.exit_code in ExitCode.__members__.values()
    return ExitCode(stopped.exit_code) if known else ExitCode.FAILED


def _environment(migration: Migration) -> dict[str, str]:
    # Commands must look at the same folders although they are started from here.
    home = migration.context.home
    return {**os.environ, "SOPHIA_HOME": str(home.root), "SOPHIA_PROJECT": str(home.checkout)}


def _may(migration: Migration, yes: bool, question: str) -> bool:
    if yes or migration.context.config.endpoint == "emulator":
        return True
    if not sys.stdin.isatty():
        raise PlanRefused("Nobody can confirm here.", next_step="pass --yes. Nothing was sent.")
    return bool(ask(question, nothing="Nothing was sent."))
