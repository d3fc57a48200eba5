"""Many callers at once: threads, processes and gateways never pass a hard budget together."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from sophia_infra.inference.errors import OverBudget
from sophia_infra.inference.ledger import Ledger, audit, open_ledger, usage_report
from sophia_infra.inference.usage import UsageEntry
from tests.unit.inference.ledger.books import NOON, of_all, reservation, settled

LIMITS = [of_all(hour="10")]


def call(ledger: Ledger, request_id: str) -> str:
    """Reserve 30 cents, use 20."""
    asked = reservation(request_id, "0.30")
    try:
        ledger.reserve(asked, LIMITS)
    except OverBudget:
        return "refused"
    ledger.settle(settled(asked, "0.20"))
    return "done"


def call_many(address: str, name: str, count: int) -> Counter[str]:
    """Body of a process of its own: a gateway with four threads."""
    with open_ledger(address, gateway_id=name) as ledger, ThreadPoolExecutor(4) as pool:
        return Counter(pool.map(lambda number: call(ledger, f"{name}-{number}"), range(count)))


def test_sixty_four_callers_cannot_pass_a_budget_together(ledger: Ledger) -> None:
    """Each reserves 30 cents and holds them: 33 fit in 10 dollars, and never 34."""

    def hold(number: int) -> bool:
        try:
            ledger.reserve(reservation(f"r{number}", "0.30"), LIMITS)
        except OverBudget:
            return False
        return True

    with ThreadPoolExecutor(64) as pool:
        assert sum(pool.map(hold, range(128))) == 33
    assert audit(ledger) == ()


@pytest.mark.slow
def test_processes_share_one_budget(address: str, ledger: Ledger) -> None:
    """Slow: four processes are forked; it buys that the lock is the database's and not the process's."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with context.Pool(4) as pool:
        counts = pool.starmap(call_many, [(address, f"gateway{number}", 25) for number in range(4)])
    done = sum(count["done"] for count in counts)
    spent_usd = usage_report(ledger).total.usd
    # A refused call found at least 9.70 in use; with at most 16 open ones of 30 cents, 4.90 were spent.
    assert spent_usd == done * Decimal("0.20")
    assert Decimal("4.90") <= spent_usd <= 10
    assert sum(count["refused"] for count in counts) == 100 - done
    assert audit(ledger) == ()


def test_gateways_that_recover_together_book_each_call_once(
    ledger: Ledger, open_again: Callable[[], Ledger]
) -> None:
    for number in range(30):
        ledger.reserve(reservation(f"r{number}", "0.10"))
    gateways = [ledger, open_again(), open_again()]

    def recover(gateway: Ledger) -> tuple[UsageEntry, ...]:
        return gateway.recover(NOON + timedelta(hours=1))

    with ThreadPoolExecutor(3) as pool:
        written = [item.request_id for entries in pool.map(recover, gateways) for item in entries]
    assert sorted(written) == sorted(f"r{number}" for number in range(30))
    assert usage_report(ledger).total.unknown_usd == 3
    assert audit(ledger) == ()


def test_threads_that_settle_the_same_call_write_it_once(ledger: Ledger) -> None:
    ledger.reserve(reservation())
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(
                lambda number: ledger.settle(replace(settled(reservation()), latency_ms=number)), range(16)
            )
        )
    assert Counter(answers) == {True: 1, False: 15}
    assert audit(ledger) == ()
