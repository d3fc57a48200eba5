"""Streams, callers that go away, and hedges."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sophia_infra.inference.answers import Answer, StreamChunk
from sophia_infra.inference.errors import (
    BackendFailed,
    DeadlinePassed,
    OverBudget,
)
from sophia_infra.inference.upstream import AttemptFailed, RawAnswer
from sophia_infra.inference.usage import Tokens
from tests.inference_clock import run_async
from tests.unit.inference.core.fakes import (
    FakeTransport,
    Script,
    chat,
    chunk,
    usage_chunk,
)
from tests.unit.inference.core.room import TWO, Room


def test_a_stream_passes_bytes_on_and_is_paid_before_its_end() -> None:
    room = Room()
    sent = [chunk("a"), chunk("b")]
    paid_at_end: list[bool] = []

    async def read() -> list[bytes]:
        chunks = []
        async for event in room.dispatcher.stream(chat()):
            if isinstance(event, StreamChunk):
                chunks.append(event.data)
                if event.data == b"[DONE]":
                    paid_at_end.append("r-1" in room.ledger.entries)
        return chunks

    assert run_async(read()) == [*sent, b"[DONE]"]
    assert paid_at_end == [True]
    assert room.only_entry().tokens == Tokens(10, 5)
    assert room.fakes["main"].bodies[0]["stream_options"] == {"include_usage": True}
    assert room.fakes["main"].open_streams == 0


def test_a_caller_that_asked_for_usage_gets_the_closing_piece() -> None:
    chunks, answer = Room().stream(chat(stream_options={"include_usage": True}))
    assert chunks[-2] == usage_chunk(10, 5)
    assert answer.first_token_ms == 0


def test_a_stream_that_fails_before_its_first_byte_is_tried_again() -> None:
    room = Room()
    room.fakes["main"].scripts = [Script(chunks=[AttemptFailed("connection")])]
    chunks, answer = room.stream(chat())
    assert (len(chunks), answer.attempts) == (3, 2)
    assert room.fakes["main"].open_streams == 0


@pytest.mark.parametrize(
    "ending",
    [
        [AttemptFailed("connection")],
        [],
        [b'{"error": {"message": "out of memory"}}'],
        [b'{"usage": nonsense'],
    ],
)
def test_a_stream_that_breaks_off_is_not_tried_again_and_what_came_is_paid(ending: Any) -> None:
    room = Room(TWO)
    room.fakes["one"].scripts = [Script(chunks=[chunk("a"), chunk("b"), *ending])]
    with pytest.raises(BackendFailed):
        room.stream(chat())
    entry = room.only_entry()
    assert (entry.outcome, entry.tokens.output, entry.backend) == ("failed", 2, "one")
    assert not room.fakes["two"].bodies


def test_a_caller_that_goes_away_in_a_stream_pays_for_what_came() -> None:
    room = Room()
    room.fakes["main"].scripts = [Script(chunks=[chunk(text) for text in "abcdef"])]

    async def read() -> None:
        events = room.dispatcher.stream(chat())
        for _ in range(3):
            await anext(events)
        await events.aclose()

    run_async(read())
    entry = room.only_entry()
    assert (entry.outcome, entry.tokens.output) == ("cancelled", 3)
    assert room.fakes["main"].open_streams == 0


def test_a_slow_stream_ends_at_the_deadline() -> None:
    room = Room(limits={"timeout_s": 30})
    room.fakes["main"].scripts = [Script(chunks=[chunk("a"), 100.0, chunk("b")])]
    with pytest.raises(DeadlinePassed):
        room.stream(chat())
    assert room.only_entry().tokens.output == 1


def test_a_cancelled_call_is_booked_at_its_most_once() -> None:
    room = Room()
    room.fakes["main"].scripts = [Script(delay_s=60)]

    async def cancel() -> None:
        call = asyncio.ensure_future(room.dispatcher.complete(chat(max_tokens=50)))
        await room.clock.sleep(5)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    run_async(cancel())
    entry = room.only_entry()
    assert (entry.outcome, entry.tokens.output) == ("cancelled", 50)


def test_a_hedge_takes_the_faster_backend_and_books_both() -> None:
    room = Room(TWO, routing={"hedge_after_s": 2})
    room.fakes["one"].scripts = [Script(delay_s=60)]
    answer = room.complete(chat(max_tokens=50))
    assert (answer.backend, answer.attempts, room.clock.monotonic()) == ("two", 2, 2.0)
    assert room.only_entry().tokens.output == 5 + 50


def test_money_for_both_tries_of_a_hedge_is_set_aside() -> None:
    budget = {"usd_per_request": "$0.0013"}  # one try with 4096 tokens costs $0.00124 at most
    assert Room(TWO, budget=budget).complete(chat()).attempts == 1
    with pytest.raises(OverBudget):
        Room(TWO, budget=budget, routing={"hedge_after_s": 2}).complete(chat())


class _Gated(FakeTransport):
    """Answers when the gate opens."""

    gate: asyncio.Event

    async def complete(self, *sent: Any, **named: Any) -> RawAnswer:
        await self.gate.wait()
        return await super().complete(*sent, **named)


def test_two_answers_at_the_same_moment_are_both_paid() -> None:
    room = Room(TWO, routing={"hedge_after_s": 2})

    async def run() -> Answer:
        for name in TWO:
            gated = _Gated(room.clock)
            gated.gate = gate
            room.dispatcher._transports[name] = gated
        call = asyncio.ensure_future(room.dispatcher.complete(chat(max_tokens=50)))
        await room.clock.sleep(3)
        gate.set()
        return await call

    gate = asyncio.Event()
    assert run_async(run()).attempts == 2
    assert room.only_entry().tokens.output == 5 + 5


def test_a_quick_answer_needs_no_hedge() -> None:
    room = Room(TWO, routing={"hedge_after_s": 2})
    assert room.complete(chat()).attempts == 1
    assert not room.fakes["two"].bodies


def test_closing_closes_the_ways_and_the_books() -> None:
    room = Room()
    run_async(room.dispatcher.aclose())
    assert room.fakes["main"].closed
    assert room.ledger.closed
