"""Thousands of streams open at the same time."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop

from tests.load.asks import LOAD, MODELS, Ask
from tests.load.books import Line, compare, read_books
from tests.load.client import Connection, Told
from tests.load.scenarios import catalogue_prices
from tests.load.stand import Stand, send

__all__ = ["Streams", "hold_streams"]

_TOKENS = 6
_OPENING_AT_ONCE = 200
_RELEASE_AGAIN_S = 0.2


@dataclass(frozen=True, slots=True)
class Streams:
    """Attributes:
    open_at_once: most streams that had begun and not ended at one moment, as their callers saw it.
    memory_mib: of the gateway before, and with all of them open.
    """

    told: list[Told]
    lines: list[Line]
    open_at_once: int
    took_s: float
    memory_mib: tuple[float, float]


def hold_streams(folder: Path, count: int) -> Streams:
    """Open `count` streams, hold each after two tokens until all are open, and read them to their end."""
    with Stand(folder, max_in_flight=count, limits={"open_streams": count}) as stand:
        for mock in stand.mocks.values():
            send(f"{mock.url}/_mock/faults", {"kind": "hold", "times": None, "containing": LOAD})
        before_mib = stand.gateway.memory_mib()
        began_s = time.perf_counter()
        told, open_at_once, open_mib = uvloop.run(_hold(stand, count))
        took_s = time.perf_counter() - began_s
        books = read_books(stand, told)
    lines = compare(books, prices=catalogue_prices())
    return Streams(told, lines, open_at_once, took_s, (before_mib, open_mib))


async def _hold(stand: Stand, count: int) -> tuple[list[Told], int, float]:
    opening, nothing_more_can_open = asyncio.Semaphore(_OPENING_AT_ONCE), asyncio.Event()
    now_open, open_at_once, open_mib, ended = 0, 0, 0.0, 0

    async def release() -> None:
        """Let go again and again: a stream that its caller saw begin may not have come to its stop yet."""
        nonlocal open_mib
        await nothing_more_can_open.wait()
        open_mib = stand.gateway.memory_mib()
        while True:
            for mock in stand.mocks.values():
                await asyncio.to_thread(send, f"{mock.url}/_mock/release", {})
            await asyncio.sleep(_RELEASE_AGAIN_S)

    def note() -> None:
        if now_open + ended == count:  # also when some failed to open: the caller wants to know which
            nothing_more_can_open.set()

    async def one(number: int) -> Told:
        nonlocal now_open, open_at_once, ended
        connection = Connection(stand.gateway.url, stand.keys["load"])
        has_begun = False

        async def begin() -> None:
            nonlocal now_open, open_at_once, has_begun
            opening.release()
            has_begun = True
            now_open += 1
            open_at_once = max(open_at_once, now_open)
            note()

        await opening.acquire()
        told = await connection.call(_ask(number), begin)
        connection.close()
        ended += 1
        if has_begun:
            now_open -= 1
        else:
            opening.release()
            note()
        return told

    releasing = asyncio.ensure_future(release())
    told = await asyncio.gather(*(one(number) for number in range(count)))
    releasing.cancel()
    return list(told), open_at_once, open_mib


def _ask(number: int) -> Ask:
    load_id = f"{LOAD}-{number:07d}"
    body = {
        "model": MODELS[0],
        "messages": [{"role": "user", "content": load_id}],
        "max_tokens": _TOKENS,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return Ask(number, "stream", MODELS[0], "/v1/chat/completions", json.dumps(body).encode(), load_id)
