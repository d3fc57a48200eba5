"""A disk that is full or read-only, and clocks that jump: no acknowledged call lost, every dollar right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from sophia_infra.inference.ledger import Ledger, LedgerUnavailable, audit, open_ledger, usage_report
from tests.faults.trials import TRIALS, RecordProperty
from tests.unit.inference.ledger.books import NOON, of_all, reservation, settled

LIMITS = [of_all(hour="1000000", day="1000000", month="1000000")]
USD = Decimal("0.10")
STRIKES = 25
CALLS_PER_PAGE_AT_MOST = 200
DAYS = timedelta(days=2)


def no_more_pages(ledger: Ledger) -> None:
    """What SQLite does when the disk is full: it cannot make its file longer."""
    with ledger.database.writing() as cursor:
        cursor.execute("PRAGMA page_count")
        (pages,) = cursor.fetchone() or (0,)
        cursor.execute(f"PRAGMA max_page_count = {pages}")


def no_more_writes(ledger: Ledger) -> None:
    """What SQLite does on a disk that was remounted read-only."""
    with ledger.database.writing() as cursor:
        cursor.execute("PRAGMA query_only = ON")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(f"sqlite:///{tmp_path}/ledger.db", gateway_id="one")


@pytest.mark.parametrize("spoil", [no_more_pages, no_more_writes], ids=["disk full", "disk read-only"])
def test_what_a_disk_does_not_take_is_not_acknowledged_and_is_written_once_when_it_does(
    ledger: Ledger, record_property: RecordProperty, spoil: Callable[[Ledger], None]
) -> None:
    """Each booking is a reserve and a settle; the disk fails in the middle of one, 25 times over."""
    settled_ids: list[str] = []
    refused = 0
    with ledger:
        for strike in range(STRIKES):
            spoil(ledger)
            for call in range(CALLS_PER_PAGE_AT_MOST):
                asked = reservation(f"r{strike}-{call}", "0.30")
                try:
                    ledger.reserve(asked, LIMITS)
                    ledger.settle(settled(asked, str(USD)))
                except LedgerUnavailable:
                    refused += 1
                    # The connection is a new one, and the disk has room again: the same call once more.
                    ledger.reserve(asked, LIMITS)
                    assert ledger.settle(settled(asked, str(USD))) is True
                    settled_ids.append(asked.request_id)
                    break
                settled_ids.append(asked.request_id)
            assert audit(ledger) == ()
        assert refused == STRIKES
        assert ledger.list_reservations() == ()
        assert usage_report(ledger).total.usd == USD * len(settled_ids)
        assert usage_report(ledger).total.requests == len(settled_ids)
    record_property(TRIALS, refused)


@pytest.mark.parametrize("spoil", [no_more_pages, no_more_writes], ids=["disk full", "disk read-only"])
def test_a_call_that_a_disk_did_not_let_settle_is_booked_at_its_most(
    ledger: Ledger, record_property: RecordProperty, spoil: Callable[[Ledger], None]
) -> None:
    """The gateway gave up and died: the reservation is what is left, and recovery books it once."""
    lost = 0
    with ledger:
        for strike in range(STRIKES):
            asked = reservation(f"r{strike}", "0.30")
            ledger.reserve(asked, LIMITS)
            spoil(ledger)
            try:
                for filler in range(CALLS_PER_PAGE_AT_MOST):
                    ledger.track(settled(reservation(f"f{strike}-{filler}"), "0"))
            except LedgerUnavailable:
                lost += 1
        recovered = ledger.recover(NOON + timedelta(hours=1))
        assert ledger.recover(NOON + timedelta(hours=1)) == ()
        assert [entry.usd for entry in recovered] == [Decimal("0.30")] * STRIKES
        assert usage_report(ledger).total.unknown_usd == Decimal("0.30") * STRIKES
        assert audit(ledger) == ()
    assert lost == STRIKES
    record_property(TRIALS, lost)


@pytest.mark.parametrize("jump", [DAYS, -DAYS], ids=["forward", "back"])
def test_a_clock_that_jumps_between_reserve_and_settle_moves_no_dollar(
    ledger: Ledger, record_property: RecordProperty, jump: timedelta
) -> None:
    """The money counts where it was reserved; a settle that comes after a recovery changes nothing."""
    trials = 0
    with ledger:
        for moment in ("before the settle", "before the recovery", "after both"):
            asked = reservation(f"r-{moment}", "0.30")
            ledger.reserve(asked, LIMITS)
            entry = settled(asked, str(USD), at=asked.at + jump)
            if moment == "before the recovery":
                _recover(ledger, NOON + jump, [asked.request_id] if jump > timedelta() else [])
            expected = moment != "before the recovery" or jump < timedelta()
            assert ledger.settle(entry) is expected
            assert ledger.settle(entry) is False
            assert audit(ledger) == ()
            trials += 1
        _recover(ledger, NOON + DAYS * 2, [])
        total = usage_report(ledger).total
        booked_at_most = Decimal("0.30") if jump > timedelta() else USD
        assert total.usd == USD * 2 + booked_at_most
        assert total.requests == 3
    record_property(TRIALS, trials)


def _recover(ledger: Ledger, now: datetime, expected: list[str]) -> None:
    assert [entry.request_id for entry in ledger.recover(now)] == expected
