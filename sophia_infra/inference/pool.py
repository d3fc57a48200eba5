"""Which backends can take a call now, and a place at one of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from sophia_infra.inference.clock import Clock, SystemClock
from sophia_infra.inference.errors import DeadlinePassed, NoBackendReady, QueueFull
from sophia_infra.model.gateway import BackendConfig

__all__ = ["OpenPool", "Pool", "QueueObserver", "SlotQueue"]

QueueObserver = Callable[[str, int], None]
"""Called with a backend and how many calls wait for it, each time the number changes."""

_QUEUE_RETRY_S = 1.0


class Pool(Protocol):
    """What the dispatcher asks before each try."""

    def candidates(self, model: str) -> Sequence[str]:
        """Backends that are ready for `model` now, the least loaded first."""
        ...

    def slot(self, backend: str, deadline_s: float) -> AbstractAsyncContextManager[None]:
        """A place at `backend`, held while inside.

        Args:
            deadline_s: seconds to wait for it at most.

        Raises:
            QueueFull: as many calls wait as may.
            NoBackendReady: the backend is not ready any more.
            DeadlinePassed: no place became free in time.
        """
        ...


@dataclass(slots=True)
class _Places:
    free: int
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class SlotQueue:
    """Places per backend and one bounded queue for all of them; first come, first served for each backend.

    Args:
        capacity: backend -> calls at once.
        max_waiting: calls that may wait, all backends together.
        on_queue: told each change of a backend's queue.
        clock: for the waiting; the machine's when None.
    """

    def __init__(
        self,
        capacity: Mapping[str, int],
        max_waiting: int,
        on_queue: QueueObserver | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._capacity = dict(capacity)
        self._places = {name: _Places(free) for name, free in capacity.items()}
        self._max_waiting = max_waiting
        self._on_queue = on_queue
        self._clock = clock or SystemClock()
        self.waiting = 0

    def load(self, backend: str) -> float:
        """Calls running and waiting there, as a share of its places: 1 is full, more has a queue."""
        places = self._places[backend]
        capacity = self._capacity[backend]
        return (capacity - places.free + len(places.waiting)) / capacity

    def in_flight(self, backend: str) -> int:
        """Calls that hold a place at `backend`."""
        return self._capacity[backend] - self._places[backend].free

    @asynccontextmanager
    async def slot(self, backend: str, deadline_s: float) -> AsyncIterator[None]:
        """See `Pool.slot`."""
        await self._take(backend, deadline_s)
        try:
            yield
        finally:
            self._give_back(backend)

    def refuse_waiting(self, backend: str) -> None:
        """Send away who waits for `backend`, which is not ready any more."""
        waiting = self._places[backend].waiting
        for place in waiting:
            if not place.done():
                place.set_exception(_lost(backend))

    async def _take(self, backend: str, deadline_s: float) -> None:
        if backend not in self._places:
            raise NoBackendReady(f"There is no backend {backend}.")
        places = self._places[backend]
        if places.free > 0 and not places.waiting:
            places.free -= 1
            return
        if self.waiting >= self._max_waiting:
            raise QueueFull(f"{self.waiting} calls wait for a backend already.", retry_after_s=_QUEUE_RETRY_S)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        places.waiting.append(place)
        self._queued(backend, 1)
        try:
            async with self._clock.timeout(deadline_s):
                await place
        except BaseException as stopped:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._give_back(backend)  # it came in the same turn of the loop in which we stopped waiting
            if isinstance(stopped, TimeoutError):
                raise DeadlinePassed(f"No place became free at {backend} in time.") from None
            raise
        finally:
            if place in places.waiting:
                places.waiting.remove(place)
            self._queued(backend, -1)

    def _give_back(self, backend: str) -> None:
        places = self._places[backend]
        while places.waiting:
            place = places.waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        places.free += 1

    def _queued(self, backend: str, change: int) -> None:
        self.waiting += change
        if self._on_queue is not None:
            self._on_queue(backend, len(self._places[backend].waiting))


class OpenPool:
    """All backends are always ready: for clients without probes. Only `max_in_flight` and the queue count."""

    def __init__(
        self,
        backends: Mapping[str, BackendConfig],
        max_waiting: int,
        on_queue: QueueObserver | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._backends = dict(backends)
        self._slots = SlotQueue(
            {name: backend.max_in_flight for name, backend in backends.items()}, max_waiting, on_queue, clock
        )

    def candidates(self, model: str) -> Sequence[str]:
        """See `Pool.candidates`."""
        serving = [name for name, backend in self._backends.items() if model in backend.models]
        return sorted(serving, key=self._slots.load)

    def slot(self, backend: str, deadline_s: float) -> AbstractAsyncContextManager[None]:
        """See `Pool.slot`."""
        return self._slots.slot(backend, deadline_s)


def _lost(backend: str) -> NoBackendReady:
    return NoBackendReady(f"The backend {backend} stopped being ready while the call waited.")
