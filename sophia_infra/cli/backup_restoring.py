"""`sophia backup restore`: says what it would do, then does it, with lines in the audit log for each part."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sophia_infra.audit import audit_log_of
from sophia_infra.backup.databases import parse_address
from sophia_infra.backup.errors import BackupRefused, TargetOccupied
from sophia_infra.backup.restoring import SetReader
from sophia_infra.cli.backup_context import open_backups
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.finding_engine import find_engine_aloud
from sophia_infra.cli.stack_context import StackContext
from sophia_infra.cli.views import make_console
from sophia_infra.engine.home import LOCAL_STACK, write_private_file
from sophia_infra.engine.stacks import ensure_stack, export_stack, import_stack, stack_exists
from sophia_infra.operations.doctor import ids_in_state

__all__ = ["RestoreRequest", "run_restore"]


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """What was asked for on the command line."""

    stack: str
    set_id: str
    to: Path | None
    database: str | None
    url_env: str | None
    state: bool
    overwrite: bool

    @property
    def command(self) -> str:
        """The command line that asks for this, as the audit log has it."""
        return f"sophia backup restore {self.set_id} --stack {self.stack}"


def run_restore(request: RestoreRequest, *, yes: bool, as_json: bool) -> ExitCode:
    """Bring back what was named; without `yes` only say what that would be."""
    console = make_console(stderr=as_json)
    if request.to is None and request.database is None and not request.state:
        print(
            "sophia: say what: --to FOLDER for files, --database NAME --url-env VAR, or --state.",
            file=sys.stderr,
        )
        return ExitCode.USAGE
    if (request.database is None) != (request.url_env is None):
        print("sophia: --database and --url-env go together.", file=sys.stderr)
        return ExitCode.USAGE
    backups = open_backups(request.stack)
    key = backups.key
    manifest = backups.sets.open(request.set_id, key)
    reader = SetReader(backups.sets, manifest, key, backups.scratch)
    steps = _steps(request, backups.stack, reader)
    done: dict[str, Any] = {"set": manifest.set_id, "made_at": manifest.made_at, "restored": yes}
    console.print(f"Set {manifest.set_id} of {manifest.made_at}: what changed since is not in it.")
    log = audit_log_of(backups.stack.home.root, request.stack)
    for what, act in steps.items():
        if not yes:
            console.print(f"would restore {what}", soft_wrap=True)
            continue
        with log.change(action="backup restore", subject=what, why=request.command) as change:
            found = act()
            change.after = {"set": manifest.set_id, **found}
        console.print(f"restored {what}", soft_wrap=True)
        done |= found
    if not yes:
        console.print("Nothing was changed. Say --yes to do it.")
    elif request.state:
        console.print(
            f"Next: `sophia adopt --all --stack {request.stack}` takes in what was made since, and then "
            "`sophia preview` should show no change."
        )
    if as_json:
        print(json.dumps({**done, "steps": list(steps)}, indent=2))
    return ExitCode.OK


def _steps(
    request: RestoreRequest, context: StackContext, reader: SetReader
) -> dict[str, Callable[[], Mapping[str, Any]]]:
    """Sentence -> what to do. What can be refused without reading the set is refused here."""
    steps: dict[str, Callable[[], Mapping[str, Any]]] = {}
    if request.to is not None:
        folder = request.to
        steps[f"files to {folder}"] = lambda: {"files": reader.files_to(folder, overwrite=request.overwrite)}
    if request.database is not None and request.url_env is not None:
        name = request.database
        url = os.environ.get(request.url_env)
        if not url:
            raise BackupRefused(
                f"{request.url_env}, the address to restore {name} to, is not set.", next_step="export it."
            )
        address = parse_address(url, request.url_env)

        def fill() -> Mapping[str, Any]:
            reader.database_to(name, address, overwrite=request.overwrite)
            return {"database": name}

        steps[f"database {name} to {address.target}"] = fill
    if request.state:
        steps[f"state of stack {context.name}"] = lambda: _restore_state(request, context, reader)
    return steps


def _restore_state(request: RestoreRequest, context: StackContext, reader: SetReader) -> Mapping[str, Any]:
    home, name = context.home, context.name
    document = reader.state()
    engine = find_engine_aloud(home)
    now: Mapping[str, Any] = {}
    if stack_exists(engine, name, home):
        now = export_stack(engine, name, home).get("deployment") or {}
    newer = sorted(ids_in_state(now) - ids_in_state(document.get("deployment") or {}))
    if now.get("resources") and not request.overwrite:
        forgotten = f" It would forget the machines {', '.join(newer)}." if newer else ""
        raise TargetOccupied(
            f"Stack {name} has a state of {len(now['resources'])} resources.{forgotten} Nothing was changed.",
            next_step="`sophia preview --refresh` shows whether it is sound; --overwrite replaces it, and "
            "`sophia adopt --all` takes forgotten machines in again.",
        )
    if name == LOCAL_STACK:
        _restore_local_secrets(context, reader)
    ensure_stack(engine, context.prepared, home)
    import_stack(engine, name, document, home)
    resources = (document.get("deployment") or {}).get("resources") or []
    return {"resources": len(resources), "forgotten_machines": newer}


def _restore_local_secrets(context: StackContext, reader: SetReader) -> None:
    """The passphrase and the salt that open this state; those of the state that goes open nothing else."""
    passphrase, stack_file = reader.file("local/passphrase"), reader.file("local/stack.yaml")
    if passphrase is not None:
        write_private_file(context.home.passphrase_file, passphrase)
    if stack_file is not None:
        write_private_file(context.prepared.config_file, stack_file)
