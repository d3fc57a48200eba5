"""Runs on disk: one folder each under `training/` of the project's own folder, and who holds it.

<run>/run.json      what was asked for, written once
<run>/state.json    how far it has come, replaced atomically by whoever attends it
<run>/launches/     launch intents, one file each (provider/journal.py)
<run>/stop          there when somebody asked it to stop
<run>/*.lock        held by the living process that attends it, and by its watchdog
<run>/results/      what was copied back
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from filelock import FileLock, Timeout

from sophia_infra.engine.home import Home, make_private_folder, write_private_file
from sophia_infra.model.errors import did_you_mean
from sophia_infra.provider.journal import Journal
from sophia_infra.provider.run_tags import RUN_ID
from sophia_infra.training.errors import RecordUnusable, RunHeld, RunMissing
from sophia_infra.training.run_spec import RunSpec
from sophia_infra.training.run_state import RunState

__all__ = ["RunFolder", "find_run", "list_runs", "new_run_id", "runs_folder"]

Role = Literal["starter", "watchdog"]
_LOOK_S: Final = 0.5
_BROKEN: Final = (OSError, ValueError, KeyError, TypeError, ArithmeticError)


def runs_folder(home: Home) -> Path:
    """Where all runs of this project folder lie."""
    return home.root / "training"


def new_run_id(now_s: float) -> str:
    """`20260820-101112-3fa9c1`: when it was made (UTC), and enough chance to be the only one."""
    moment = datetime.fromtimestamp(int(now_s), tz=UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's files."""

    path: Path

    @property
    def run_id(self) -> str:
        return self.path.name

    @property
    def journal(self) -> Journal:
        """Launch intents of this run alone."""
        return Journal(self.path / "launches")

    @property
    def results(self) -> Path:
        return self.path / "results"

    @property
    def known_hosts(self) -> Path:
        """Keys of the run's machines as they were first seen."""
        return self.path / "known_hosts"

    def make(self, spec: RunSpec) -> None:
        """Write a new run's record. Raises RecordUnusable; then nothing may be launched for it."""
        try:
            make_private_folder(self.path.parent)
            make_private_folder(self.path)
            write_private_file(self.path / "state.json", json.dumps(RunState().as_json()))
            write_private_file(self.path / "run.json", json.dumps(spec.as_json(), indent=1))
        except OSError as error:
            raise self._unusable("written", error) from error

    def spec(self) -> RunSpec:
        """Raises RecordUnusable."""
        try:
            return RunSpec.of(json.loads((self.path / "run.json").read_text(encoding="utf-8")))
        except _BROKEN as error:
            raise self._unusable("read", error) from error

    def state(self) -> RunState:
        """Raises RecordUnusable."""
        try:
            return RunState.of(json.loads((self.path / "state.json").read_text(encoding="utf-8")))
        except _BROKEN as error:
            raise self._unusable("read", error) from error

    def write_state(self, state: RunState) -> None:
        """Replace it durably. Only whoever holds the lock `starter` writes. Raises RecordUnusable."""
        try:
            write_private_file(self.path / "state.json", json.dumps(state.as_json(), indent=1))
        except OSError as error:
            raise self._unusable("written", error) from error

    def ask_to_stop(self) -> None:
        """Whoever attends the run ends it at its next look; so does its watchdog when nobody does."""
        (self.path / "stop").touch(mode=0o600)

    @property
    def stop_asked(self) -> bool:
        return (self.path / "stop").exists()

    @contextmanager
    def held(self, role: Role) -> Iterator[None]:
        """Hold the run as its one `role` while the block runs; a killed holder lets go by being dead.

        Raises:
            RunHeld: another living process has it.
        """
        lock = self._lock(role)
        try:
            # Longer than a look by `is_held` takes, which holds it for an instant.
            lock.acquire(timeout=_LOOK_S)
        except Timeout:
            raise RunHeld(
                f"Another process attends run {self.run_id} (process {self.holder(role) or 'unknown'}).",
                next_step=f"`sophia train status {self.run_id}` shows it; `stop` ends it.",
            ) from None
        try:
            write_private_file(self.path / f"{role}.pid", str(os.getpid()))
            yield
        finally:
            lock.release()

    def is_held(self, role: Role) -> bool:
        """Whether a living process has this role."""
        if not (self.path / f"{role}.lock").exists():
            return False
        lock = self._lock(role)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        return False

    def holder(self, role: Role) -> int | None:
        """Process id of the last holder, living or not; None when nobody wrote one."""
        try:
            return int((self.path / f"{role}.pid").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _lock(self, role: Role) -> FileLock:
        # Each look is its own lock object: within one process two of them exclude each other too.
        return FileLock(self.path / f"{role}.lock", mode=0o600, is_singleton=False)

    def _unusable(self, done: str, error: Exception) -> RecordUnusable:
        why = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        return RecordUnusable(
            f"The record of run {self.run_id} in {self.path} cannot be {done} ({why}). Nothing was launched.",
            next_step="free space there, or correct its owner and mode. Machines that run for it end at "
            "their deadline by `sophia train sweep`.",
        )


def list_runs(home: Home) -> list[RunFolder]:
    """Every run that was begun on this machine, oldest first; folders without a record left out."""
    folder = runs_folder(home)
    found = [
        path for path in folder.glob("*") if RUN_ID.fullmatch(path.name) and (path / "run.json").exists()
    ]
    return [RunFolder(path) for path in sorted(found)]


def find_run(home: Home, run_id: str) -> RunFolder:
    """The run of that id, or the only one that begins or ends with it. Raises RunMissing."""
    runs = list_runs(home)
    exact = [run for run in runs if run.run_id == run_id]
    close = exact or [run for run in runs if run.run_id.startswith(run_id) or run.run_id.endswith(run_id)]
    if len(close) == 1:
        return close[0]
    names = [run.run_id for run in runs]
    if close:
        raise RunMissing(
            f"{run_id!r} fits {len(close)} runs: {', '.join(run.run_id for run in close)}.",
            next_step="give the whole id.",
        )
    raise RunMissing(
        f"No run {run_id!r} was begun on this machine{did_you_mean(run_id, names)}.",
        next_step="`sophia train list` shows all, those of other machines too.",
    )
