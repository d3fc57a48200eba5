"""Calls at a fixed rate, whatever the answers take, so that a slow server cannot slow its own load."""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from collections import deque
from dataclasses import dataclass

import uvloop

from tests.load.asks import Ask, mixture
from tests.load.client import Connection, Told

__all__ = ["Paced", "pace"]

_WARM_UP = 100


@dataclass(frozen=True, slots=True)
class Paced:
    """Seconds from sending a call to its last byte, sorted."""

    took_s: list[float]

    def at(self, share: float) -> float:
        """A percentile: `at(0.95)`."""
        return self.took_s[min(len(self.took_s) - 1, int(len(self.took_s) * share))]


def pace(url: str, key: str, *, calls: int, rate_per_s: float) -> Paced:
    """Send so many chats, evenly spaced, over connections that are open already.

    Raises:
        RuntimeError: a call was not answered.
    """
    asks = list(itertools.islice(mixture(streams=0, shared=0), calls + _WARM_UP))
    gc.collect()
    gc.disable()  # a pause of the client is not the server's
    try:
        told = uvloop.run(_pace(url, key, asks, rate_per_s))
    finally:
        gc.enable()
    failed = [answer for answer in told if not answer.is_whole]
    if failed:
        raise RuntimeError(
            f"{len(failed)} of {calls} calls failed, one with {failed[0].status} {failed[0].code}"
        )
    return Paced(sorted(answer.took_s for answer in told[_WARM_UP:]))


async def _pace(url: str, key: str, asks: list[Ask], rate_per_s: float) -> list[Told]:
    free: deque[Connection] = deque()
    began_s = time.perf_counter() + 0.05

    async def one(place: int, ask: Ask) -> Told:
        due_s = began_s + place / rate_per_s
        await asyncio.sleep(due_s - time.perf_counter())
        connection = free.pop() if free else Connection(url, key)
        told = await connection.call(ask)
        free.append(connection)
        return told

    told = await asyncio.gather(*(one(place, ask) for place, ask in enumerate(asks)))
    for connection in free:
        connection.close()
    return told
