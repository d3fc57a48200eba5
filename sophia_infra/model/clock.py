"""Time as an argument: every wait, age and pace in this project goes through a `Clock`.

Nothing here reads the time on import. Tests use `VirtualClock`, where a boot of 25 minutes takes
microseconds; the stack `local` uses `ScaledClock`, where 60 virtual seconds pass in one real second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

__all__ = ["Clock", "ScaledClock", "SystemClock", "VirtualClock"]


@runtime_checkable
class Clock(Protocol):
    """Seconds since 1970 (UTC), and a way to let them pass."""

    def now(self) -> float:
        """The time in seconds since 1970-01-01 UTC."""
        ...

    def sleep(self, duration_s: float) -> None:
        """Return once `duration_s` seconds of this clock have passed; at once when it is not positive."""
        ...


def _passed_s() -> float:
    """Seconds since some moment; suspension counts where the system tells."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class SystemClock:
    """The machine's clock, except that nobody turns it back under a process.

    A deadline would move away with it, and what a machine costs until then. Forward it is followed: what ends
    too early costs less. A suspended machine's time counts, as its instances are billed meanwhile.

    Args:
        wall: what people set, in seconds since 1970.
        passed: seconds since some moment, which nobody can set.
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, passed: Callable[[], float] = _passed_s
    ) -> None:
        self._wall, self._passed = wall, passed
        self._began_s = wall() - passed()

    def now(self) -> float:
        return max(self._wall(), self._began_s + self._passed())

    def sleep(self, duration_s: float) -> None:
        if duration_s > 0:
            time.sleep(duration_s)


class ScaledClock:
    """A clock that runs `speed` times as fast as the machine's, from `start_s` on.

    Args:
        speed: virtual seconds per real second, above 0.
        start_s: what it shows now; the machine's time when None.
    """

    def __init__(self, speed: float, start_s: float | None = None) -> None:
        if speed <= 0:
            raise ValueError(f"speed is {speed}; it must be above 0")
        self.speed = speed
        self._origin_real_s = time.monotonic()
        self._start_s = time.time() if start_s is None else start_s

    def now(self) -> float:
        return self._start_s + (time.monotonic() - self._origin_real_s) * self.speed

    def sleep(self, duration_s: float) -> None:
        if duration_s > 0:
            time.sleep(duration_s / self.speed)


class VirtualClock:
    """A clock that moves only when told to; a sleep moves it. Safe to share between threads."""

    def __init__(self, start_s: float = 1_790_000_000.0) -> None:
        self._now_s = start_s
        self._lock = threading.Lock()

    def now(self) -> float:
        with self._lock:
            return self._now_s

    def sleep(self, duration_s: float) -> None:
        self.advance(max(0.0, duration_s))

    def advance(self, duration_s: float) -> None:
        """Let `duration_s` seconds pass at once. Time never runs backwards: ValueError below 0."""
        if duration_s < 0:
            raise ValueError(f"cannot advance by {duration_s} s")
        with self._lock:
            self._now_s += duration_s
