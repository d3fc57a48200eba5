"""What a ledger promises to one caller, on SQLite and on Postgres."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from sophia_infra.inference.budgets import BudgetScope
from sophia_infra.inference.errors import InferenceError, OverBudget
from sophia_infra.inference.ledger import EntryRefused, Ledger, RequestTaken, audit
from sophia_infra.inference.ledger.deciding import Release, Reserve, Settle, keys_of
from sophia_infra.inference.usage import Tokens
from tests.unit.inference.ledger.books import NOON, entry, of_all, of_user, reservation, settled


def used(ledger: Ledger, at: datetime = NOON, user: str = "ann") -> list[tuple[str, str, str, str]]:
    keys = keys_of(user, at)
    sums = ledger.windows(keys)
    return [
        (key.scope, key.window, f"{sums[key].spent_usd:.2f}", f"{sums[key].reserved_usd:.2f}")
        for key in keys
        if key in sums
    ]


def test_a_settled_call_moves_its_money_from_reserved_to_spent(ledger: Ledger) -> None:
    ledger.reserve(reservation(usd="0.30"), [of_all(), of_user()])
    assert used(ledger) == [
        (scope, window, "0.00", "0.30")
        for scope in ("all", "user:ann")
        for window in ("hour", "day", "month")
    ]
    assert ledger.settle(settled(reservation(usd="0.30"), "0.11"))
    assert {line[2:] for line in used(ledger)} == {("0.11", "0.00")}
    assert ledger.list_reservations() == ()
    assert audit(ledger) == ()


def test_what_was_written_comes_back_as_it_was(ledger: Ledger) -> None:
    at = datetime(2026, 11, 24, 13, 30, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
    written = entry(
        "ü-" * 10, at=at, session_id="s", first_token_ms=3, outcome="cancelled", attempts=2, cached=True
    )
    written = replace(written, input_usd=Decimal("0.000000000001"), tokens=Tokens(1_000_000, 0))
    assert ledger.track(written)
    found = ledger.find_entry(written.request_id)
    assert found == written
    assert found is not None
    assert found.at.tzinfo is UTC
    open_one = reservation("other", user="bob")
    ledger.reserve(open_one)
    assert ledger.list_reservations() == (open_one,)
    assert ledger.find_entry("nobody") is None


def test_a_second_settle_changes_nothing(ledger: Ledger) -> None:
    ledger.reserve(reservation())
    assert ledger.settle(entry(usd="0.10")) is True
    assert ledger.settle(entry(usd="0.20")) is False
    assert ledger.track(entry(usd="0.20")) is False
    found = ledger.find_entry("r1")
    assert found is not None
    assert found.usd == Decimal("0.10")
    assert audit(ledger) == ()


@pytest.mark.parametrize(
    ("scope", "window", "limit"),
    [
        (of_all(hour="0.50"), "hour", "0.50"),
        (of_all(day="0.50"), "day", "0.50"),
        (of_all(month="0.50"), "month", "0.50"),
        (of_user(hour="0.50"), "hour", "0.50"),
        (of_all(request="0.20"), "request", "0.20"),
    ],
)
def test_what_would_pass_a_limit_is_refused_and_sets_nothing_aside(
    ledger: Ledger, scope: BudgetScope, window: str, limit: str
) -> None:
    ledger.track(entry("before", "0.21"))
    with pytest.raises(OverBudget) as refused:
        ledger.reserve(reservation(usd="0.300000000001"), [scope])
    assert (refused.value.scope, refused.value.window) == (scope.name, window)
    assert refused.value.limit_usd == Decimal(limit)
    assert refused.value.asked_usd == Decimal("0.300000000001")
    assert refused.value.spent_usd == (0 if window == "request" else Decimal("0.21"))
    assert ledger.list_reservations() == ()
    assert audit(ledger) == ()


def test_a_limit_can_be_reached_to_the_last_pico_dollar(ledger: Ledger) -> None:
    ledger.track(entry("before", "0.200000000001"))
    ledger.reserve(reservation(usd="0.299999999999"), [of_all(hour="0.50")])
    with pytest.raises(OverBudget) as refused:
        ledger.reserve(reservation("r2", usd="0.000000000001"), [of_all(hour="0.50")])
    assert refused.value.spent_usd == Decimal("0.50")
    assert refused.value.resets_at == NOON + timedelta(hours=1)
    assert refused.value.retry_after_s == 3600


def test_the_next_hour_has_a_budget_of_its_own_and_the_day_has_not(ledger: Ledger) -> None:
    limits = [of_all(hour="0.50", day="0.70")]
    ledger.reserve(reservation("r1", "0.40"), limits)
    ledger.reserve(reservation("r2", "0.20", at=NOON + timedelta(hours=1)), limits)
    with pytest.raises(OverBudget, match="per day"):
        ledger.reserve(reservation("r3", "0.20", at=NOON + timedelta(hours=2)), limits)


def test_a_call_counts_in_the_hour_it_was_reserved_in(ledger: Ledger) -> None:
    ledger.reserve(reservation())
    ledger.settle(entry(usd="0.10", at=NOON + timedelta(hours=13)))
    assert {line[2:] for line in used(ledger)} == {("0.10", "0.00")}
    assert audit(ledger) == ()


def test_a_released_reservation_gives_its_money_back(ledger: Ledger) -> None:
    limits = [of_all(hour="0.50")]
    ledger.reserve(reservation("r1", "0.40"), limits)
    assert ledger.release("r1") is True
    assert ledger.release("r1") is False
    ledger.reserve(reservation("r1", "0.40"), limits)
    assert audit(ledger) == ()


def test_the_same_reservation_again_is_let_pass_and_another_of_that_id_is_not(ledger: Ledger) -> None:
    ledger.reserve(reservation())
    ledger.reserve(reservation())
    with pytest.raises(RequestTaken):
        ledger.reserve(reservation(user="bob"))
    ledger.settle(settled(reservation()))
    with pytest.raises(RequestTaken):
        ledger.reserve(reservation())
    assert audit(ledger) == ()


def test_expired_reservations_become_unknown_entries_once(
    ledger: Ledger, open_again: Callable[[], Ledger]
) -> None:
    ledger.reserve(reservation("late", "0.30"))
    ledger.reserve(reservation("young", "0.30", at=NOON + timedelta(seconds=1)))
    other = open_again()
    moment = NOON + timedelta(seconds=300)
    (recovered,) = other.recover(moment)
    assert ledger.recover(moment) == ()
    assert (recovered.outcome, recovered.usd, recovered.tokens) == (
        "unknown",
        Decimal("0.30"),
        Tokens(100, 200),
    )
    assert ledger.find_entry("late") == recovered
    assert ledger.settle(settled(reservation("late"), "0.01")) is False
    assert [item.request_id for item in ledger.list_reservations()] == ["young"]
    assert audit(ledger) == ()


def test_many_expired_reservations_are_all_found(ledger: Ledger) -> None:
    ledger.apply([Reserve(reservation(f"r{number}", "0.01"), ()) for number in range(450)])
    assert len(ledger.recover(NOON + timedelta(days=1))) == 450
    assert audit(ledger) == ()


def test_a_batch_is_decided_in_order_and_each_call_by_itself(ledger: Ledger) -> None:
    limits = (of_all(hour="0.50"),)
    results = ledger.apply(
        [
            Reserve(reservation("a", "0.40"), limits),
            Reserve(reservation("b", "0.40"), limits),
            Settle(settled(reservation("a"), "0.10")),
            Reserve(reservation("c", "0.40"), limits),
            Release("c"),
            Reserve(reservation("c", "0.20"), limits),
            Reserve(reservation("d", "-1"), limits),
            Settle(entry("a", "9")),
        ]
    )
    shown = [type(item) if isinstance(item, InferenceError) else item for item in results]
    assert shown == [True, OverBudget, True, True, True, True, EntryRefused, False]
    assert [item.usd for item in ledger.list_reservations()] == [Decimal("0.20")]
    assert audit(ledger) == ()


@pytest.mark.parametrize("statement", ["UPDATE usage_entries SET input_usd = 0", "DELETE FROM usage_entries"])
def test_the_database_itself_refuses_to_change_an_entry(ledger: Ledger, statement: str) -> None:
    ledger.track(entry())
    with pytest.raises(DBAPIError, match="append-only"), ledger.database.engine.begin() as connection:
        connection.execute(text(statement))
    assert ledger.find_entry("r1") == entry()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"input_usd": Decimal("1e-13")}, "twelve decimals"),
        ({"input_usd": Decimal("NaN")}, "finite"),
        ({"output_usd": Decimal("-0.1")}, "from 0"),
        ({"output_usd": Decimal("1000001")}, "from 0"),
        ({"input_usd": 0.1}, "finite Decimal"),
        ({"user": ""}, "user has 0"),
        ({"user": "a\0b"}, "NUL"),
        ({"user": "\ud800"}, "Unicode"),
        ({"session_id": "s" * 301}, "session_id has 301"),
        ({"at": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001
        ({"tokens": Tokens(-1, 0)}, "input tokens"),
        ({"latency_ms": 2**60}, "latency_ms"),
        ({"outcome": "fine"}, "outcome"),
    ],
)
def test_what_cannot_be_written_exactly_is_refused(
    ledger: Ledger, fields: dict[str, object], message: str
) -> None:
    with pytest.raises(EntryRefused, match=message):
        ledger.track(replace(entry(), **fields))  # type: ignore[arg-type]
    assert ledger.find_entry("r1") is None


def test_a_budget_of_somebody_else_is_refused(ledger: Ledger) -> None:
    with pytest.raises(EntryRefused, match="user:bob"):
        ledger.reserve(reservation(), [of_user("bob")])
