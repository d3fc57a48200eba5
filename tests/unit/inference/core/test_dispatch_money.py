"""Budgets, the cache, the ledger, and what is refused before anything is sent."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from sophia_infra.inference.answers import Answer
from sophia_infra.inference.errors import (
    BackendEnded,
    LedgerUnavailable,
    OutputTooLong,
    OverBudget,
    PromptTooLong,
    RequestRefused,
    UnknownModel,
)
from sophia_infra.inference.transport import EndedTransport
from sophia_infra.inference.usage import Tokens
from tests.inference_clock import run_async
from tests.unit.inference.core.fakes import (
    SCOUT,
    MemoryLedger,
    chat,
)
from tests.unit.inference.core.room import QWEN, Room


def test_over_budget_sends_nothing() -> None:
    room = Room(budget={"usd_per_day": "$0.000001"})
    with pytest.raises(OverBudget) as caught:
        room.complete(chat())
    assert (caught.value.window, caught.value.scope) == ("day", "all")
    assert not room.fakes["main"].bodies
    assert not room.ledger.open


def test_a_dearer_fallback_is_left_out_when_only_it_does_not_fit_the_budget() -> None:
    backends = {"main": {}, "dear": {"models": {"deepseek-v3-0324": "v3"}}}
    room = Room(backends, budget={"usd_per_request": "$0.002"})
    assert room.complete(chat()).model == SCOUT


def test_sixty_four_callers_at_once_never_pass_a_hard_budget() -> None:
    room = Room(
        {"main": {"max_in_flight": 64}}, budget={"usd_per_hour": "$0.05"}, ledger=MemoryLedger(turns=3)
    )

    async def all_at_once() -> list[Answer | BaseException]:
        calls = [room.dispatcher.complete(chat(request_id=f"r{n}")) for n in range(64)]
        return await asyncio.gather(*calls, return_exceptions=True)

    outcomes = run_async(all_at_once())
    refused = [outcome for outcome in outcomes if isinstance(outcome, OverBudget)]
    assert 0 < len(refused) < 64
    assert room.ledger.highest["all", "hour"] <= Decimal("0.05")
    assert len(room.ledger.entries) + len(refused) == 64


def test_a_cached_answer_costs_nothing_and_is_written_down() -> None:
    room = Room()

    async def twice() -> tuple[Answer, Answer]:
        first = await room.dispatcher.complete(chat(request_id="a", temperature=0, user="u1"))
        return first, await room.dispatcher.complete(chat(request_id="b", temperature=0, metadata={"x": "y"}))

    first, second = run_async(twice())
    assert second.cached
    assert (second.body, second.usd, second.tokens) == (first.body, Decimal(0), Tokens(0, 0))
    assert room.ledger.entries["b"].cached
    assert len(room.fakes["main"].bodies) == 1


@pytest.mark.parametrize("fields", [{}, {"temperature": 1}, {"temperature": 0, "stream": True}])
def test_other_answers_are_not_kept(fields: dict[str, Any]) -> None:
    room = Room()
    for request_id in ("a", "b"):
        room.complete(chat(request_id=request_id, **fields))
    assert len(room.fakes["main"].bodies) == 2


def test_a_ledger_that_is_away_for_a_moment_loses_nothing() -> None:
    room = Room(ledger=MemoryLedger(fail_settles=2))
    room.complete(chat())
    assert room.only_entry().outcome == "ok"


def test_without_its_line_in_the_ledger_no_answer_is_given_and_the_money_stays_aside() -> None:
    room = Room(ledger=MemoryLedger(fail_settles=3))
    with pytest.raises(LedgerUnavailable):
        room.complete(chat())
    assert list(room.ledger.open) == ["r-1"]


def test_money_set_aside_without_an_answer_is_given_back_when_nothing_is_sent() -> None:
    room = Room(ledger=MemoryLedger(mute_reserves=1))
    with pytest.raises(LedgerUnavailable):
        room.complete(chat())
    assert not room.fakes["main"].bodies
    assert not room.ledger.open, "it would expire and be billed as a call that nobody made"


def test_an_unknown_model_names_the_closest_and_those_served() -> None:
    with pytest.raises(UnknownModel, match=f"did you mean {SCOUT}") as caught:
        Room().complete(chat(model="llama-4-scout-17b-16e-instrukt"))
    assert caught.value.known == ("auto", SCOUT)


def test_a_model_of_the_catalogue_that_no_backend_has_is_unknown() -> None:
    with pytest.raises(UnknownModel):
        Room().complete(chat(model=QWEN))


def test_lambdas_api_fails_with_the_sentence_and_costs_nothing() -> None:
    room = Room({"main": {}, "old": {"kind": "lambda", "base_url": None, "models": {QWEN: "qwen"}}})
    with pytest.raises(BackendEnded, match="2025-09-25"):
        room.complete(chat(model=QWEN))
    assert not room.ledger.entries


def test_lambdas_api_asked_by_name_says_it_too() -> None:
    old = {"kind": "lambda", "base_url": None}
    room = Room({"main": {}, "old": old}, transports={"old": EndedTransport("old")})
    assert room.complete(chat()).backend == "main"
    with pytest.raises(BackendEnded):
        room.complete(chat(model=f"old/{SCOUT}", request_id="r-2"))


def test_only_a_count_by_the_backend_refuses_a_prompt_that_may_or_may_not_fit() -> None:
    room = Room({"main": {"models": {QWEN: "qwen"}}})
    text = "word " * 20_000  # 25,000 likely, 100,000 at most; qwen holds 41,000
    room.fakes["main"].exact = 50_000
    with pytest.raises(PromptTooLong) as caught:
        room.complete(chat(text, model=QWEN, max_tokens=10))
    assert caught.value.tokens == 50_010
    room.fakes["main"].exact = 30_000
    assert room.complete(chat(text, model=QWEN, max_tokens=10)).model == QWEN
    room.complete(chat(model=QWEN, request_id="r-2"))
    assert room.fakes["main"].counted == 2


def test_a_prompt_too_long_names_a_model_that_holds_it() -> None:
    room = Room({"main": {"models": {QWEN: "qwen", SCOUT: "scout"}}})
    with pytest.raises(PromptTooLong, match=f"use {SCOUT}"):
        room.complete(chat("x" * 200_000, model=QWEN))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"max_tokens": 0}, RequestRefused),
        ({"max_tokens": "7"}, RequestRefused),
        ({"n": 129}, RequestRefused),
        ({"max_tokens": 100_001}, OutputTooLong),
        ({"messages": []}, RequestRefused),
        ({"messages": ["hello"]}, RequestRefused),
        ({"stream": "yes"}, RequestRefused),
    ],
)
def test_what_cannot_be_right_is_refused_before_money_is_set_aside(fields: Any, error: Any) -> None:
    room = Room()
    with pytest.raises(error):
        room.complete(chat(**fields))
    assert not room.ledger.released
