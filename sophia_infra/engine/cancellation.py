"""Stopping a run of the engine: politely, then at once, then by force."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from sophia_infra.engine.processes import signal_group

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Cancellation:
    """Counts the requests to stop one run, and passes them on to the engine.

    The first request lets the steps that run end and be recorded. The second makes the engine end at once; a
    step that was running stays in the state as pending. What is left `KILL_AFTER_S` after the second
    request, or at the third one, is killed. `request` may be called from any thread or signal handler.
    """

    KILL_AFTER_S = 10.0

    def __init__(self, on_first_request: Callable[[], None] | None = None) -> None:
        """`on_first_request` is called once, before the engine is told, outside of any signal handler."""
        self.requests = 0
        self._on_first_request = on_first_request
        self._passed_on = 0
        self._kill_at_s: float | None = None
        self._killed = False
        self._requested = threading.Event()

    @property
    def forced(self) -> bool:
        """Whether the engine was told to end at once, so that a step may have been cut off."""
        return self._passed_on > 1

    def request(self) -> None:
        """Ask once more for the run to stop."""
        self.requests += 1
        self._requested.set()

    def wait(self, timeout_s: float) -> None:
        """Wait up to `timeout_s`, less when a request comes in."""
        self._requested.wait(timeout_s)
        self._pass_on()

    @contextmanager
    def controls(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Let this object stop `process`; on leaving, the process has ended, whatever was raised inside.

        In the main thread SIGINT, SIGTERM and SIGHUP become requests meanwhile.
        """
        self._process = process
        in_main_thread = threading.current_thread() is threading.main_thread()
        before = {number: signal.getsignal(number) for number in _STOP_SIGNALS} if in_main_thread else {}
        for number in before:
            signal.signal(number, self._on_signal)
        try:
            yield
        finally:
            try:
                while process.poll() is None:
                    if not self.requests:
                        self.request()
                    self.wait(0.05)
            finally:
                for number, handler in before.items():
                    signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.request()

    def _pass_on(self) -> None:
        self._requested.clear()
        while self._passed_on < self.requests:
            self._passed_on += 1
            if self._passed_on == 1 and self._on_first_request is not None:
                self._on_first_request()
            if self._passed_on <= 2:
                signal_group(self._process, signal.SIGINT)
            if self._passed_on == 2:
                self._kill_at_s = time.monotonic() + self.KILL_AFTER_S
        overdue = self._kill_at_s is not None and time.monotonic() >= self._kill_at_s
        if (overdue or self._passed_on > 2) and not self._killed:
            self._killed = True
            signal_group(self._process, signal.SIGKILL)
