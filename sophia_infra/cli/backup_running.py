"""`sophia backup create` and `prune`: the two that write to the store."""

from __future__ import annotations

import json
import time
from importlib.metadata import version
from typing import Any

from sophia_infra.audit import audit_log_of
from sophia_infra.backup.creating import create_set
from sophia_infra.backup.opening import backed_up_databases
from sophia_infra.backup.planning import plan_parts
from sophia_infra.backup.postgres import postgres_version
from sophia_infra.backup.retention import plan_prune
from sophia_infra.cli.backup_context import open_backups
from sophia_infra.cli.backup_views import set_document, size_text
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.local_inference_files import inference_folder
from sophia_infra.cli.progress import UpdateProgress
from sophia_infra.cli.views import make_console
from sophia_infra.engine.locate import find_engine
from sophia_infra.engine.stacks import export_stack, stack_exists
from sophia_infra.model.backup import RetentionConfig

__all__ = ["run_create", "run_prune"]


def run_create(stack: str, without: tuple[str, ...], *, dry_run: bool, as_json: bool) -> ExitCode:
    """Make a set of the stack, or say what would be in it."""
    console = make_console(stderr=as_json)
    backups = open_backups(stack)
    context, home = backups.stack, backups.stack.home
    key = backups.key
    databases, notes = backed_up_databases(
        context.config, inference_folder(home) / "usage.sqlite", without=without
    )
    versions = {"sophia": version("sophia-infra")}
    if any(address.server == "postgres" for address in databases.values()):
        versions["pg_dump"] = postgres_version()
    with UpdateProgress(console, f"Stack {stack}: backup") as progress:
        engine = find_engine(home, progress=progress.on_build)
        versions["pulumi"] = engine.version
        state: dict[str, Any] | None = None
        if stack_exists(engine, stack, home):
            state = export_stack(engine, stack, home)
        else:
            notes.append("state: the stack was never made")
        parts = plan_parts(home, stack, context.config, state, databases)
        if not dry_run:
            with audit_log_of(home.root, stack).change(
                action="backup create",
                subject=backups.sets.store.place,
                why=f"sophia backup create --stack {stack}",
            ) as change:
                manifest = create_set(
                    backups.sets.store, stack, key, parts, versions=versions, notes=notes, say=progress.say
                )
                change.after = {"set": manifest.set_id, "bytes": manifest.sealed_bytes}
    if dry_run:
        document = {"store": backups.sets.store.place, "parts": [part.name for part in parts], "notes": notes}
        if as_json:
            print(json.dumps(document, indent=2))
        else:
            console.print(f"Would copy to {backups.sets.store.place}: {', '.join(document['parts'])}.")
            for note in notes:
                console.print(f"not in it: {note}")
        return ExitCode.OK
    if as_json:
        print(json.dumps({"store": backups.sets.store.place, **set_document(manifest)}, indent=2))
        return ExitCode.OK
    for part in manifest.parts:
        console.print(f"{part.name:24} {size_text(part.plain_bytes):>10}")
    for note in manifest.notes:
        console.print(f"not in it: {note}")
    console.print(
        f"Set {manifest.set_id} in {backups.sets.store.place}: {len(manifest.parts)} parts, "
        f"{size_text(manifest.sealed_bytes)}, {manifest.seconds:.1f} s, sealed with key {manifest.key_id}."
    )
    return ExitCode.OK


def run_prune(stack: str, *, yes: bool, as_json: bool) -> ExitCode:
    """Remove what the retention does not keep, or say what."""
    console = make_console(stderr=as_json)
    backups = open_backups(stack)
    listing = backups.sets.listing()
    section = backups.stack.config.backup
    retention = RetentionConfig() if section is None else section.retention
    plan = plan_prune(listing.sets, listing.unfinished, retention, time.time(), backups.sets.is_good)
    leaving = [*plan.remove, *plan.abandoned]
    if yes and leaving:
        with audit_log_of(backups.stack.home.root, stack).change(
            action="backup prune",
            subject=backups.sets.store.place,
            why=f"sophia backup prune --stack {stack}",
            before={"sets": list(leaving)},
        ):
            for set_id in leaving:
                backups.sets.remove(set_id)
    if as_json:
        document = {
            "keep": dict(plan.keep),
            "remove": list(plan.remove),
            "abandoned": list(plan.abandoned),
            "removed": yes,
        }
        print(json.dumps(document, indent=2))
        return ExitCode.OK
    for set_id, why in plan.keep.items():
        console.print(f"keep    {set_id}  {why}")
    for set_id in leaving:
        console.print(f"remove  {set_id}  {'never finished' if set_id in plan.abandoned else 'older'}")
    done = "Removed" if yes else "Would remove"
    tail = "" if yes or not leaving else " Say --yes to do it."
    console.print(f"{done} {len(leaving)} of {len(plan.keep) + len(leaving)} sets.{tail}")
    return ExitCode.OK
