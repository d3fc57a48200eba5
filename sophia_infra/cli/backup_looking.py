"""`sophia backup list`, `verify` and `drill`: they change nothing of the stack and nothing of its sets."""

from __future__ import annotations

import json
import os
import time

from rich.table import Table

from sophia_infra.backup.databases import parse_address
from sophia_infra.backup.drills import read_drills, record_drill, run_drill
from sophia_infra.backup.restoring import SetReader
from sophia_infra.backup.verifying import verify_set
from sophia_infra.cli.backup_context import BackupContext, open_backups
from sophia_infra.cli.backup_views import age_text, drill_document, set_document, size_text
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.views import make_console

__all__ = ["run_drill_command", "run_list", "run_verify"]


def run_list(stack: str, *, max_age_minutes: int | None, as_json: bool) -> ExitCode:
    """Show the sets, newest first. FINDINGS when the newest is older than asked, or there is none."""
    console = make_console(stderr=as_json)
    backups = open_backups(stack)
    listing, now_s = backups.sets.listing(), time.time()
    newest_age_s = now_s - listing.sets[0].made_at_s if listing.sets else None
    drills = read_drills(backups.stack.home, stack)
    if as_json:
        document = {
            "stack": stack,
            "store": backups.sets.store.place,
            "newest_age_s": None if newest_age_s is None else round(newest_age_s, 3),
            "rpo_minutes": backups.rpo_minutes,
            "sets": [set_document(one) for one in listing.sets],
            "unfinished": sorted(listing.unfinished),
            "unreadable": listing.unreadable,
            "last_drill": drill_document(drills[-1]) if drills else None,
        }
        print(json.dumps(document, indent=2))
    else:
        table = Table(pad_edge=False, box=None)
        for heading in ("Set", "Age", "Size", "Made in", "Parts", "Key"):
            table.add_column(heading, overflow="fold")
        for one in listing.sets:
            parts = ", ".join(part.name for part in one.parts)
            age = age_text(now_s - one.made_at_s)
            table.add_row(
                one.set_id, age, size_text(one.sealed_bytes), f"{one.seconds:.1f} s", parts, one.key_id
            )
        console.print(table)
        for set_id in listing.unfinished:
            console.print(f"{set_id}: not finished")
        for set_id, why in listing.unreadable.items():
            console.print(f"{set_id}: {why}")
        console.print(f"{len(listing.sets)} whole sets of stack {stack} in {backups.sets.store.place}.")
        _say_ages(backups, newest_age_s)
    if max_age_minutes is not None and (newest_age_s is None or newest_age_s > max_age_minutes * 60):
        return ExitCode.FINDINGS
    return ExitCode.OK


def run_verify(stack: str, set_id: str, *, as_json: bool) -> ExitCode:
    """Read a set to its end. FINDINGS when a part of it is not what was written."""
    console = make_console(stderr=as_json)
    backups = open_backups(stack)
    key = backups.key
    manifest = backups.sets.open(set_id, key)
    verdicts = verify_set(backups.sets, manifest, key, backups.scratch)
    good = all(verdict.problem is None for verdict in verdicts)
    if as_json:
        document = {
            "set": manifest.set_id,
            "good": good,
            "parts": [verdict.as_json() for verdict in verdicts],
            "notes": list(manifest.notes),
        }
        print(json.dumps(document, indent=2))
    else:
        for verdict in verdicts:
            console.print(f"{verdict.part.name:24} {verdict.problem or verdict.found}", soft_wrap=True)
        for note in manifest.notes:
            console.print(f"not in it: {note}")
        console.print(
            f"Set {manifest.set_id} is whole: every byte is as it was written."
            if good
            else f"Set {manifest.set_id} is damaged. `sophia backup list` shows older ones."
        )
    return ExitCode.OK if good else ExitCode.FINDINGS


def run_drill_command(stack: str, set_id: str, scratch_url_env: str, *, as_json: bool) -> ExitCode:
    """Restore beside the real thing and record it. FINDINGS when it failed or took longer than the target."""
    console = make_console(stderr=as_json)
    backups = open_backups(stack)
    key = backups.key
    manifest = backups.sets.open(set_id, key)
    url = os.environ.get(scratch_url_env)
    server = parse_address(url, scratch_url_env) if url else None
    reader = SetReader(backups.sets, manifest, key, backups.scratch)
    drill = run_drill(reader, backups.scratch, server, say=lambda line: console.print(f"{line} ..."))
    record_drill(backups.stack.home, stack, drill)
    in_time = drill.rto_s <= backups.rto_minutes * 60
    fresh = drill.rpo_s <= backups.rpo_minutes * 60
    if as_json:
        document = {**drill_document(drill), "within_rto": in_time, "within_rpo": fresh}
        print(json.dumps(document, indent=2))
    else:
        for name, found in drill.databases.items():
            console.print(f"{name:24} {found['tables']} tables, {found['rows']} rows")
        console.print(f"{drill.files} files, {drill.resources} resources in the state")
        for problem in drill.problems:
            console.print(f"problem: {problem}", soft_wrap=True)
        console.print(
            f"Recovery time {age_text(drill.rto_s)} (target {backups.rto_minutes} min), recovery point "
            f"{age_text(drill.rpo_s)} ago (target {backups.rpo_minutes} min). "
            f"{'Everything came back.' if drill.passed else 'NOT everything came back.'}"
        )
        if not fresh:
            console.print(
                "The set is older than the target: `sophia backup create` more often, see docs/backup.md."
            )
    return ExitCode.OK if drill.passed and in_time else ExitCode.FINDINGS


def _say_ages(backups: BackupContext, newest_age_s: float | None) -> None:
    console = make_console()
    stack = backups.stack.name
    if newest_age_s is None:
        console.print(f"Nothing could be brought back. `sophia backup create --stack {stack}` makes a set.")
    elif newest_age_s > backups.rpo_minutes * 60:
        console.print(
            f"The newest is {age_text(newest_age_s)} old; the stack file says that at most "
            f"{backups.rpo_minutes} min may be lost."
        )
    drills = read_drills(backups.stack.home, stack)
    if drills:
        last = drills[-1]
        how = "passed" if last.passed else "FAILED"
        console.print(f"Last drill {last.when}: {how}, recovery time {age_text(last.rto_s)}.")
    else:
        console.print("No drill yet: `sophia backup drill` proves that a set can be brought back.")
