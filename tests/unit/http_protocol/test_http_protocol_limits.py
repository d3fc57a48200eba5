"""A client that is slow or never ends loses its connection; one that is neither sets no timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from sophia_infra.http_protocol import BODY_TIMEOUT_S, HEAD_TIMEOUT_S, MAX_HEAD_BYTES, LimitedProtocol

WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


class Timer:
    def __init__(self, delay_s: float, call: Callable[[], None]) -> None:
        self.delay_s, self._call, self.cancelled = delay_s, call, False

    def cancel(self) -> None:
        self.cancelled = True

    def fire(self) -> None:
        assert not self.cancelled
        self.cancelled = True
        self._call()


class Loop:
    """Timers that a test fires, and tasks that nobody runs until it says so."""

    def __init__(self) -> None:
        self.timers: list[Timer] = []
        self.started = 0

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(delay_s, call))
        return self.timers[-1]

    def create_task(self, coroutine: Any) -> asyncio.Future[None]:
        coroutine.close()
        self.started += 1
        return cast("asyncio.Future[None]", _NoTask())

    @property
    def running(self) -> list[Timer]:
        return [timer for timer in self.timers if not timer.cancelled]


class _NoTask:
    def add_done_callback(self, call: Any) -> None:
        del call


class Transport:
    def __init__(self) -> None:
        self.written, self.closed, self.paused = b"", False, False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else None


class Connected:
    """One connection without a socket."""

    def __init__(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            raise AssertionError("nothing runs here")

        self.loop, self.transport = Loop(), Transport()
        config = Config(app, interface="asgi3", lifespan="off", log_config=None, access_log=False)
        self.protocol = LimitedProtocol(config, ServerState(), {}, _loop=self.loop)
        self.protocol.connection_made(cast("asyncio.Transport", self.transport))

    def send(self, *parts: bytes) -> Connected:
        for part in parts:
            self.protocol.data_received(part)
        return self

    def answer(self) -> None:
        """The application has answered the request under way."""
        self.protocol.cycle.response_complete = True
        self.protocol.on_response_complete()

    def delays(self) -> list[float]:
        return [timer.delay_s for timer in self.loop.running]


@pytest.mark.parametrize("sent", [b"", b"G", HEAD, HEAD + b"X-A: b", b"\r\n"])
def test_a_head_that_never_ends_in_time_closes_the_connection(sent: bytes) -> None:
    connected = Connected().send(*([sent] if sent else []))
    assert connected.delays() == [HEAD_TIMEOUT_S]
    for _ in range(3):  # a byte now and then buys no time
        connected.send(b"\r\n" if sent in (b"", b"\r\n") else b"")
    assert len(connected.loop.timers) == 1
    connected.loop.running[0].fire()
    assert connected.transport.closed


def test_a_body_that_never_ends_closes_the_connection() -> None:
    connected = Connected().send(HEAD + b"Content-Length: 10\r\n\r\n", b"1", b"2")
    assert connected.delays() == [BODY_TIMEOUT_S]
    connected.loop.running[0].fire()
    assert connected.transport.closed


def test_requests_that_come_whole_set_no_timer_of_their_own() -> None:
    connected = Connected().send(WHOLE)
    connected.answer()
    connected.send(WHOLE)
    connected.answer()
    own = [timer for timer in connected.loop.timers if timer.delay_s in (HEAD_TIMEOUT_S, BODY_TIMEOUT_S)]
    assert len(own) == 1, "the one of the connection itself"
    assert connected.loop.started == 2
    assert not connected.transport.closed


@pytest.mark.parametrize("sent", [b"\r\n", b"G", HEAD])
def test_between_two_requests_nothing_stops_the_clock(sent: bytes) -> None:
    connected = Connected().send(WHOLE)
    connected.answer()
    connected.send(sent)
    assert connected.delays() == [HEAD_TIMEOUT_S]


@pytest.mark.parametrize("more", [HEAD, HEAD + b"Content-Length: 9\r\n\r\n1"])
def test_a_second_request_that_waits_for_the_first_answer_is_not_slow(more: bytes) -> None:
    """Closing would cut the answer that is under way."""
    connected = Connected().send(WHOLE, more)
    connected.loop.running[0].fire()
    assert not connected.transport.closed
    connected.answer()
    connected.loop.running[-1].fire()


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"X-A: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n",
        HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(20_000)) + b"\r\n",
        b"GET /" + b"a" * MAX_HEAD_BYTES + b" HTTP/1.1\r\n\r\n",
        HEAD + b"X-A: " + b"a" * 2 * MAX_HEAD_BYTES,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n" + b"X-A: a\r\n" * 20_000,
    ],
    ids=["one header", "many headers", "address", "one header without end", "trailers"],
)
@pytest.mark.parametrize("part_bytes", [1_000, 10_000_000])
def test_a_head_without_end_is_refused_before_it_fills_the_memory(head: bytes, part_bytes: int) -> None:
    connected = Connected()
    taken = 0
    while taken < len(head) and not connected.transport.closed:
        connected.send(head[taken : taken + part_bytes])
        taken += part_bytes
    assert connected.transport.closed
    assert connected.transport.written.startswith(b"HTTP/1.1 400 ")
    assert taken <= max(part_bytes, 2 * MAX_HEAD_BYTES)


@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_a_long_body_is_not_taken_for_a_head(framing: str) -> None:
    pieces = [b"x" * 10_000] * 40
    if framing == "chunked":
        head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces] + [b"0\r\n\r\n"]
    else:
        head = HEAD + b"Content-Length: 400000\r\n\r\n"
    connected = Connected().send(head, *pieces)
    assert not connected.transport.closed
    assert bytes(connected.protocol.cycle.body) == b"x" * 400_000
    assert connected.delays() == []
