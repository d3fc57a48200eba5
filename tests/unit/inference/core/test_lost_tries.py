"""A try whose answer was lost may have been billed: it is booked at its most, before another one goes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from sophia_infra.inference.call import LOST_TRY
from sophia_infra.inference.errors import BackendFailed
from sophia_infra.inference.usage import Tokens
from tests.unit.inference.core.fakes import SCOUT, Script, chat, chunk
from tests.unit.inference.core.room import CATALOGUE, Room, failed

PRICE = CATALOGUE.find(SCOUT).price()
CALL: dict[str, Any] = {"max_tokens": 1_000}


@pytest.mark.parametrize("kind", ["connection", "timeout", "malformed"])
def test_a_lost_try_has_a_line_of_its_own_at_its_most(kind: str) -> None:
    room = Room()
    room.fakes["main"].scripts = [failed(kind), Script()]
    answer = room.complete(chat(**CALL))
    lost = room.ledger.entries[f"r-1{LOST_TRY}1"]
    assert (lost.outcome, lost.attempts, lost.tokens.output) == ("unknown", 1, 1_000)
    assert lost.tokens.input >= len("Is it so?")
    assert lost.usd == PRICE.usd(lost.tokens)
    own = room.ledger.entries["r-1"]
    assert (own.outcome, own.attempts, own.tokens) == ("ok", 1, Tokens(10, 5))
    assert (answer.attempts, answer.usd) == (2, PRICE.usd(Tokens(10, 5)))
    assert room.seen.entries == [lost, own], "the metrics count both"
    assert not room.ledger.open


def test_a_try_that_never_left_and_one_that_ended_with_an_error_cost_nothing() -> None:
    room = Room(routing={"attempts": 4})
    room.fakes["main"].scripts = [failed("connection", sent=False), Script()]
    room.complete(chat(**CALL))
    assert set(room.ledger.entries) == {"r-1"}
    room.fakes["main"].scripts = [failed("server"), Script()]
    room.complete(chat(request_id="r-2", **CALL))
    assert set(room.ledger.entries) == {"r-1", "r-2"}


def test_the_last_lost_try_is_covered_by_the_calls_own_money() -> None:
    room = Room(routing={"attempts": 2})
    room.fakes["main"].scripts = [failed("connection"), failed("connection")]
    with pytest.raises(BackendFailed):
        room.complete(chat(**CALL))
    own, lost = room.ledger.entries["r-1"], room.ledger.entries[f"r-1{LOST_TRY}1"]
    assert (own.outcome, own.attempts, own.tokens) == ("failed", 1, lost.tokens)


def test_no_other_try_goes_when_no_budget_has_the_room_for_the_lost_one() -> None:
    most = PRICE.usd(Tokens(200, 1_000))
    room = Room(budget={"usd_per_hour": f"${most * Decimal('1.5'):.6f}"})
    room.fakes["main"].scripts = [failed("connection"), Script()]
    with pytest.raises(BackendFailed):
        room.complete(chat(**CALL))
    assert len(room.fakes["main"].bodies) == 1
    assert set(room.ledger.entries) == {"r-1"}
    assert room.ledger.entries["r-1"].tokens.output == 1_000
    assert room.ledger.highest["all", "hour"] <= most * Decimal("1.5")


def test_a_stream_lost_before_its_first_piece_is_booked_at_its_input() -> None:
    room = Room()
    room.fakes["main"].scripts = [failed("connection"), Script()]
    room.stream(chat(**CALL))
    lost = room.ledger.entries[f"r-1{LOST_TRY}1"]
    assert lost.tokens.output == 0
    assert lost.tokens.input > 0


def test_a_piece_that_is_no_json_ends_the_stream_as_failed() -> None:
    room = Room()
    room.fakes["main"].scripts = [Script(chunks=[chunk("a"), b'{"choices": [{"ind', chunk("b"), b"[DONE]"])]
    with pytest.raises(BackendFailed):
        room.stream(chat(**CALL))
    assert room.only_entry().outcome == "failed"
