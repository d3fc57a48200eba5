"""Starting and ending the programs that this room runs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from sophia_infra.privacy import PRIVATE_UMASK

_TETHER = Path(__file__).with_name("tether.py")


def start_tethered(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: Path,
    death_signal: signal.Signals,
    stdout: int | IO[Any],
    stderr: int | IO[Any],
) -> subprocess.Popen[bytes]:
    """Start `command` (first item a full path) in its own session, without input.

    A Ctrl-C in the terminal does not reach it: the caller forwards signals as it sees fit. On Linux it gets
    `death_signal` when the thread that called this ends, so that no run goes on unattended.
    """
    tether = [sys.executable, "-I", "-S", str(_TETHER), str(int(death_signal)), str(os.getpid())]
    return subprocess.Popen(
        [*tether, *command],
        env=dict(environment),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        umask=PRIVATE_UMASK,
    )


def signal_group(process: subprocess.Popen[bytes], signal_number: signal.Signals) -> None:
    """Send a signal to the whole process group of `process`, or nothing when it has ended."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal_number)


def end_group(process: subprocess.Popen[bytes], *, grace_s: float = 3.0) -> None:
    """End `process` and its group: SIGTERM, and SIGKILL after `grace_s`. Returns when it has ended."""
    signal_group(process, signal.SIGTERM)
    try:
        process.wait(timeout=grace_s)
    except subprocess.TimeoutExpired:
        signal_group(process, signal.SIGKILL)
        process.wait()
