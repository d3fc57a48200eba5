"""The ledger as the gateway uses it: remembers whether it works, and looks after what expired."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeVar

from sophia_infra.inference.budgets import AsyncLedger, BudgetScope
from sophia_infra.inference.clock import Clock
from sophia_infra.inference.errors import LedgerUnavailable
from sophia_infra.inference.usage import Reservation, UsageEntry

__all__ = ["RecoveringLedger", "WatchedLedger"]

_RECOVER_EVERY_S: Final = 60.0
_TRY_AGAIN_S: Final = 2.0

_Result = TypeVar("_Result")

_log = logging.getLogger(__name__)


class RecoveringLedger(AsyncLedger, Protocol):
    """A ledger that can book what nobody settled in time."""

    async def recover(self) -> Sequence[UsageEntry]: ...


class WatchedLedger:
    """Implements `AsyncLedger` on another one.

    Recovery is also the ledger's probe: while it does not work it is tried every two seconds, since a
    gateway that is not ready gets no calls that could show that the ledger is back.

    Args:
        on_recovered: told each entry that recovery wrote, so that counters see it.
    """

    def __init__(
        self, ledger: RecoveringLedger, *, clock: Clock, on_recovered: Callable[[UsageEntry], None]
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._on_recovered = on_recovered
        self._works = True
        self._task: asyncio.Task[None] | None = None

    def works(self) -> bool:
        """Whether the last attempt to write succeeded."""
        return self._works

    async def reserve(self, reservation: Reservation, budgets: Sequence[BudgetScope]) -> None:
        """See `AsyncLedger.reserve`."""
        await self._watch(self._ledger.reserve(reservation, budgets))

    async def settle(self, entry: UsageEntry) -> bool:
        """See `AsyncLedger.settle`."""
        return await self._watch(self._ledger.settle(entry))

    async def release(self, request_id: str) -> None:
        """See `AsyncLedger.release`."""
        await self._watch(self._ledger.release(request_id))

    async def track(self, entry: UsageEntry) -> bool:
        """See `AsyncLedger.track`."""
        return await self._watch(self._ledger.track(entry))

    def pressure(self, user: str) -> int:
        """See `AsyncLedger.pressure`."""
        return self._ledger.pressure(user)

    def start(self) -> None:
        """Recover now and every minute, on the running loop."""
        self._task = asyncio.create_task(self._recover_for_ever(), name="recover the ledger")

    async def recover(self) -> None:
        """Book what expired. Raises LedgerUnavailable."""
        for entry in await self._watch(self._ledger.recover()):
            _log.warning("request %s was never settled: booked at its most", entry.request_id)
            self._on_recovered(entry)

    async def aclose(self) -> None:
        """Write what is under way, then stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._ledger.aclose()

    async def _recover_for_ever(self) -> None:
        while True:
            try:
                await self.recover()
            except LedgerUnavailable as error:
                _log.error("the ledger does not work: %s", error.message)
            except Exception:  # the next round may do better, and without rounds nothing is recovered
                _log.exception("recovery failed")
            await self._clock.sleep(_RECOVER_EVERY_S if self._works else _TRY_AGAIN_S)

    async def _watch(self, work: Awaitable[_Result]) -> _Result:
        try:
            result = await work
        except LedgerUnavailable:
            self._works = False
            raise
        self._works = True
        return result
