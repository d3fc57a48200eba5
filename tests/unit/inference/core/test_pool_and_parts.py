"""Places at backends, server-sent events, budget windows, errors, and what importing the room costs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.inference import errors
from sophia_infra.inference.booking import uninterrupted
from sophia_infra.inference.budgets import NoLedger, next_window_start, window_start, windows
from sophia_infra.inference.errors import DeadlinePassed, NoBackendReady, QueueFull
from sophia_infra.inference.pool import OpenPool, SlotQueue
from sophia_infra.inference.sse import EventReader
from tests.inference_clock import VirtualClock, run_async
from tests.unit.inference.core.fakes import SCOUT, config_for


def test_the_least_loaded_backend_goes_first() -> None:
    pool = OpenPool(config_for({"a": {"max_in_flight": 2}, "b": {"max_in_flight": 4}}).backends, 10)

    async def run() -> list[str]:
        async with pool.slot("a", 1), pool.slot("b", 1):
            return list(pool.candidates(SCOUT))

    assert run_async(run()) == ["b", "a"]
    assert list(pool.candidates("other")) == []


def test_places_are_given_in_the_order_of_asking() -> None:
    clock = VirtualClock()
    queue = SlotQueue({"a": 1}, 10, clock=clock)
    order: list[int] = []

    async def one(number: int) -> None:
        async with queue.slot("a", 100):
            order.append(number)
            await clock.sleep(1)

    async def run() -> None:
        await asyncio.gather(*(one(number) for number in range(5)))

    run_async(run())
    assert order == [0, 1, 2, 3, 4]
    assert queue.in_flight("a") == 0


def test_the_queue_is_bounded_and_a_place_is_waited_for_no_longer_than_asked() -> None:
    clock = VirtualClock()
    seen: list[tuple[str, int]] = []
    queue = SlotQueue({"a": 1}, 1, lambda backend, waiting: seen.append((backend, waiting)), clock)

    async def wait(seconds: float) -> None:
        async with queue.slot("a", seconds):
            pass

    async def run() -> None:
        async with queue.slot("a", 1):
            waiting = asyncio.ensure_future(wait(10))
            await asyncio.sleep(0)
            with pytest.raises(QueueFull):
                await wait(10)
            await clock.sleep(11)
            with pytest.raises(DeadlinePassed):
                await waiting

    run_async(run())
    assert seen == [("a", 1), ("a", 0)]
    assert queue.in_flight("a") == 0


def test_who_waits_for_a_backend_that_is_lost_is_sent_away() -> None:
    queue = SlotQueue({"a": 1}, 10, clock=VirtualClock())

    async def wait() -> None:
        async with queue.slot("a", 10):
            pass

    async def run() -> None:
        async with queue.slot("a", 1):
            waiting = asyncio.ensure_future(wait())
            await asyncio.sleep(0)
            queue.refuse_waiting("a")
            with pytest.raises(NoBackendReady):
                await waiting
        await wait()
        with pytest.raises(NoBackendReady):
            async with queue.slot("b", 1):
                pass

    run_async(run())
    assert queue.in_flight("a") == 0


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["enter", "leave", "cancel", "turn"]), st.integers(0, 20)), max_size=60
    )
)
def test_no_place_is_lost_or_given_twice(steps: list[tuple[str, int]]) -> None:
    async def run() -> None:
        queue = SlotQueue({"a": 2}, 4, clock=VirtualClock(auto=False))
        inside = 0
        most = 0
        gates: list[asyncio.Event] = []
        tasks: list[asyncio.Task[None]] = []

        async def visit(gate: asyncio.Event) -> None:
            nonlocal inside, most
            async with queue.slot("a", 10):
                inside += 1
                most = max(most, inside)
                try:
                    await gate.wait()
                finally:
                    inside -= 1

        for step, number in steps:
            if step == "enter":
                gates.append(asyncio.Event())
                tasks.append(asyncio.ensure_future(visit(gates[-1])))
            elif step == "turn":
                await asyncio.sleep(0)
            elif tasks and step == "leave":
                gates[number % len(gates)].set()
            elif tasks:
                tasks[number % len(tasks)].cancel()
        for gate in gates:
            gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(
            result is None or isinstance(result, asyncio.CancelledError | QueueFull) for result in results
        )
        assert most <= 2
        assert queue.in_flight("a") == 0
        assert queue.waiting == 0

    run_async(run())


@given(
    payloads=st.lists(st.binary(min_size=1).filter(lambda data: not set(data) & {10, 13})),
    cuts=st.lists(st.integers(0, 500)),
    ending=st.sampled_from([b"\n", b"\r\n"]),
)
def test_events_are_the_same_however_the_bytes_come(
    payloads: list[bytes], cuts: list[int], ending: bytes
) -> None:
    text = b"".join(b": hello" + ending + b"data: " + data + ending + ending for data in payloads)
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    reader = EventReader()
    got = [data for start, end in pairwise(places) for data in reader.feed(text[start:end])]
    assert got == payloads
    assert reader.end() == []


def test_a_last_event_without_its_empty_line_counts() -> None:
    reader = EventReader()
    assert reader.feed(b"data: a") == []
    assert reader.end() == [b"a"]


def test_windows_are_calendar_ones_in_utc() -> None:
    at = datetime(2026, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-5)))
    assert windows(at) == (
        ("hour", datetime(2027, 1, 1, 4, tzinfo=UTC)),
        ("day", datetime(2027, 1, 1, tzinfo=UTC)),
        ("month", datetime(2027, 1, 1, tzinfo=UTC)),
    )
    with pytest.raises(ValueError, match="no time zone"):
        window_start(datetime(2026, 1, 1), "hour")  # noqa: DTZ001


@given(at=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_each_moment_lies_in_its_window_and_the_next_one_begins_where_it_ends(at: datetime) -> None:
    for window, start in windows(at):
        end = next_window_start(at, window)
        assert start <= at < end
        assert window_start(end, window) == end
        assert window_start(end - timedelta(microseconds=1), window) == start


def test_work_is_finished_although_the_caller_goes_away_twice() -> None:
    done: list[str] = []

    async def work() -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        done.append("yes")

    async def run() -> None:
        task = asyncio.ensure_future(uninterrupted(work()))
        for _ in range(2):
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_async(run())
    assert done == ["yes"]


def test_no_ledger_lets_everything_pass() -> None:
    assert NoLedger().pressure("ann") == 0


def test_each_error_says_whose_fault_it_is_and_how_it_looks_over_http() -> None:
    tree = (errors.__doc__ or "").splitlines()
    kinds = [getattr(errors, name) for name in errors.__all__ if isinstance(getattr(errors, name), type)]
    for kind in kinds:
        if kind is errors.InferenceError:
            continue
        (line,) = [line for line in tree if line.split(" ", 5)[-1] and f"── {kind.__name__} " in line]
        assert f"({kind.status})" in line
        assert kind.fault in line
        assert ("retry" in line.split(kind.fault)[-1]) == kind.retry
        assert kind.code.isidentifier()


def test_importing_the_room_imports_neither_openai_nor_sqlalchemy() -> None:
    heavy = "{'openai', 'httpx2', 'sqlalchemy'}"
    program = f"import sys, sophia_infra.inference; print([*({heavy} & set(sys.modules))])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    import sophia_infra.inference as room

    assert all(getattr(room, name) for name in room.__all__)
