"""Streams through the gateway: each event at once, the bill before the end, and what cuts one off."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.http_server import TRANSPORT_EXTENSION
from sophia_infra.inference.errors import BackendFailed, NoBackendReady
from sophia_infra.inference.gateway.app import make_app
from sophia_infra.inference.sse import DONE, EventReader
from sophia_infra.model.gateway import GatewayLimits
from tests.inference_clock import run_async
from tests.unit.inference.gateway.asgi import Connection
from tests.unit.inference.gateway.calling import BODY, CHAT, PROMPT, ask
from tests.unit.inference.gateway.door import ANSWER, Site, chunk

STREAM = BODY | {"stream": True}


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def a_stream_that_goes_on(site: Site) -> tuple[Connection, asyncio.Task[None]]:
    """One event has passed, and the next never comes."""
    site.calls.events = [chunk("one"), asyncio.Event()]
    connection = Connection(CHAT, STREAM, site.headers())
    task = asyncio.create_task(make_app(site.door)(connection.scope, connection.receive, connection.send))
    await turns()
    return connection, task


def payloads(connection: Connection) -> list[bytes]:
    return EventReader().feed(connection.body)


def test_a_stream_passes_event_by_event_and_the_bill_comes_before_done(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.calls.events = [chunk('{"a":1}'), chunk('{"a":2}'), chunk(DONE.decode()), replace(ANSWER, body=b"")]
    reply = ask(site, STREAM)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert payloads(reply) == [b'{"a":1}', b'{"a":2}', DONE]
    assert b": x-sophia-cost-usd=0.0000023 " in reply.body
    assert reply.body.index(b"cost-usd") < reply.body.index(DONE)
    assert reply.complete
    assert site.calls.ended == ["ended"]


def test_an_event_is_passed_on_before_the_next_one_exists(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def scene() -> None:
        gate = asyncio.Event()
        site.calls.events = [chunk("one"), gate, chunk("two"), ANSWER]
        connection = Connection(CHAT, STREAM, site.headers())
        task = asyncio.create_task(make_app(site.door)(connection.scope, connection.receive, connection.send))
        await turns()
        assert payloads(connection) == [b"one"]
        assert site.door.open_streams == 1
        gate.set()
        await task
        assert payloads(connection) == [b"one", b"two", DONE]
        assert site.door.open_streams == 0

    run_async(scene())


def test_a_failure_before_the_first_event_is_a_plain_error(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.calls.events = [NoBackendReady("none")]
    reply = ask(site, STREAM)
    assert (reply.status, reply.json["error"]["code"]) == (503, "no_backend_ready")


@pytest.mark.parametrize("error", [BackendFailed("cut"), ValueError(PROMPT)])
def test_a_failure_in_the_middle_is_an_event_and_no_done(tmp_path: Path, error: Exception) -> None:
    site = Site(tmp_path)
    site.calls.events = [chunk("one"), error]
    reply = ask(site, STREAM)
    assert reply.status == 200
    first, last = payloads(reply)
    assert first == b"one"
    assert json.loads(last)["error"]["type"] == "server_error"
    assert PROMPT not in last.decode()
    assert reply.complete


def test_a_caller_that_goes_away_ends_the_stream_at_the_backend(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def scene() -> None:
        connection, task = await a_stream_that_goes_on(site)
        connection.hang_up()
        await task
        assert not task.cancelled()
        assert site.calls.ended == ["cancelled"]
        assert (site.door.open_streams, site.door.held_bytes) == (0, 0)

    run_async(scene())


def test_a_stream_that_nobody_reads_is_cut_in_the_end(tmp_path: Path) -> None:
    site = Site(tmp_path, GatewayLimits(timeout_s=10))

    class Transport:
        aborted = False

        def abort(self) -> None:
            self.aborted = True

    async def scene() -> None:
        transport = Transport()
        connection = Connection(CHAT, STREAM, site.headers())
        connection.scope["extensions"] = {TRANSPORT_EXTENSION: transport}
        site.calls.events = [chunk("one"), chunk("two")]

        async def never(message: Any) -> None:
            if message["type"] == "http.response.body":
                await asyncio.Event().wait()

        task = asyncio.create_task(make_app(site.door)(connection.scope, connection.receive, never))
        await turns()
        site.clock.advance(39)
        await turns()
        assert not task.done()
        site.clock.advance(2)
        await task
        assert transport.aborted
        assert site.calls.ended == ["closed"]

    run_async(scene())


def test_the_end_of_the_process_ends_a_stream_and_is_not_swallowed(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def scene() -> None:
        _, task = await a_stream_that_goes_on(site)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert site.calls.ended == ["cancelled"]

    run_async(scene())


def test_one_stream_too_many_is_429(tmp_path: Path) -> None:
    site = Site(tmp_path, GatewayLimits(open_streams=1))

    async def scene() -> None:
        gate = asyncio.Event()
        site.calls.events = [gate, ANSWER]
        app = make_app(site.door)
        first = Connection(CHAT, STREAM, site.headers())
        task = asyncio.create_task(app(first.scope, first.receive, first.send))
        await turns()
        second = Connection(CHAT, STREAM, site.headers())
        await app(second.scope, second.receive, second.send)
        assert (second.status, second.json["error"]["code"]) == (429, "too_many_streams")
        gate.set()
        await task

    run_async(scene())
