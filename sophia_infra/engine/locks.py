"""Locks of the file backend: who holds a stack, and whether that process lives.

The engine writes one small JSON file per run and refuses to start while another is there. A run that is
killed leaves its file, and the engine never takes it away by itself (`pulumi cancel` does, for all locks of
the stack). Source: pkg/v3 v3.259.0 `backend/diy/lock.go`.

Beside each file the backend keeps `<file>.attrs`, which it cuts to nothing before it writes it anew; the file
itself is replaced in one step. A run that is killed in between leaves attributes that nobody can read, and
then the engine reads nothing of the stack any more ("failed to load checkpoint: EOF"), though the state is
whole. Source: gocloud.dev v0.46 `blob/fileblob/attrs.go`; without attributes it takes its defaults.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_ORGANIZATION = "organization"  # the file backend has exactly this one
_START_TOLERANCE_S = 2.0
"""A process that began this much after the lock was written is another one with the same number."""


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who wrote a lock. `alive` is None when it was written on another host, where we cannot look."""

    file: Path
    pid: int
    user: str
    host: str
    since: datetime
    alive: bool | None

    def __str__(self) -> str:
        state = {True: "still runs", False: "is gone", None: "is on another host"}[self.alive]
        when = self.since.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        return f"process {self.pid} of {self.user} on {self.host}, since {when}, which {state}"


def find_locks(backend: Path, project: str, stack: str) -> tuple[LockHolder, ...]:
    """Return the locks on `stack` in the file backend `backend`, oldest first, without unreadable ones."""
    folder = backend / ".pulumi" / "locks" / _ORGANIZATION / project / stack
    holders = [holder for file in folder.glob("*.json") if (holder := _read_lock(file))]
    return tuple(sorted(holders, key=lambda holder: holder.since))


def remove_torn_attributes(backend: Path, project: str, stack: str) -> tuple[Path, ...]:
    """Take away attributes of the stack's files that are no JSON, and return them.

    Only to be called while a dead run's lock keeps others out: a live one may be writing them.
    """
    root = backend / ".pulumi"
    own = [root / part / project / stack for part in ("history", "backups")]
    own.append(root / "locks" / _ORGANIZATION / project / stack)
    files = [file for folder in own for file in folder.rglob("*.attrs")]
    files += (root / "stacks" / project).glob(f"{stack}.json*.attrs")
    torn = tuple(sorted(file for file in files if not _is_json(file)))
    for file in torn:
        file.unlink(missing_ok=True)
    return torn


def _is_json(file: Path) -> bool:
    try:
        json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


def _read_lock(file: Path) -> LockHolder | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        pid, host = int(content["pid"]), str(content["hostname"])
        since = _parse_time(str(content["timestamp"]))
        user = str(content["username"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    alive = _is_alive(pid, since) if host == socket.gethostname() else None
    return LockHolder(file=file, pid=pid, user=user, host=host, since=since, alive=alive)


def _parse_time(text: str) -> datetime:
    """Parse Go's RFC 3339, whose nanoseconds Python does not take."""
    if "." in text:
        head, _, tail = text.partition(".")
        digits = len(tail) - len(tail.lstrip("0123456789"))
        text = f"{head}.{tail[: min(digits, 6)]}{tail[digits:]}"
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is_alive(pid: int, since: datetime) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    started = _start_time(pid)
    return started is None or started <= since.timestamp() + _START_TOLERANCE_S


def _start_time(pid: int) -> float | None:
    """Return when a process began (Unix seconds), 'inf' for a zombie, or None where /proc does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        boot = next(
            line
            for line in Path("/proc/stat").read_text(encoding="utf-8").splitlines()
            if line[:5] == "btime"
        )
    except (OSError, StopIteration):
        return None
    fields = stat.rpartition(")")[2].split()  # the name in brackets may hold blanks
    if fields[0] == "Z":
        return float("inf")
    return int(boot.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
