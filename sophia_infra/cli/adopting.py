"""`sophia adopt --all`: the state of a stack from the account, by an update that may only take over."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sophia_infra.backup.adoption import Account, AdoptionRow, plan_adoption
from sophia_infra.cli.auditing import audited_update, record_fleet
from sophia_infra.cli.comparison import compare
from sophia_infra.cli.confirming import is_agreed
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.progress import UpdateProgress
from sophia_infra.cli.stack_context import StackContext, open_stack
from sophia_infra.cli.surroundings import Surroundings, make_ready
from sophia_infra.cli.update import run_verb
from sophia_infra.cli.views import make_console, show_findings
from sophia_infra.engine.errors import UpdateFailed
from sophia_infra.engine.events import Diagnostic, Event
from sophia_infra.engine.run import OperationOptions
from sophia_infra.engine.stacks import export_stack
from sophia_infra.model.money import format_usd
from sophia_infra.operations.doctor import Finding
from sophia_infra.operations.fleet_status import build_fleet_status
from sophia_infra.provider.serving import ADOPT_ONLY, ADOPT_ONLY_VARIABLE, ADOPT_WITH_NEW_CREDENTIALS
from sophia_infra.provider.session import Session

__all__ = ["AdoptRequest", "run_adopt"]

_NOT_REGISTERED = "ResourceRegistrationFailed"


@dataclass(frozen=True, slots=True)
class AdoptRequest:
    """What was asked for on the command line."""

    stack: str
    phase: int | None = None
    new_credentials: bool = False
    as_json: bool = False

    @property
    def command(self) -> str:
        """The command line that asks for this, as the audit log has it."""
        return f"sophia adopt --all --stack {self.stack}"


class _AdoptionProgress(UpdateProgress):
    """Without the program's traceback about a resource that is missing: the resource has said it already."""

    def on_event(self, event: Event) -> None:
        if not (isinstance(event, Diagnostic) and _NOT_REGISTERED in event.message):
            super().on_event(event)


def run_adopt(request: AdoptRequest, *, everything: bool, dry_run: bool, yes: bool) -> ExitCode:
    """Show what exists; without `dry_run` also write it into the state.

    Returns:
        FINDINGS when something stays out of the state or runs beside it; else OK.
    """
    if not everything:
        print(
            "sophia: say --all. One machine is taken over by `adopt: {id: ...}` in the stack file.",
            file=sys.stderr,
        )
        return ExitCode.USAGE
    console = make_console(stderr=request.as_json)
    context = open_stack(request.stack, phase=None if dry_run else request.phase)
    phase = request.phase or context.prepared.phase
    if dry_run:
        if context.emulator_is_stopped:
            print(
                f"sophia: the emulator of stack {context.name} is stopped, so nothing runs.", file=sys.stderr
            )
            return ExitCode.FINDINGS
        rows = _plan(context, phase, context.open_session())
        if request.as_json:
            print(json.dumps(_document(context, phase, rows), indent=2))
        else:
            _show(console, rows, would=True)
        return ExitCode.OK if all(row.is_whole for row in rows) else ExitCode.FINDINGS
    question = f"Write what exists of stack {context.name} into its state?"
    if not is_agreed(context, question, yes=yes, nothing="Nothing was changed."):
        return ExitCode.USAGE
    return _adopt(request, context, phase, console)


def _adopt(request: AdoptRequest, context: StackContext, phase: int, console: Console) -> ExitCode:
    with _AdoptionProgress(console, f"Stack {context.name}, phase {phase}: adopt") as progress:
        around = make_ready(context, progress)
        session = context.open_session(around.engine)
        rows = _plan(context, phase, session)
        state = export_stack(around.engine, context.name, context.home).get("deployment") or {}
        options = OperationOptions(
            # What an older state holds may be gone; what one part lacks must not keep the others out.
            refresh=bool(state.get("resources")),
            arguments=("--continue-on-error",),
            message="adopt --all",
        )
        changes: Mapping[str, int] = {}
        failed: UpdateFailed | None = None
        with audited_update(context, "adopt", request.command, session.instances.rows(0)) as change:
            try:
                result = run_verb(context, _adopting(request, context, around), "up", progress, options)
                changes = result.changes
            except UpdateFailed as error:
                failed = error
                change.outcome = "failed"
            progress.say("comparing state and account")
            found = compare(context, around.engine, context.open_session(around.engine))
            status = build_fleet_status(context.tag, context.instances, found.machines, found.now_s)
            record_fleet(change, phase, status)
    if failed is not None and all(row.is_whole for row in rows):
        raise failed
    if request.as_json:
        print(json.dumps(_document(context, phase, rows, changes=changes, findings=found.findings), indent=2))
    else:
        _show(console, rows, would=False)
        if found.findings:
            show_findings(console, context.name, found.findings)
    complete = failed is None and not found.findings and all(row.is_whole for row in rows)
    return ExitCode.OK if complete else ExitCode.FINDINGS


def _adopting(request: AdoptRequest, context: StackContext, around: Surroundings) -> Surroundings:
    # Machines of the emulator boot nothing, so no credentials of theirs can be lost.
    renews = request.new_credentials or context.config.endpoint == "emulator"
    how = ADOPT_WITH_NEW_CREDENTIALS if renews else ADOPT_ONLY
    return replace(around, environment={**around.environment, ADOPT_ONLY_VARIABLE: how})


def _plan(context: StackContext, phase: int, session: Session) -> list[AdoptionRow]:
    account = Account(
        instances=session.instances.rows(0),
        filesystems=session.filesystems.rows(0),
        ssh_keys=session.ssh_keys.rows(0),
        firewall_rulesets=session.firewall_rulesets.rows(0),
    )
    return plan_adoption(context.config, phase, context.tag, account)


def _show(console: Console, rows: Sequence[AdoptionRow], *, would: bool) -> None:
    table = Table(pad_edge=False, box=None)
    for heading in ("What", "Name", "Standing", "Id"):
        table.add_column(heading, overflow="fold")
    table.add_column("$/h", justify="right")
    for row in rows:
        rate = format_usd(row.usd_per_hour) if row.usd_per_hour else ""
        standing = Text(row.standing, "" if row.is_whole else "bold red")
        table.add_row(row.kind, row.name, standing, "\n".join(row.ids), rate)
    console.print(table)
    found = sum(row.standing == "found" for row in rows)
    left = [row for row in rows if not row.is_whole]
    words = "would be taken over" if would else "are in the state"
    console.print(f"{found} of {len(rows)} {words}; nothing paid is launched, made or ended.")
    if any(row.standing == "missing" for row in left):
        console.print("What is missing: `sophia preview` shows it with its dollars, `sophia up` makes it.")
    if any(row.standing in ("another spec", "several", "unknown to the file") for row in left):
        console.print(
            "What cannot be told apart or is unknown: `sophia doctor` shows each with the exact fix."
        )


def _document(
    context: StackContext,
    phase: int,
    rows: Sequence[AdoptionRow],
    *,
    changes: Mapping[str, int] | None = None,
    findings: Sequence[Finding] = (),
) -> dict[str, object]:
    """With `changes` of None nothing was changed."""
    return {
        "stack": context.name,
        "phase": phase,
        "rows": [row.as_json() for row in rows],
        "whole": all(row.is_whole for row in rows),
        "changes": None if changes is None else dict(changes),
        "findings": [finding.as_json() for finding in findings],
    }
