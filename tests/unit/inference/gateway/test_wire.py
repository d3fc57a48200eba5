"""The short way to a backend, against a server on loopback that says what each test wants."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from sophia_infra.inference.clock import SystemClock
from sophia_infra.inference.gateway.wire_transport import WireTransport
from sophia_infra.inference.sse import DONE
from sophia_infra.inference.status_failures import error_fields, status_failed
from sophia_infra.inference.upstream import AttemptFailed
from tests.inference_clock import START, run_async

Say = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Server:
    """Reads one request after the other and writes the next of `answers`; None closes the connection."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self.heads: list[bytes] = []
        self.bodies: list[Any] = []
        self.connections = 0
        self.lost = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []
        self._ended = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.heads.append(head)
                self.bodies.append(json.loads(await reader.readexactly(length)))
                answer = self._answers.pop(0)
                if answer is None:
                    break
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        self.lost.set()
        writer.close()
        self._ended += 1

    async def aclose(self) -> None:
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        while self._ended < self.connections:
            await asyncio.sleep(0)

    def write(self, more: bytes) -> None:
        self._writers[-1].write(more)

    def hang_up(self) -> None:
        self._writers[-1].close()


def with_server(
    server_of: Callable[[], Server], scene: Callable[[Server, WireTransport], Awaitable[None]]
) -> None:
    async def run() -> None:
        server = server_of()
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        transport = WireTransport(f"http://127.0.0.1:{port}/v1", "the-key", SystemClock())
        try:
            await scene(server, transport)
        finally:
            await transport.aclose()
            await server.aclose()
            listening.close()
            await asyncio.sleep(0)

    run_async(run())


async def ask(transport: WireTransport, timeout_s: float = 10) -> bytes:
    answer = await transport.complete("chat", {"model": "m"}, request_id="r1", timeout_s=timeout_s)
    return answer.body


def test_a_call_says_who_what_and_which_one_and_the_connection_is_kept() -> None:
    async def scene(server: Server, transport: WireTransport) -> None:
        assert await ask(transport) == b"{}"
        assert await ask(transport) == b"{}"
        assert server.connections == 1
        assert server.heads[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
        assert b"authorization: Bearer the-key\r\n" in server.heads[0]
        assert b"x-request-id: r1\r\n" in server.heads[0]
        assert server.bodies[0] == {"model": "m"}

    with_server(lambda: Server(OK, OK), scene)


def test_an_answer_in_chunks_and_after_an_announcement_is_whole() -> None:
    chunks = b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED + b'3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n'

    async def scene(server: Server, transport: WireTransport) -> None:
        assert await ask(transport) == b'{"a":1}'

    with_server(lambda: Server(chunks), scene)


def test_an_answer_that_only_the_end_of_the_connection_ends_is_whole_and_not_kept() -> None:
    async def scene(server: Server, transport: WireTransport) -> None:
        task = asyncio.ensure_future(ask(transport))
        while not server.bodies:
            await asyncio.sleep(0)
        server.hang_up()
        assert await task == b"{}"

    with_server(lambda: Server(b"HTTP/1.0 200 OK\r\n\r\n{}"), scene)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (None, "connection"),
        (b"no http at all\r\n\r\n", "malformed"),
        (b"HTTP/1.1 503 x\r\ncontent-length: 0\r\nretry-after: 7\r\n\r\n", "server"),
        (b"HTTP/1.1 429 x\r\ncontent-length: 0\r\n\r\n", "rate_limited"),
        (b"HTTP/1.1 404 x\r\ncontent-length: 0\r\n\r\n", "misconfigured"),
        (b"HTTP/1.1 400 x\r\ncontent-length: 0\r\n\r\n", "refused"),
    ],
)
def test_each_failure_has_its_kind(answer: bytes | None, kind: str) -> None:
    async def scene(server: Server, transport: WireTransport) -> None:
        with pytest.raises(AttemptFailed) as failed:
            await ask(transport)
        assert failed.value.kind == kind
        assert failed.value.retry_after_s == (7 if kind == "server" else None)
        with pytest.raises(AttemptFailed):
            await transport.open_stream("chat", {"model": "m"}, request_id="r", timeout_s=10)

    with_server(lambda: Server(answer, answer), scene)


def test_an_answer_that_is_cut_is_a_lost_connection() -> None:
    async def scene(server: Server, transport: WireTransport) -> None:
        task = asyncio.ensure_future(ask(transport))
        while not server.bodies:
            await asyncio.sleep(0)
        server.hang_up()
        with pytest.raises(AttemptFailed) as failed:
            await task
        assert failed.value.kind == "connection"

    with_server(lambda: Server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}"), scene)


def test_nobody_listens() -> None:
    async def scene() -> None:
        transport = WireTransport("http://127.0.0.1:1/v1", None, SystemClock())
        with pytest.raises(AttemptFailed) as failed:
            await ask(transport)
        assert failed.value.kind == "connection"

    run_async(scene())


def test_too_late_or_cancelled_closes_the_connection_so_that_the_backend_stops() -> None:
    async def too_late(server: Server, transport: WireTransport) -> None:
        with pytest.raises(AttemptFailed) as failed:
            await ask(transport, timeout_s=0.01)
        assert failed.value.kind == "timeout"

    async def cancelled(server: Server, transport: WireTransport) -> None:
        task = asyncio.ensure_future(ask(transport))
        while not server.bodies:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.lost.wait()

    with_server(lambda: Server(b""), too_late)
    with_server(lambda: Server(b""), cancelled)


def test_a_connection_that_the_backend_closed_meanwhile_is_not_used_again() -> None:
    async def scene(server: Server, transport: WireTransport) -> None:
        await ask(transport)
        assert transport.idle_connections == 1
        server.hang_up()
        await asyncio.sleep(0.01)
        assert transport.idle_connections == 0
        assert await ask(transport) == b"{}"
        assert server.connections == 2

    with_server(lambda: Server(OK, OK), scene)


def test_events_come_one_by_one_and_the_connection_is_kept_after_the_last() -> None:
    def event(text: bytes) -> bytes:
        line = b"data: " + text + b"\n\n"
        return b"%x\r\n%b\r\n" % (len(line), line)

    async def scene(server: Server, transport: WireTransport) -> None:
        stream = await transport.open_stream("chat", {"model": "m"}, request_id="r", timeout_s=10)
        assert await stream.next() == b"one"
        server.write(event(b"two") + event(DONE))
        assert await stream.next() == b"two"
        assert await stream.next() == DONE
        assert await stream.next() is None
        await stream.aclose()
        server.write(b"0\r\n\r\n")
        await asyncio.sleep(0.01)
        assert await ask(transport) == b"{}"
        assert server.connections == 1

    with_server(lambda: Server(CHUNKED + event(b"one"), OK), scene)


def test_a_stream_that_is_closed_early_takes_its_connection_along() -> None:
    async def scene(server: Server, transport: WireTransport) -> None:
        stream = await transport.open_stream("chat", {"model": "m"}, request_id="r", timeout_s=10)
        await stream.aclose()
        await stream.aclose()
        await server.lost.wait()

    with_server(lambda: Server(CHUNKED), scene)


def test_a_backend_that_sends_faster_than_we_read_has_to_wait() -> None:
    async def scene(server: Server, transport: WireTransport) -> None:
        stream = await transport.open_stream("chat", {"model": "m"}, request_id="r", timeout_s=10)
        line = b"data: " + b"x" * 65_530 + b"\n\n"
        block = b"%x\r\n%b\r\n" % (len(line), line)
        for _ in range(400):
            server.write(block)
        await asyncio.sleep(0.05)
        held = stream._connection._in.held_bytes  # type: ignore[attr-defined]
        assert held < 1_048_576
        for _ in range(400):
            assert await stream.next() == b"x" * 65_530
        await stream.aclose()

    with_server(lambda: Server(CHUNKED), scene)


def test_tokens_are_counted_by_the_backend_or_not_at_all() -> None:
    counted = b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"count":7}'

    async def scene(server: Server, transport: WireTransport) -> None:
        body = {"messages": [], "temperature": 1}
        assert await transport.count("served", body, 5) == 7
        assert server.heads[0].startswith(b"POST /tokenize ")
        assert server.bodies[0] == {"model": "served", "messages": []}
        assert await transport.count("served", body, 5) is None

    with_server(lambda: Server(counted, OK), scene)


def test_an_error_answer_keeps_identifiers_and_no_text() -> None:
    body = {
        "error": {
            "message": "This model's maximum context length is 4096 tokens. the prompt",
            "code": "context_length_exceeded",
            "param": "messages",
        }
    }
    failure = status_failed(400, error_fields(json.dumps(body).encode()), {}, START)
    assert (failure.kind, failure.reason, failure.param) == (
        "refused",
        "context_length_exceeded",
        "messages",
    )
    assert failure.limit_tokens == 4096
    assert "prompt" not in str(vars(failure))


def test_retry_after_is_seconds_or_a_date_and_no_more_than_an_hour() -> None:
    def wait(text: str) -> float | None:
        return status_failed(503, {}, {"retry-after": text}, START).retry_after_s

    assert wait("3") == 3
    assert wait("999999") == 3_600
    assert wait(format_datetime(START + timedelta(seconds=30), usegmt=True)) == 30
    assert wait("soon") is None


def test_an_account_without_money_is_not_tried_again() -> None:
    body = b'{"error":{"code":"insufficient_quota"}}'
    assert status_failed(429, error_fields(body), {}, START).kind == "quota"
