"""The machines of a run on the emulator: there is nothing to log in to, so a job is played by the clock.

The command is not run. A job lasts `job_s` on the cloud's clock from its start, ends with `code`, and is kept
in a file, so that the process after a crash sees the same job.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sophia_infra.engine.home import write_private_file
from sophia_infra.model.clock import Clock
from sophia_infra.training.access import JobLook, JobStart, Node

__all__ = ["StandInAccess"]

_CANCELLED = -1.0
_TERMINATED = 143
"""As of a process that SIGTERM ended."""


@dataclass(frozen=True, slots=True)
class StandInAccess:
    """See `MachineAccess`. `file` keeps what was started when; `job_s` is in seconds of `clock`."""

    clock: Clock
    file: Path
    job_s: float = 600.0
    code: int = 0

    def answers(self, node: Node) -> bool:
        return bool(node.address)

    def start(self, job: JobStart, node: Node) -> None:
        started = self._read()
        started.setdefault(_name(job, node), self.clock.now())
        write_private_file(self.file, json.dumps(started))

    def look(self, job: JobStart, node: Node) -> JobLook:
        began_s = self._read().get(_name(job, node))
        if began_s is None:
            return JobLook("absent")
        if began_s == _CANCELLED:
            return JobLook("ended", _TERMINATED)
        if self.clock.now() - began_s < self.job_s:
            return JobLook("running")
        return JobLook("ended", self.code)

    def cancel(self, job: JobStart, node: Node) -> None:
        started = self._read()
        if _name(job, node) in started:
            write_private_file(self.file, json.dumps({**started, _name(job, node): _CANCELLED}))

    def forget(self, node: Node) -> None:
        """Nothing knows of it."""

    def collect(self, job: JobStart, node: Node, source: str, target: Path) -> str:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        note = f"{source} of node {node.number} of {job.run_id}: the emulator's machines hold nothing\n"
        write_private_file(target / "nothing-to-copy.txt", note)
        return "the emulator's machines hold nothing to copy"

    def _read(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self.file.read_text(encoding="utf-8"))
            if isinstance(found, dict):
                return found
        return {}


def _name(job: JobStart, node: Node) -> str:
    return f"{job.incarnation}/{node.number}"
