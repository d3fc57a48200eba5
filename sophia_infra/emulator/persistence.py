"""The account in one file: written whole and atomically, read whole or refused.

Beside `F` stands `F.lock`: it is locked while an emulator uses `F`, and holds the virtual time of the
last request, so that after `kill -9` time goes on from there and never runs backwards.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import types
import typing
from pathlib import Path
from typing import Any, Protocol, Union, cast

from sophia_infra.emulator.core import Core
from sophia_infra.emulator.errors import StateFileCorrupt, StateFileInUse
from sophia_infra.emulator.records import State

__all__ = ["FORMAT", "VERSION", "Keeper", "NoKeeper", "StateFile", "StateKeeper"]

FORMAT = "sophia-emulator-state"
VERSION = 2
_TIME_WIDTH = 24


class Keeper(Protocol):
    """Who keeps the account beyond this process."""

    def save(self) -> None:
        """Keep all of it; called after each write that was done, before its answer leaves."""

    def note_time(self) -> None:
        """Remember the time; called at every request."""


class NoKeeper:
    """For an account that lives in memory only."""

    def save(self) -> None:
        """Nothing is kept."""

    def note_time(self) -> None:
        """Nothing is kept."""


class StateFile:
    """One state file, locked for this process until `close`.

    Raises:
        StateFileInUse: another emulator has it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_path = path.with_name(path.name + ".lock")
        self._fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise StateFileInUse(
                f"{path} is in use by another emulator; stop that one or choose another file"
            ) from None

    def close(self) -> None:
        """Give the lock back. The lock file stays: removing it would let two emulators in."""
        os.close(self._fd)

    def note_time(self, now_s: float) -> None:
        """Remember the time cheaply (no fsync: enough for a killed process, not for a power cut)."""
        os.pwrite(self._fd, f"{now_s:<{_TIME_WIDTH}.6f}".encode(), 0)

    def save(self, core: Core) -> None:
        """Write everything: temporary file, fsync, rename, fsync of the folder. OSError when it cannot."""
        text = json.dumps(
            {
                "format": FORMAT,
                "version": VERSION,
                "now_s": core.now(),
                "random": core.random.getstate(),
                "state": dataclasses.asdict(core.state),
            },
            separators=(",", ":"),
        )
        temporary = self.path.with_name(self.path.name + ".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def load(self, core: Core) -> float | None:
        """Put the saved account into `core`; the time it had reached, or None when there is no file.

        Raises:
            StateFileCorrupt: not a whole state of this version; `core` is untouched.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise self._corrupt("it is not text") from error
        try:
            saved = json.loads(text)
        except ValueError as error:
            raise self._corrupt(f"it is not JSON ({error})") from error
        if not isinstance(saved, dict) or saved.get("format") != FORMAT:
            raise self._corrupt("it is not an emulator state")
        if saved.get("version") not in (1, VERSION):
            raise self._corrupt(f"it has version {saved.get('version')}, this emulator reads 1 and {VERSION}")
        try:
            if saved["version"] == 1:
                _upgrade(saved)
            if saved.keys() != {"format", "version", "now_s", "random", "state"}:
                raise ValueError("its top-level fields are not those of this version")
            state = cast("State", _decode(State, saved["state"], "state"))
            version, numbers, gauss = saved["random"]
            now_s = float(saved["now_s"])
            core.random.setstate((version, tuple(numbers), gauss))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._corrupt(str(error)) from error
        core.state = state
        return max(now_s, self._noted_time())

    def _noted_time(self) -> float:
        try:
            return float(os.pread(self._fd, _TIME_WIDTH, 0))
        except ValueError:
            return 0.0

    def _corrupt(self, why: str) -> StateFileCorrupt:
        return StateFileCorrupt(
            f"{self.path} cannot be used: {why}; restore it, or move it away to start with an empty cloud"
        )


class StateKeeper:
    """Keeps one account in one state file."""

    def __init__(self, file: StateFile, core: Core) -> None:
        self._file = file
        self._core = core

    def save(self) -> None:
        with self._core.lock:
            self._file.save(self._core)

    def note_time(self) -> None:
        self._file.note_time(self._core.now())


def _upgrade(saved: dict[str, Any]) -> None:
    """Of version 1, which knew no 1-Click Clusters."""
    for record in saved["state"]["instances"].values():
        record["cluster_id"] = None


def _decode(kind: Any, value: Any, place: str) -> Any:
    """`value` from JSON as `kind`; closed: a missing, unknown or wrongly typed field is a ValueError."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, Union):
        if value is None and type(None) in arguments:
            return None
        return _decode(next(one for one in arguments if one is not type(None)), value, place)
    if origin is list and isinstance(value, list):
        return [_decode(arguments[0], one, f"{place}[{index}]") for index, one in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        return {key: _decode(arguments[1], one, f"{place}.{key}") for key, one in value.items()}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        hints = typing.get_type_hints(kind)
        if value.keys() != hints.keys():
            raise ValueError(f"{place} has other fields: {', '.join(sorted(value.keys() ^ hints.keys()))}")
        return kind(**{name: _decode(hint, value[name], f"{place}.{name}") for name, hint in hints.items()})
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind in (str, bool, int) and type(value) is kind:
        return value
    raise ValueError(f"{place} is {type(value).__name__}, not {kind}")
