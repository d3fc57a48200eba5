"""The real command on a terminal of its own. Not a test itself."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

from tests.unit.cli.sophia_command import Sophia

WITHIN_S = 60.0


@contextlib.contextmanager
def on_terminal(sophia: Sophia, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`sophia ARGUMENTS` on a terminal of 80 columns and 24 lines, and our end of it."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "sophia_infra.cli", *arguments],
        env={**sophia.environment, "TERM": "xterm-256color"},
        cwd=sophia.home.parent,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        # A shell starts what it puts into the background with Ctrl-C ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    os.close(slave)
    try:
        yield process, master
    finally:
        process.kill()
        process.wait()
        os.close(master)


def read_until(master: int, wanted: bytes) -> bytes:
    """What was drawn until `wanted` was."""
    shown, deadline_s = b"", time.monotonic() + WITHIN_S
    while wanted not in shown:
        assert time.monotonic() < deadline_s, shown
        if select.select([master], [], [], 0.1)[0]:
            shown += os.read(master, 65_536)
    return shown


def read_to_end(master: int) -> bytes:
    """What is drawn until the other end is closed."""
    shown, deadline_s = b"", time.monotonic() + WITHIN_S
    with contextlib.suppress(OSError):  # Linux' word for the end of a terminal
        while True:
            assert time.monotonic() < deadline_s, shown
            if select.select([master], [], [], 0.1)[0]:
                part = os.read(master, 65_536)
                if not part:
                    break
                shown += part
    return shown
