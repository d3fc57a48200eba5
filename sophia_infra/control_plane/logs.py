"""What the log of a component says about its end."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["last_lines"]

SHOWN_LINES = 5
SHOWN_CHARACTERS = 400
_READ_BYTES = 64 * 1024

_ERROR = re.compile(
    r'^[EF]\d{4} |^panic: |^fatal error: |^Error: |"level":"(error|fatal|panic|ERROR)"|Traceback|\w+Error:'
)
"""klog, the Go runtime, cobra, zap, slog, Python."""


def last_lines(log: Path, count: int = SHOWN_LINES) -> tuple[str, ...]:
    """The last `count` lines that tell of an error, else the last of all; long ones are cut.

    Go prints a page of stack after the one line that matters, so the end alone is no answer.
    """
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _READ_BYTES))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return ()
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    shown = [line for line in lines if _ERROR.search(line)] or lines
    return tuple(line[:SHOWN_CHARACTERS] for line in shown[-count:])
