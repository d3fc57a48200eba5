"""Tries, waits, rests and the deadline of one call."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from sophia_infra.inference.answers import Answer
from sophia_infra.inference.errors import (
    BackendFailed,
    DeadlinePassed,
    NoBackendReady,
    QueueFull,
    RequestRefused,
)
from sophia_infra.inference.usage import Tokens
from tests.inference_clock import run_async
from tests.unit.inference.core.fakes import (
    SCOUT,
    Script,
    chat,
)
from tests.unit.inference.core.room import QWEN, TWO, Room, failed


def test_an_answer_is_written_down_with_what_the_backend_counted_at_the_plans_price() -> None:
    room = Room()
    answer = room.complete(chat())
    assert answer.tokens == Tokens(10, 5)
    assert answer.usd == Decimal("0.0000023")  # 10 * 0.08 + 5 * 0.30 per million
    entry = room.only_entry()
    assert (entry.usd, entry.outcome, entry.attempts) == (answer.usd, "ok", 1)
    assert room.seen.entries == [entry]
    assert room.seen.attempts == [("main", "ok")]


def test_the_backend_gets_its_own_model_name_and_a_limit_on_the_output() -> None:
    room = Room()
    room.complete(chat(temperature=0.5))
    (body,) = room.fakes["main"].bodies
    assert body["model"] == "scout"
    assert body["max_tokens"] == 4_096
    assert body["temperature"] == 0.5


def test_the_callers_limit_goes_through_under_the_name_it_gave() -> None:
    room = Room()
    room.complete(chat(max_completion_tokens=7))
    (body,) = room.fakes["main"].bodies
    assert body["max_completion_tokens"] == 7
    assert "max_tokens" not in body


def test_a_price_of_the_backend_goes_before_the_catalogues() -> None:
    price = {"usd_per_million_input": "$1", "usd_per_million_output": "$2"}
    room = Room({"main": {"prices": {SCOUT: price}}})
    assert room.complete(chat()).usd == Decimal("0.00002")


@pytest.mark.parametrize("kind", ["connection", "timeout", "rate_limited", "server", "malformed"])
def test_a_failed_try_is_tried_again_after_a_wait(kind: str) -> None:
    room = Room()
    room.fakes["main"].scripts = [failed(kind)]
    answer = room.complete(chat())
    assert answer.attempts == 2
    assert 1.0 <= room.clock.monotonic() <= 2.0
    assert room.seen.attempts == [("main", kind), ("main", "ok")]


def test_the_next_backend_is_tried_at_once() -> None:
    room = Room(TWO)
    room.fakes["one"].scripts = [failed("server", status=500)]
    answer = room.complete(chat())
    assert (answer.backend, answer.attempts, room.clock.monotonic()) == ("two", 2, 0.0)


def test_retry_after_is_a_floor_under_the_wait() -> None:
    room = Room()
    room.fakes["main"].scripts = [failed("rate_limited", retry_after_s=20.0)]
    room.complete(chat())
    assert room.clock.monotonic() == 20.0


def test_a_retry_after_beyond_the_deadline_ends_the_call_at_once_and_is_passed_on() -> None:
    room = Room()
    room.fakes["main"].scripts = [failed("rate_limited", status=429, retry_after_s=900.0)]
    with pytest.raises(BackendFailed) as caught:
        room.complete(chat())
    assert caught.value.retry_after_s == 900.0
    assert room.clock.monotonic() == 0.0


def test_after_all_tries_the_error_says_what_went_wrong_and_the_money_is_free_again() -> None:
    room = Room(routing={"fallback": []})
    room.fakes["main"].scripts = [failed("server", status=503)] * 3
    with pytest.raises(BackendFailed, match=r"2 tries.*main.*it failed") as caught:
        room.complete(chat())
    assert caught.value.retry
    entry = room.only_entry()
    assert (entry.outcome, entry.usd, entry.attempts) == ("failed", Decimal(0), 2)


def test_a_model_that_cannot_serve_is_replaced_after_two_tries() -> None:
    room = Room({"main": {"models": {QWEN: "qwen"}}, "other": {"models": {SCOUT: "scout"}}})
    room.fakes["main"].scripts = [failed("connection"), failed("connection")]
    answer = room.complete(chat(model=QWEN))
    assert (answer.model, answer.backend, answer.attempts) == (SCOUT, "other", 3)


def test_a_wrong_key_moves_on_to_the_next_model_at_once_and_is_not_tried_again() -> None:
    room = Room({"main": {"models": {QWEN: "qwen"}}, "other": {"models": {SCOUT: "scout"}}})
    room.fakes["main"].scripts = [failed("misconfigured", status=401)] * 2
    assert room.complete(chat(model=QWEN)).attempts == 2
    assert room.clock.monotonic() == 0.0


def test_a_refused_request_is_the_callers_and_never_tried_again() -> None:
    room = Room(TWO)
    room.fakes["one"].scripts = [failed("refused", status=422, param="top_k")]
    with pytest.raises(RequestRefused, match="top_k"):
        room.complete(chat())
    assert room.only_entry().attempts == 1


def test_a_context_that_is_smaller_at_the_backend_is_said_in_numbers() -> None:
    room = Room()
    room.fakes["main"].scripts = [failed("refused", status=400, limit_tokens=8192)]
    with pytest.raises(RequestRefused, match="holds 8192 tokens"):
        room.complete(chat())


def test_one_deadline_holds_for_everything_and_the_try_it_stops_is_booked_at_its_most() -> None:
    room = Room(limits={"timeout_s": 30})
    room.fakes["main"].scripts = [Script(delay_s=1000)]
    with pytest.raises(DeadlinePassed):
        room.complete(chat(max_tokens=100))
    assert room.clock.monotonic() == 30.0
    entry = room.only_entry()
    assert (entry.outcome, entry.tokens.output) == ("failed", 100)


def test_waiting_for_a_place_counts_towards_the_deadline() -> None:
    room = Room({"main": {"max_in_flight": 1}}, limits={"timeout_s": 30})
    room.fakes["main"].scripts = [Script(delay_s=29)]

    async def both() -> tuple[Answer | BaseException, Answer | BaseException]:
        return await asyncio.gather(
            room.dispatcher.complete(chat(request_id="a")),
            room.dispatcher.complete(chat(request_id="b")),
            return_exceptions=True,
        )

    first, second = run_async(both())
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert second.latency_ms == 29_000


def test_a_full_queue_refuses_with_a_time_to_come_back_and_nothing_is_booked() -> None:
    room = Room({"main": {"max_in_flight": 1}}, limits={"queue": 0})
    room.fakes["main"].scripts = [Script(delay_s=29)]

    async def both() -> tuple[Answer | BaseException, Answer | BaseException]:
        return await asyncio.gather(
            room.dispatcher.complete(chat(request_id="a")),
            room.dispatcher.complete(chat(request_id="b")),
            return_exceptions=True,
        )

    _, second = run_async(both())
    assert isinstance(second, QueueFull)
    assert second.retry_after_s is not None
    assert list(room.ledger.entries) == ["a"]
    assert room.ledger.released == ["b"]


def test_a_backend_rests_after_failures_in_a_row_and_comes_back() -> None:
    room = Room(routing={"breaker_failures": 2, "breaker_rest_s": 30, "fallback": []})
    room.fakes["main"].scripts = [failed("server")] * 2

    async def story() -> str:
        with pytest.raises(BackendFailed):
            await room.dispatcher.complete(chat(request_id="a"))
        with pytest.raises(NoBackendReady):
            await room.dispatcher.complete(chat(request_id="b"))
        await room.clock.sleep(30)
        return (await room.dispatcher.complete(chat(request_id="c"))).backend

    assert run_async(story()) == "main"
    assert room.dispatcher.breakers["main"].state == "closed"


def test_a_caller_that_goes_away_during_the_probe_leaves_it_to_the_next() -> None:
    room = Room(routing={"breaker_failures": 1, "breaker_rest_s": 30, "fallback": []})
    room.fakes["main"].scripts = [failed("server"), Script(delay_s=60)]

    async def story() -> str:
        with pytest.raises(BackendFailed):
            await room.dispatcher.complete(chat(request_id="a"))
        await room.clock.sleep(30)
        probe = asyncio.ensure_future(room.dispatcher.complete(chat(request_id="b")))
        await room.clock.sleep(1)
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        return (await room.dispatcher.complete(chat(request_id="c"))).backend

    assert run_async(story()) == "main"
