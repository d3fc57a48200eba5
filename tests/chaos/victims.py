"""Find and end the processes of one update, from outside, at a moment that the emulator holds open."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sophia_infra.emulator.faults import FaultRule
from sophia_infra.engine.errors import EngineError
from sophia_infra.engine.run import OperationResult
from tests.engine.project import Project

_DEADLINE_S = 60.0
_POLL_S = 0.01


@dataclass
class BackgroundUpdate:
    """One `up` in a thread; `outcome` is its result or its error once it has ended."""

    project: Project
    outcome: OperationResult | EngineError | None = None
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="update")
        self._thread.start()

    def _run(self) -> None:
        try:
            self.outcome = self.project.up()
        except EngineError as error:
            self.outcome = error

    def wait(self) -> None:
        self._thread.join(_DEADLINE_S)
        assert not self._thread.is_alive(), "the update did not end"

    def engine_pid(self) -> int:
        """The pulumi command of this project: its stack file is named on its command line."""
        marker = str(self.project.home.stacks).encode()
        found = [
            pid
            for pid, words in _command_lines()
            if words[0].endswith(b"/pulumi") and marker in b" ".join(words)
        ]
        assert len(found) == 1, found
        return found[0]

    def provider_pid(self) -> int:
        """The Python process that serves the dynamic resources of this engine."""
        children = _descendants(self.engine_pid())
        found = [pid for pid, words in _command_lines() if pid in children and b"pulumi.dynamic" in words]
        assert len(found) == 1, found
        return found[0]


@contextmanager
def held(project: Project, operation: str, when: str) -> Iterator[FaultRule]:
    """The next request of `operation` stops at that moment until released; at the latest when this ends."""
    with project.cloud.lock:
        rule = project.cloud.faults.add(operation, when, "hold")
    try:
        yield rule
    finally:
        with project.cloud.lock:
            rule.release(go_on=True)


def release(project: Project, rule: FaultRule) -> None:
    with project.cloud.lock:
        rule.release(go_on=True)


def kill(pid: int) -> None:
    """SIGKILL, and wait until the process is gone or a zombie."""
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_running(pid))


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(_POLL_S)


def _command_lines() -> Iterator[tuple[int, list[bytes]]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0]:
                yield int(folder.name), words


def _descendants(root: int) -> set[int]:
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                status = (folder / "stat").read_text().rpartition(")")[2].split()
                parents[int(folder.name)] = int(status[1])
            except OSError:
                continue
    found = {root}
    while grown := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= grown
    return found
