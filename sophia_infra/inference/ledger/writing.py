"""`AsyncLedger`: the ledger for an event loop. One thread writes, many calls share a transaction.

While one batch commits, the next one gathers, so that the cost of a commit is shared under load and a lone
call waits for nobody.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import cast

from sophia_infra.inference.budgets import (
    ALL_SCOPE,
    BudgetScope,
    user_scope,
    window_limit_usd,
    windows,
)
from sophia_infra.inference.errors import InferenceError
from sophia_infra.inference.ledger.deciding import (
    Operation,
    Release,
    Reserve,
    Result,
    Settle,
    WindowKey,
    WindowSums,
)
from sophia_infra.inference.ledger.errors import LedgerUnavailable
from sophia_infra.inference.ledger.log_copying import LogCopier
from sophia_infra.inference.ledger.store import Ledger
from sophia_infra.inference.usage import Reservation, UsageEntry
from sophia_infra.model.gateway import InferenceBudget

__all__ = ["AsyncLedger"]

_WINDOWS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class _Recover:
    """Book what expired."""

    now: datetime


@dataclass(frozen=True, slots=True)
class _Waiting:
    work: Operation | _Recover
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[object]


class AsyncLedger:
    """Implements `sophia_infra.inference.budgets.AsyncLedger` on a `Ledger`, which it then owns.

    Calls are done in the order in which they were made: a `release` after a cancelled `reserve` frees it,
    whether or not the reserve was written yet.

    Args:
        budgets: known beforehand, so that `pressure` is right from the first call on; others are learnt.
        max_batch: most calls in one transaction.
        max_waiting: calls that may wait; the next one fails, so that a dead database costs no memory.
        now: the date, for `pressure` and recovery.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        budgets: Iterable[BudgetScope] = (),
        max_batch: int = 256,
        max_waiting: int = 20_000,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger = ledger
        self._now = now
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._budgets: dict[str, InferenceBudget] = {scope.name: scope.budget for scope in budgets}
        keys = [WindowKey(name, *start) for name in self._budgets for start in windows(now())]
        self._windows: dict[WindowKey, WindowSums] = ledger.windows(keys) if keys else {}
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._closing = False
        self._log_copier = LogCopier(ledger.database)
        self._thread = threading.Thread(target=self._write_all, name="sophia-ledger", daemon=True)
        self._thread.start()

    async def reserve(self, reservation: Reservation, budgets: Sequence[BudgetScope]) -> None:
        """See `Ledger.reserve`. Back once it is durable."""
        for scope in budgets:
            self._budgets[scope.name] = scope.budget
        await self._do(Reserve(reservation, tuple(budgets)))

    async def settle(self, entry: UsageEntry) -> bool:
        """See `Ledger.settle`. Back once it is durable; done even when the caller is cancelled meanwhile."""
        return bool(await self._do(Settle(entry)))

    async def track(self, entry: UsageEntry) -> bool:
        """See `Ledger.track`."""
        return bool(await self._do(Settle(entry)))

    async def release(self, request_id: str) -> None:
        """See `Ledger.release`."""
        await self._do(Release(request_id))

    async def recover(self, now: datetime | None = None) -> tuple[UsageEntry, ...]:
        """See `Ledger.recover`. Nothing does it by itself: `gateway.watched_ledger` asks for it."""
        return cast(tuple[UsageEntry, ...], await self._do(_Recover(now or self._now())))

    def pressure(self, user: str) -> int:
        """Percent used of the fullest window that binds `user`, rounded down; 100 and more is full.

        From memory: as of this process's last batch. Other gateways' calls show with the next one.
        """
        fullest = 0
        starts = windows(self._now())
        for name in (ALL_SCOPE, user_scope(user)):
            budget = self._budgets.get(name)
            if budget is None:
                continue
            for window, starts_at in starts:
                sums = self._windows.get(WindowKey(name, window, starts_at), WindowSums())
                limit_usd = window_limit_usd(budget, window)
                fullest = max(fullest, int(100 * sums.used_usd / limit_usd) if limit_usd else 100)
        return fullest

    async def aclose(self) -> None:
        """Write all that was asked for so far, then close the ledger. Later calls fail."""
        if not self._closing:
            self._closing = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._log_copier.close)
        self._ledger.close()

    async def _do(self, work: Operation | _Recover) -> object:
        if self._closing:
            raise LedgerUnavailable("The ledger is closed.", next_step="Open it again.")
        if self._queue.qsize() >= self._max_waiting:
            raise LedgerUnavailable(
                f"{self._max_waiting} writes wait for the ledger already.", retry_after_s=1
            )
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[object] = loop.create_future()
        self._queue.put(_Waiting(work, loop, answer))
        return await answer

    # From here on in the writing thread.

    def _write_all(self) -> None:
        closing = False
        while not closing:
            batch, closing = self._gather()
            self._write(batch)

    def _gather(self) -> tuple[list[_Waiting], bool]:
        batch: list[_Waiting] = []
        try:
            item = self._queue.get()
            while item is not None:
                batch.append(item)
                if len(batch) == self._max_batch:
                    return batch, False
                item = self._queue.get_nowait()
        except Empty:
            return batch, False
        return batch, True

    def _write(self, batch: list[_Waiting]) -> None:
        operations = [item.work for item in batch if not isinstance(item.work, _Recover)]
        results = iter(self._apply(operations) if operations else ())
        answers: list[object] = [
            self._recover(item.work.now) if isinstance(item.work, _Recover) else next(results)
            for item in batch
        ]
        _give_back(batch, answers)

    def _apply(self, operations: list[Operation]) -> Sequence[Result]:
        try:
            results = self._ledger.apply(operations)
        except Exception as error:
            return [_failure(error) for _ in operations]
        self._log_copier.note_written()
        self._remember(self._ledger.last_windows())
        return results

    def _recover(self, now: datetime) -> object:
        try:
            written = self._ledger.recover(now)
        except Exception as error:
            return _failure(error)
        self._remember(self._ledger.last_windows())
        return written

    def _remember(self, seen: dict[WindowKey, WindowSums]) -> None:
        self._windows.update(seen)
        if len(self._windows) > _WINDOWS_KEPT:
            starts = set(windows(self._now()))
            self._windows = {key: sums for key, sums in self._windows.items() if key[1:] in starts}


def _failure(error: Exception) -> LedgerUnavailable:
    """An error of its own for each caller: they are raised in several tasks."""
    if isinstance(error, LedgerUnavailable):
        return LedgerUnavailable(error.message, next_step=error.next_step)
    return LedgerUnavailable(f"The ledger failed ({type(error).__name__}).")


def _give_back(batch: list[_Waiting], answers: list[object]) -> None:
    """One wake-up for each event loop. A loop that is closed has nobody left who waits."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[object], object]]] = {}
    for item, answer in zip(batch, answers, strict=True):
        by_loop.setdefault(item.loop, []).append((item.answer, answer))
    for loop, pairs in by_loop.items():
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, pairs)


def _resolve(pairs: list[tuple[asyncio.Future[object], object]]) -> None:
    for future, answer in pairs:
        if future.done():
            continue
        if isinstance(answer, InferenceError):
            future.set_exception(answer)
        else:
            future.set_result(answer)
