"""What the engine did with a stack before: one record per update, with the configuration that it ran with.

A file backend numbers nothing, so updates are numbered here, the oldest 1. Previews are in no history.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sophia_infra.engine.errors import UpdateFailed
from sophia_infra.engine.failures import Failure, explain
from sophia_infra.engine.home import Home, engine_environment
from sophia_infra.engine.locate import Engine
from sophia_infra.engine.stacks import COMMAND_TIMEOUT_S

__all__ = ["UpdateRecord", "stack_history"]

_CHANGES: Final = ("create", "update", "replace", "delete", "same")


@dataclass(frozen=True, slots=True)
class UpdateRecord:
    """One update.

    Attributes:
        number: 1 is the oldest.
        kind: `update`, `destroy` or `refresh`.
        started_s, ended_s: seconds since 1970.
        result: `succeeded`, `failed`, `in-progress`.
        changes: kind of change -> resources.
        config: key -> value as the stack file had it, without values that were encrypted.
        secret_keys: keys whose values were encrypted.
    """

    number: int
    kind: str
    started_s: float
    ended_s: float
    result: str
    changes: Mapping[str, int]
    config: Mapping[str, Any]
    secret_keys: tuple[str, ...] = ()


def stack_history(
    engine: Engine, stack: str, home: Home, *, environ: Mapping[str, str] = os.environ
) -> tuple[UpdateRecord, ...]:
    """Every update of `stack`, the oldest first; () for one that was never updated.

    Raises:
        StackMissing: no such stack. PassphraseWrong, UpdateFailed: the engine could not read it.
    """
    environment = engine_environment(
        stack,
        home,
        engine_directory=engine.directory,
        ambient_plugins=engine.ambient_plugins,
        environ=environ,
    )
    answer = subprocess.run(
        [engine.pulumi, "stack", "history", "--json", "--stack", stack, "--non-interactive"],
        env=environment,
        cwd=home.checkout,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    rows: Any = None
    if answer.returncode == 0:
        rows = json.loads(answer.stdout or "[]")
    if not isinstance(rows, list):
        raise explain(
            Failure(
                verb="stack history",
                stack=stack,
                exit_code=answer.returncode,
                text=answer.stderr or answer.stdout,
                project_file=home.checkout / "Pulumi.yaml",
                environment=environment,
            )
        )
    oldest_first = sorted(rows, key=lambda row: str(row["startTime"]))
    try:
        return tuple(_record(number, row) for number, row in enumerate(oldest_first, start=1))
    except (KeyError, TypeError, ValueError) as error:
        raise UpdateFailed(
            f"The history of {stack} cannot be read: {type(error).__name__}.",
            next_step="run `pulumi stack history --json` and look at it.",
            verb="stack history",
            stack=stack,
            exit_code=0,
        ) from None


def _record(number: int, row: Mapping[str, Any]) -> UpdateRecord:
    config = row.get("config") or {}
    plain = {
        key: held.get("objectValue", held.get("value"))
        for key, held in config.items()
        if not held.get("secret")
    }
    changes = row.get("resourceChanges") or {}
    return UpdateRecord(
        number,
        str(row["kind"]),
        _seconds(str(row["startTime"])),
        _seconds(str(row.get("endTime") or row["startTime"])),
        str(row["result"]),
        {kind: int(changes[kind]) for kind in _CHANGES if changes.get(kind)},
        plain,
        tuple(key for key, held in config.items() if held.get("secret")),
    )


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
