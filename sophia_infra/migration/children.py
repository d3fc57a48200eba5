"""One command of a step as a process: its own group, output into a file, Ctrl-C passed on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sophia_infra.engine.cancellation import Cancellation
from sophia_infra.engine.processes import start_tethered

__all__ = ["SOPHIA", "Ended", "last_lines", "run_child", "still_runs"]

SOPHIA: Final = (sys.executable, "-m", "sophia_infra.cli")
_POLL_S: Final = 0.1
_TAIL_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended. `stop_asked`: Ctrl-C came while it ran, whatever its exit code is then."""

    exit_code: int
    duration_s: float
    stop_asked: bool


def run_child(
    command: Sequence[str],
    log_file: Path,
    *,
    environment: Mapping[str, str],
    on_start: Callable[[tuple[int, int]], None],
    on_output: Callable[[str], None],
) -> Ended:
    """Run `command` to its end; all it prints goes to `log_file`.

    Ctrl-C asks it to stop as the engine room's `Cancellation` says. Should this process be killed, the
    command gets the same polite request.

    Args:
        on_start: called with (process id, start time in clock ticks) before anything else.
        on_output: called with the last line printed, when it changed.
    """
    started_s = time.monotonic()
    cancellation = Cancellation()
    with log_file.open("wb") as output:
        process = start_tethered(
            command,
            environment=environment,
            directory=Path.cwd(),
            death_signal=signal.SIGINT,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        with cancellation.controls(process):
            on_start((process.pid, _start_ticks(process.pid)))
            shown = ""
            while process.poll() is None:
                cancellation.wait(_POLL_S)
                line = "".join(last_lines(log_file, 1))
                if line != shown:
                    shown = line
                    on_output(line)
    duration_s = time.monotonic() - started_s
    code = process.returncode if process.returncode >= 0 else 128 - process.returncode
    return Ended(code, duration_s, cancellation.requests > 0)


def still_runs(child: tuple[int, int]) -> bool:
    """Whether that very process lives: its number may have been given to another since."""
    pid, started = child
    return started != 0 and _start_ticks(pid) == started


def last_lines(log_file: Path, count: int) -> list[str]:
    """The last lines that are not empty; of a long file only its last 4 KiB are read."""
    try:
        with log_file.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-count:]


def _start_ticks(pid: int) -> int:
    """Start time from /proc, 0 for a process that is gone, a zombie, or a system without /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])
