"""Ctrl-C and SIGTERM for commands that look again and again."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Stopping", "stopping"]


class Stopping:
    """A clock whose waits end when a stop is asked for."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def ask(self) -> None:
        self._asked.set()

    def is_asked(self) -> bool:
        return self._asked.is_set()

    def now(self) -> float:
        return time.time()

    def sleep(self, duration_s: float) -> None:
        self._asked.wait(duration_s)


@contextmanager
def stopping(words: str) -> Iterator[Stopping]:
    """The first signal asks for a stop after the look that runs; the second ends the process at once.

    Args:
        words: said on standard error at the first one: what becomes of things.
    """
    made = Stopping()

    def note(_number: int, _frame: FrameType | None) -> None:
        if made.is_asked():
            raise KeyboardInterrupt
        made.ask()
        print(f"sophia: stopping after this look; {words}.", file=sys.stderr)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield made
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
