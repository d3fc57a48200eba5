"""The gateway knows whether its ledger works, and what expired is booked and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from sophia_infra.inference.budgets import BudgetScope, NoLedger
from sophia_infra.inference.errors import LedgerUnavailable
from sophia_infra.inference.gateway.watched_ledger import WatchedLedger
from sophia_infra.inference.usage import Reservation, Tokens, UsageEntry
from tests.inference_clock import START, VirtualClock, run_async

RESERVATION = Reservation(
    request_id="r",
    user="u",
    model="m",
    backend="b",
    tokens=Tokens(1, 1),
    input_usd=Decimal(1),
    output_usd=Decimal(1),
    at=START,
    expires_at=START + timedelta(minutes=6),
)
ENTRY = UsageEntry("r", START, "u", "m", "b", Tokens(1, 1), Decimal(1), Decimal(1), outcome="unknown")


class Books(NoLedger):
    def __init__(self) -> None:
        self.is_away = False
        self.expired: list[UsageEntry] = []
        self.recoveries = 0
        self.closed = False

    async def reserve(self, reservation: Reservation, budgets: Sequence[BudgetScope]) -> None:
        if self.is_away:
            raise LedgerUnavailable("away")

    async def recover(self) -> Sequence[UsageEntry]:
        self.recoveries += 1
        if self.is_away:
            raise LedgerUnavailable("away")
        expired, self.expired = self.expired, []
        return expired

    async def aclose(self) -> None:
        self.closed = True


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_failed_write_shows_and_the_next_good_one_clears_it() -> None:
    async def scene() -> None:
        books = Books()
        ledger = WatchedLedger(books, clock=VirtualClock(auto=False), on_recovered=lambda entry: None)
        assert ledger.works()
        books.is_away = True
        with pytest.raises(LedgerUnavailable):
            await ledger.reserve(RESERVATION, ())
        assert not ledger.works()
        books.is_away = False
        await ledger.settle(ENTRY)
        assert ledger.works()

    run_async(scene())


def test_without_any_call_a_ledger_that_is_back_is_noticed_within_two_seconds() -> None:
    async def scene() -> None:
        books, clock = Books(), VirtualClock(auto=False)
        books.is_away = True
        ledger = WatchedLedger(books, clock=clock, on_recovered=lambda entry: None)
        ledger.start()
        await turns()
        assert not ledger.works()
        books.is_away = False
        clock.advance(2)
        await turns()
        assert ledger.works()
        clock.advance(59)
        await turns()
        assert books.recoveries == 2
        clock.advance(1)
        await turns()
        assert books.recoveries == 3
        await ledger.aclose()
        assert books.closed

    run_async(scene())


def test_what_recovery_books_is_counted_once() -> None:
    async def scene() -> None:
        books, seen = Books(), list[UsageEntry]()
        books.expired = [ENTRY, replace(ENTRY, request_id="s")]
        ledger = WatchedLedger(books, clock=VirtualClock(auto=False), on_recovered=seen.append)
        await ledger.recover()
        await ledger.recover()
        assert [entry.request_id for entry in seen] == ["r", "s"]

    run_async(scene())
