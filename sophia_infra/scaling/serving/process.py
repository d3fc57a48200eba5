"""What both processes are: pages, signals, and a pulse by which a hang is told."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry

from sophia_infra.metrics_server import MetricsServer

__all__ = ["Pulse", "asked_to_end", "serving"]

_HANGS_AFTER_S: Final = 1800.0
"""Longer than any pass: ten launches take two minutes, and one that is not answered is tried for minutes."""

_log = logging.getLogger(__name__)


class Pulse:
    """When a pass last ended.

    Args:
        every_s: between two passes.
        now: seconds that never run backwards.
    """

    def __init__(self, every_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._longest_s = _HANGS_AFTER_S + every_s
        self._now = now
        self._beat_at_s = now()
        self.was_felt = False

    def beat(self) -> None:
        """A pass ended, well or not."""
        self.was_felt = True
        self._beat_at_s = self._now()

    @property
    def is_alive(self) -> bool:
        """False when no pass has ended for so long that none will."""
        return self._now() - self._beat_at_s < self._longest_s


@contextmanager
def serving(registry: CollectorRegistry, listen: tuple[str, int], pulse: Pulse) -> Iterator[str]:
    """Serve /metrics, /ready (a first pass ended, whatever came of it) and /health; yields the address.

    Raises CannotListen.
    """
    server = MetricsServer(
        registry,
        listen,
        lambda: pulse.was_felt,
        waits_for="the first look has not ended",
        is_alive=lambda: pulse.is_alive,
    )
    with server:
        _log.info("serving %s/metrics", server.url)
        yield server.url


@contextmanager
def asked_to_end() -> Iterator[threading.Event]:
    """SIGTERM and SIGINT set the event, after which the pass that runs is the last."""
    stopped = threading.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in numbers}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
