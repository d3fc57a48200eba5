"""The processes of a control plane: they outlive the command that started them and are found by a record.

A record holds the pid, when the kernel says that the process began, and its command. Only a process that
began at that very moment is ours: a number that was given to somebody else is never signalled.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sophia_infra.engine.home import write_private_file

__all__ = ["Process", "forget", "is_running", "no_signals", "read_record", "start", "stop"]

STOP_GRACE_S = 15.0
"""How long a component has to end after SIGTERM; etcd and the API server take a second or two."""

_KILL_GRACE_S = 5.0
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Process:
    """A process that was started. `began` is text that only equals itself; empty where it was never seen."""

    pid: int
    began: str
    command: tuple[str, ...]


def start(command: Sequence[str], *, record: Path, log: Path, environment: Mapping[str, str]) -> Process:
    """Start `command` (first item a full path) in a session of its own, and write `record`.

    Its output goes to `log`; the log of the start before becomes `<log>.old`. Where the process that calls
    this is killed at any moment, the record names what runs: the command is written before the start.
    """
    if log.exists():
        log.replace(log.with_name(f"{log.name}.old"))
    _write(record, Process(0, "", tuple(command)))
    with no_signals():
        pid = os.posix_spawn(
            command[0],
            list(command),
            dict(environment),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGPIPE),
        )
        process = Process(pid, _began(pid), tuple(command))
        _write(record, process)
    return process


def read_record(record: Path) -> Process | None:
    """The process of `record`, running or not; None when there is no record."""
    try:
        fields = json.loads(record.read_text(encoding="utf-8"))
        process = Process(int(fields["pid"]), str(fields["began"]), tuple(fields["command"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return process if process.pid else _find_by_command(process.command)


def forget(record: Path) -> None:
    """Remove the record of a process that has ended."""
    record.unlink(missing_ok=True)


def is_running(process: Process) -> bool:
    """Whether this very process runs; one that has ended and was not collected yet does not."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
    began = _began(process.pid)
    return bool(began) and began == process.began


def stop(
    processes: Sequence[Process],
    *,
    grace_s: float = STOP_GRACE_S,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Process, ...]:
    """End `processes` together: SIGTERM, and SIGKILL after `grace_s`; return those that live on."""
    left = _signal_and_wait(processes, signal.SIGTERM, grace_s, sleep, clock)
    return _signal_and_wait(left, signal.SIGKILL, _KILL_GRACE_S, sleep, clock)


def _signal_and_wait(
    processes: Sequence[Process],
    number: signal.Signals,
    limit_s: float,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> tuple[Process, ...]:
    left = tuple(process for process in processes if is_running(process))
    for process in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
    deadline = clock() + limit_s
    while left and clock() < deadline:
        sleep(_POLL_S)
        left = tuple(process for process in left if is_running(process))
    return left


def _write(record: Path, process: Process) -> None:
    fields = {"pid": process.pid, "began": process.began, "command": process.command}
    write_private_file(record, json.dumps(fields) + "\n")


@contextmanager
def no_signals() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back in this thread until the end of the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _began(pid: int) -> str:
    """When process `pid` began, in the kernel's own words; empty when there is none or it has ended."""
    if sys.platform != "linux":
        answer = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        state, _, began = answer.stdout.strip().partition(" ")
        return "" if state.startswith("Z") else began.strip()
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def _find_by_command(command: tuple[str, ...]) -> Process | None:
    """The process with exactly this command, where a start was killed before it wrote the number down."""
    wanted = b"".join(os.fsencode(word) + b"\0" for word in command)
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if file.read_bytes() == wanted:
                pid = int(file.parent.name)
                return Process(pid, _began(pid), command)
    return None
