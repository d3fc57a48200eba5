"""The ledger on an event loop: shared transactions, each caller with its own answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from sophia_infra.inference import budgets
from sophia_infra.inference.errors import OverBudget
from sophia_infra.inference.ledger import (
    AsyncLedger,
    EntryRefused,
    Ledger,
    LedgerUnavailable,
    audit,
    usage_report,
)
from sophia_infra.inference.ledger.database import Database
from sophia_infra.inference.ledger.deciding import Operation, Result
from tests.unit.inference.ledger.books import NOON, entry, of_all, of_user, reservation, settled


class GatedLedger(Ledger):
    """Says which batches it got, waits for the gate before each, and fails while `broken`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, gateway_id="gated")
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.broken = False
        self.batches: list[int] = []

    def apply(self, operations: Sequence[Operation]) -> list[Result]:
        self.entered.set()
        assert self.gate.wait(30)
        self.batches.append(len(operations))
        if self.broken:
            raise LedgerUnavailable("The disk is away.")
        return super().apply(operations)


@pytest.fixture
def gated(ledger: Ledger) -> GatedLedger:
    return GatedLedger(ledger.database)


def run(ledger: Ledger, body: Callable[[AsyncLedger], Awaitable[None]], **settings: object) -> None:
    """Run `body` with an async ledger that recovers only when asked."""

    async def main() -> None:
        books = AsyncLedger(ledger, **{"now": lambda: NOON, **settings})  # type: ignore[arg-type]
        try:
            await body(books)
        finally:
            await books.aclose()

    asyncio.run(main())


def test_it_is_the_ledger_that_the_dispatcher_expects(ledger: Ledger) -> None:
    async def body(books: AsyncLedger) -> None:
        expected: budgets.AsyncLedger = books
        await expected.reserve(reservation(), [of_all()])
        assert await expected.settle(settled(reservation(), "0.10")) is True
        assert await expected.settle(settled(reservation(), "0.10")) is False
        assert await expected.track(entry("r2")) is True
        await expected.release("nobody")

    run(ledger, body)


def test_calls_that_come_during_a_commit_share_the_next_one(gated: GatedLedger) -> None:
    async def body(books: AsyncLedger) -> None:
        gated.gate.clear()
        first = asyncio.ensure_future(books.track(entry("first")))
        await asyncio.to_thread(gated.entered.wait)
        others = [asyncio.ensure_future(books.track(entry(f"r{number}"))) for number in range(20)]
        await asyncio.sleep(0)
        gated.gate.set()
        assert await first
        assert all(await asyncio.gather(*others))
        assert gated.batches == [1, 15, 5]

    run(gated, body, max_batch=15)


def test_each_caller_of_a_batch_gets_its_own_answer(ledger: Ledger) -> None:
    async def body(books: AsyncLedger) -> None:
        asked = [reservation(f"r{number}", "0.30") for number in range(64)]
        answers = await asyncio.gather(
            *(books.reserve(item, [of_all(hour="10")]) for item in asked),
            books.track(replace(entry("bad"), user="")),
            return_exceptions=True,
        )
        assert [type(answer) for answer in answers].count(OverBudget) == 31
        assert answers[:64].count(None) == 33
        assert isinstance(answers[64], EntryRefused)
        assert len({id(answer) for answer in answers if answer is not None}) == 32
        assert audit(ledger) == ()

    run(ledger, body)


def test_a_failed_batch_fails_its_own_callers_and_the_next_one_works(gated: GatedLedger) -> None:
    async def body(books: AsyncLedger) -> None:
        gated.broken = True
        answers = await asyncio.gather(
            *(books.track(entry(f"r{number}")) for number in range(3)), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [LedgerUnavailable] * 3
        assert len({id(answer) for answer in answers}) == 3
        gated.broken = False
        assert await books.track(entry("r0")) is True

    run(gated, body)


def test_a_release_after_a_cancelled_reserve_frees_it(gated: GatedLedger) -> None:
    async def body(books: AsyncLedger) -> None:
        gated.gate.clear()
        asking = asyncio.ensure_future(books.reserve(reservation(), [of_all()]))
        await asyncio.to_thread(gated.entered.wait)
        asking.cancel()
        releasing = asyncio.ensure_future(books.release("r1"))
        await asyncio.sleep(0)
        gated.gate.set()
        await releasing
        assert asking.cancelled()
        assert gated.list_reservations() == ()

    run(gated, body)


def test_closing_writes_all_that_was_asked_for_and_later_calls_fail(
    gated: GatedLedger, open_again: Callable[[], Ledger]
) -> None:
    async def main() -> None:
        books = AsyncLedger(gated)
        gated.gate.clear()
        tracking = [asyncio.ensure_future(books.track(entry(f"r{number}"))) for number in range(300)]
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(books.aclose())
        await asyncio.sleep(0)
        gated.gate.set()
        await closing
        assert all(await asyncio.wait_for(asyncio.gather(*tracking), 10))
        with pytest.raises(LedgerUnavailable, match="closed"):
            await books.track(entry("late"))
        await books.aclose()

    asyncio.run(main())
    assert usage_report(open_again()).total.requests == 300


def test_more_than_may_wait_are_refused(gated: GatedLedger) -> None:
    async def body(books: AsyncLedger) -> None:
        gated.gate.clear()
        waiting = [asyncio.ensure_future(books.track(entry("r0")))]
        await asyncio.to_thread(gated.entered.wait)
        waiting += [asyncio.ensure_future(books.track(entry(f"r{number}"))) for number in (1, 2)]
        await asyncio.sleep(0)
        with pytest.raises(LedgerUnavailable, match="2 writes wait"):
            await books.track(entry("r3"))
        gated.gate.set()
        await asyncio.gather(*waiting)

    run(gated, body, max_waiting=2)


def test_pressure_is_the_fullest_window_that_binds_the_user(ledger: Ledger) -> None:
    ledger.track(entry("before", "4", user="bob"))

    async def body(books: AsyncLedger) -> None:
        assert (books.pressure("ann"), books.pressure("bob")) == (40, 40)
        await books.reserve(reservation("r1", "0.45"), [of_all(), of_user(hour="0.50")])
        assert (books.pressure("ann"), books.pressure("bob")) == (90, 44)
        await books.release("r1")
        assert books.pressure("ann") == 40

    run(ledger, body, budgets=[of_all()])


def test_pressure_ends_with_its_hour(ledger: Ledger) -> None:
    now = [NOON]

    async def body(books: AsyncLedger) -> None:
        await books.reserve(reservation("r1", "0.90"), [of_all(hour="1", day="9")])
        assert books.pressure("ann") == 90
        now[0] += timedelta(hours=1)
        assert books.pressure("ann") == 10

    run(ledger, body, now=lambda: now[0])


def test_a_budget_of_nothing_is_full(ledger: Ledger) -> None:
    async def body(books: AsyncLedger) -> None:
        assert books.pressure("ann") == 100

    run(ledger, body, budgets=[of_all(hour="0")])


def test_recover_gives_back_what_it_booked(ledger: Ledger) -> None:
    async def body(books: AsyncLedger) -> None:
        await books.reserve(reservation("left", "0.30"), [of_all(hour="1")])
        (booked,) = await books.recover(NOON + timedelta(hours=1))
        assert booked.usd == Decimal("0.30")
        assert books.pressure("ann") == 30

    run(ledger, body)
