"""A clock for tests of the inference room: hours pass in microseconds, in the order in which they would."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

__all__ = ["START", "VirtualClock", "run_async"]

_T = TypeVar("_T")

START = datetime(2026, 9, 14, 10, 30, tzinfo=UTC)
_IDLE_TURNS = 50


@dataclass(order=True)
class _Alarm:
    at_s: float
    order: int
    ring: Callable[[], None] = field(compare=False)
    is_sleep: bool = field(compare=False)
    off: bool = field(default=False, compare=False)


class VirtualClock:
    """Moves when told to (`advance`), or by itself to the next sleeper once nothing else can run.

    A timeout alone never moves it: it fires when a sleep or `advance` passes its time. So code that waits for
    a thread or a socket is safe from it.

    Args:
        start: what it shows first.
        auto: whether a sleep passes by itself. The clock then waits some turns of the event loop, in which
            all other tasks go on as far as they can, and jumps to the earliest alarm. False: only `advance`
            moves it.
    """

    def __init__(self, start: datetime = START, *, auto: bool = True) -> None:
        self._start = start
        self._elapsed_s = 0.0
        self._auto = auto
        self._alarms: list[_Alarm] = []
        self._order = 0
        self._mover: asyncio.Task[None] | None = None
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        return self._elapsed_s

    async def sleep(self, duration_s: float) -> None:
        self.sleeps.append(duration_s)
        if duration_s <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        alarm = self._set(duration_s, partial(_wake, woken), is_sleep=True)
        if self._auto and (self._mover is None or self._mover.done()):
            self._mover = asyncio.ensure_future(self._move())
        try:
            await woken
        finally:
            alarm.off = True

    def timeout(self, duration_s: float) -> AbstractAsyncContextManager[object]:
        return self._timeout(duration_s)

    @asynccontextmanager
    async def _timeout(self, duration_s: float) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(0 if duration_s <= 0 else None) as limit:
            alarm = self._set(duration_s, lambda: limit.reschedule(loop.time()), is_sleep=False)
            try:
                yield
            finally:
                alarm.off = True

    def advance(self, duration_s: float) -> None:
        """Let `duration_s` seconds pass; alarms whose time has come ring in order."""
        if duration_s < 0:
            raise ValueError(f"cannot advance by {duration_s} s")
        until_s = self._elapsed_s + duration_s
        while self._alarms and self._alarms[0].at_s <= until_s:
            self._ring_next()
        self._elapsed_s = until_s

    def _set(self, duration_s: float, ring: Callable[[], object], *, is_sleep: bool) -> _Alarm:
        self._order += 1
        alarm = _Alarm(self._elapsed_s + duration_s, self._order, lambda: (ring(), None)[1], is_sleep)
        heapq.heappush(self._alarms, alarm)
        return alarm

    def _ring_next(self) -> None:
        alarm = heapq.heappop(self._alarms)
        if not alarm.off:  # what was given up moves nothing
            alarm.off = True
            self._elapsed_s = max(self._elapsed_s, alarm.at_s)
            alarm.ring()

    async def _move(self) -> None:
        while any(alarm.is_sleep and not alarm.off for alarm in self._alarms):
            for _ in range(_IDLE_TURNS):
                await asyncio.sleep(0)
            while self._alarms and self._alarms[0].off:
                heapq.heappop(self._alarms)
            if any(alarm.is_sleep and not alarm.off for alarm in self._alarms):
                self._ring_next()


def run_async(work: Coroutine[Any, Any, _T]) -> _T:
    """Run `work` on an event loop of its own."""
    return asyncio.run(work)


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
