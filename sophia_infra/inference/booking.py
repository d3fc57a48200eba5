"""One reservation and how it ends: settled or released, exactly once, whatever happens to the caller."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from sophia_infra.inference.budgets import AsyncLedger, BudgetScope
from sophia_infra.inference.clock import Clock
from sophia_infra.inference.errors import LedgerUnavailable, OverBudget
from sophia_infra.inference.observer import Observer
from sophia_infra.inference.usage import Reservation, UsageEntry

__all__ = ["Booking", "uninterrupted"]

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

_SETTLE_WAITS_S = (
    0.2,
    1.0,
)  # a ledger that restarts is back within a second; the reservation covers the rest


class Booking:
    """The money of one call. `close` may be called again: only the first one counts."""

    def __init__(self, ledger: AsyncLedger, observer: Observer, clock: Clock) -> None:
        self._ledger = ledger
        self._observer = observer
        self._clock = clock
        self._request_id: str | None = None

    async def reserve(self, options: Sequence[Reservation], scopes: Sequence[BudgetScope]) -> int:
        """Set the first of `options` aside that fits all budgets, unless the caller goes away meanwhile.

        Returns:
            Its position.

        Raises:
            OverBudget: none fits; the error is the last one's.
            LedgerUnavailable: not written, or taken back, unless the ledger cannot be reached for that too:
                then it expires there and is booked as unknown.
        """
        for position, reservation in enumerate(options):
            try:
                await self._ledger.reserve(reservation, scopes)
            except OverBudget:
                if position == len(options) - 1:
                    raise
            except (asyncio.CancelledError, LedgerUnavailable):
                # Whether it was written is not known; the ledger takes both in order, so this undoes either.
                await uninterrupted(self._release(reservation.request_id))
                raise
            else:
                self._request_id = reservation.request_id
                return position
        raise ValueError("there is nothing to set aside")

    async def book_lost(
        self, reservation: Reservation, entry: UsageEntry, scopes: Sequence[BudgetScope]
    ) -> bool:
        """Write a lost try down; False when no budget has the room for it or the ledger is away."""
        return await uninterrupted(self._book_lost(reservation, entry, scopes))

    async def _book_lost(
        self, reservation: Reservation, entry: UsageEntry, scopes: Sequence[BudgetScope]
    ) -> bool:
        try:
            await self._ledger.reserve(reservation, scopes)
        except (OverBudget, LedgerUnavailable):
            return False
        try:
            await self._settle(entry)
        except LedgerUnavailable:
            # Set aside at the same amount, which the ledger books when it expires.
            _log.warning("The lost try %s is not written down yet.", entry.request_id)
        return True

    async def close(self, entry: UsageEntry | None) -> None:
        """Write `entry`, or give all money back when it is None.

        Raises:
            LedgerUnavailable: not written, after three tries. The money stays set aside until the ledger
                books it as unknown, so no budget is passed.
        """
        if self._request_id is None:
            return
        request_id, self._request_id = self._request_id, None
        await uninterrupted(self._close(request_id, entry))

    async def _close(self, request_id: str, entry: UsageEntry | None) -> None:
        if entry is None:
            await self._release(request_id)
        else:
            await self._settle(entry)

    async def _release(self, request_id: str) -> None:
        try:
            await self._ledger.release(request_id)
        except LedgerUnavailable:
            _log.warning("The ledger did not release %s; it expires by itself.", request_id)

    async def _settle(self, entry: UsageEntry) -> None:
        """Raises LedgerUnavailable after three tries."""
        for wait_s in (*_SETTLE_WAITS_S, None):
            try:
                is_new = await self._ledger.settle(entry)
                break
            except LedgerUnavailable:
                if wait_s is None:
                    raise
                await self._clock.sleep(wait_s)
        if is_new:
            self._observer.on_settled(entry)


async def uninterrupted(work: Coroutine[Any, Any, _T]) -> _T:
    """Finish `work` although the caller is cancelled; the cancellation goes on once it is done."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as stop:
            if not task.done():
                cancelled = stop
        except Exception:  # told again by result()
            break
    if cancelled is not None:
        if not task.cancelled() and task.exception() is not None:
            _log.warning("Work of a cancelled call failed: %s", type(task.exception()).__name__)
        raise cancelled
    return task.result()
