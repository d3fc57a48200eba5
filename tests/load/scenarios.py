"""The loads themselves. Tests run them small; `python -m tests.load` as large as asked."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import uvloop

from sophia_infra.inference.catalogue import load_catalogue
from tests.load.asks import MODELS, mixture
from tests.load.books import Books, Line, compare, read_books
from tests.load.client import Told, run_load
from tests.load.stand import FAULTS, Stand

__all__ = ["Measured", "catalogue_prices", "load_with_faults", "load_with_kills"]

_CALLERS = 64
_SAMPLE_S = 0.5
_KILLED_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Measured:
    """One load, its books compared.

    Attributes:
        memory_mib: of the gateway, every half second.
        gateway_cpu_s: processor seconds of the gateway that ran last.
    """

    told: Sequence[Told]
    books: Books
    lines: Sequence[Line]
    took_s: float
    memory_mib: Sequence[float]
    gateway_cpu_s: float
    kills: int = 0

    @property
    def wrong(self) -> list[Line]:
        return [line for line in self.lines if not line.is_right]


def catalogue_prices() -> dict[str, tuple[Decimal, Decimal]]:
    """Model -> dollars per million tokens of input and of output."""
    catalogue = load_catalogue()
    prices = {name: catalogue.find(name).price() for name in MODELS}
    return {
        name: (price.usd_per_million_input, price.usd_per_million_output) for name, price in prices.items()
    }


def load_with_faults(folder: Path, requests: int, *, seed: int = 0) -> Measured:
    """So many calls while 5 % of what the backends do goes wrong."""
    with Stand(folder, faults=FAULTS) as stand:
        began_s = time.perf_counter()
        told, memory_mib = uvloop.run(_load_and_watch(stand, requests, seed))
        took_s = time.perf_counter() - began_s
        cpu_s = stand.gateway.cpu_s()
        books = read_books(stand, told)
    lines = compare(books, prices=catalogue_prices())
    return Measured(told, books, lines, took_s, memory_mib, cpu_s)


async def _load_and_watch(stand: Stand, requests: int, seed: int) -> tuple[list[Told], list[float]]:
    memory_mib: list[float] = []

    async def watch() -> None:
        while True:
            memory_mib.append(stand.gateway.memory_mib())
            await asyncio.sleep(_SAMPLE_S)

    watching = asyncio.ensure_future(watch())
    asks = itertools.islice(mixture(seed), requests)
    told = await run_load(stand.gateway.url, stand.keys["load"], asks, callers=_CALLERS)
    watching.cancel()
    return told, memory_mib


def load_with_kills(folder: Path, kills: int, *, seed: int = 0) -> Measured:
    """Load without a pause while the gateway is killed so many times, at moments drawn from `seed`."""
    with Stand(folder, faults=FAULTS, limits={"timeout_s": _KILLED_TIMEOUT_S}) as stand:
        began_s = time.perf_counter()
        told = uvloop.run(_load_and_kill(stand, kills, random.Random(seed)))
        took_s = time.perf_counter() - began_s
        cpu_s = stand.gateway.cpu_s()
        books = read_books(stand, told)
    lines = compare(books, prices=catalogue_prices(), in_one_life=False)
    return Measured(told, books, lines, took_s, (), cpu_s, kills)


async def _load_and_kill(stand: Stand, kills: int, chance: random.Random) -> list[Told]:
    is_up, is_over = asyncio.Event(), False
    is_up.set()

    async def kill_again_and_again() -> None:
        nonlocal is_over
        for _ in range(kills):
            await asyncio.sleep(chance.uniform(0.05, 0.6))
            is_up.clear()
            stand.kill_gateway()
            await asyncio.to_thread(stand.start_gateway)
            await asyncio.to_thread(stand.wait_until_ready)
            is_up.set()
        await asyncio.sleep(_SAMPLE_S)
        is_over = True

    async def wait_until_up() -> None:
        await asyncio.sleep(0)
        await is_up.wait()

    killing = asyncio.ensure_future(kill_again_and_again())
    asks = itertools.takewhile(lambda _: not is_over, mixture(chance.randrange(1_000)))
    told = await run_load(
        stand.gateway.url, stand.keys["load"], asks, callers=_CALLERS, after_lost=wait_until_up
    )
    await killing
    return told
