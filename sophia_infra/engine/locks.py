"""Locks of the file backend: who holds a stack, and whether that process lives.

The engine writes one small JSON file per run and refuses to start while another is there. A run that is
killed leaves its file, and the engine never takes it away by itself (`pulumi cancel` does, for all locks of
the stack). Source: pkg/v3 v3.259.0 `backend/diy/lock.go`.
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
