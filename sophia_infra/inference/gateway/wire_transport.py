"""`Transport` to one of our own backends, on `wire`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from sophia_infra.inference.clock import Clock
from sophia_infra.inference.gateway.connections import ConnectionPool
from sophia_infra.inference.gateway.wire import Connection, WireBroken
from sophia_infra.inference.openai_paths import PATHS, read_count, tokenize_body
from sophia_infra.inference.sse import EventStream
from sophia_infra.inference.status_failures import error_fields, status_failed
from sophia_infra.inference.upstream import AttemptFailed, Endpoint, RawAnswer, RawStream

__all__ = ["WireTransport"]

_OK: Final = 200
_MAX_ANSWER_BYTES: Final = 67_108_864
_MAX_ERROR_BYTES: Final = 65_536


class WireTransport:
    """One backend. A call that is cancelled or too late closes its connection, so the backend stops too.

    Args:
        base_url: up to and with /v1.
        api_key: sent as a bearer token; None sends none.
    """

    def __init__(self, base_url: str, api_key: str | None, clock: Clock) -> None:
        parts = urlsplit(base_url)
        self._api = parts.path.rstrip("/")
        self._clock = clock
        self._pool = ConnectionPool(base_url)
        lines = [f"host: {parts.netloc}", "content-type: application/json", "user-agent: sophia-gateway"]
        if api_key:
            lines.append(f"authorization: Bearer {api_key}")
        self._head = "\r\n".join(lines)

    @property
    def idle_connections(self) -> int:
        """Open ones that no call uses."""
        return self._pool.idle

    async def complete(
        self, endpoint: Endpoint, body: Mapping[str, Any], *, request_id: str, timeout_s: float
    ) -> RawAnswer:
        """See `Transport.complete`."""
        return await self._complete(self._api + PATHS[endpoint], body, request_id, timeout_s)

    async def open_stream(
        self, endpoint: Endpoint, body: Mapping[str, Any], *, request_id: str, timeout_s: float
    ) -> RawStream:
        """See `Transport.open_stream`."""
        connection: Connection | None = None
        try:
            async with self._clock.timeout(timeout_s):
                connection = await self._send(self._api + PATHS[endpoint], body, request_id)
                await self._check_status(connection)
        except BaseException as stopped:
            raise _stopped(stopped, connection) from None
        return _WireStream(connection)

    async def count(self, model: str, body: Mapping[str, Any], timeout_s: float) -> int | None:
        """See `Transport.count`: vLLM's POST /tokenize, which applies the chat template too."""
        path = self._api.removesuffix("/v1") + "/tokenize"
        try:
            answer = await self._complete(path, tokenize_body(model, body), "", timeout_s)
        except AttemptFailed:
            return None
        return read_count(answer.body)

    async def aclose(self) -> None:
        """See `Transport.aclose`."""
        self._pool.close()

    async def _complete(
        self, path: str, body: Mapping[str, Any], request_id: str, timeout_s: float
    ) -> RawAnswer:
        connection: Connection | None = None
        try:
            async with self._clock.timeout(timeout_s):
                connection = await self._send(path, body, request_id)
                await self._check_status(connection)
                whole = await _read(connection, _MAX_ANSWER_BYTES)
        except BaseException as stopped:
            raise _stopped(stopped, connection) from None
        answer = RawAnswer(connection.status, whole, connection.headers)
        connection.finish()
        return answer

    async def _send(self, path: str, body: Mapping[str, Any], request_id: str) -> Connection:
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        own = f"x-request-id: {request_id}\r\n" if request_id else ""
        head = f"POST {path} HTTP/1.1\r\n{self._head}\r\n{own}content-length: {len(content)}\r\n\r\n"
        try:
            connection = await self._pool.take()
        except WireBroken:
            raise AttemptFailed("connection", sent=False) from None
        connection.send(head.encode("latin-1") + content)
        return connection

    async def _check_status(self, connection: Connection) -> None:
        """AttemptFailed for anything but 200; the connection stays usable."""
        status = await connection.head()
        if status == _OK:
            return
        body = await _read(connection, _MAX_ERROR_BYTES)
        failure = status_failed(status, error_fields(body), connection.headers, self._clock.now())
        connection.finish()
        raise failure


class _WireStream:
    """`RawStream` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._events = EventStream(self._next_piece)
        self._closed = False

    async def next(self) -> bytes | None:
        return await self._events.next()

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._events.has_ended:
            self._connection.finish()
        else:
            self._connection.abort()

    async def _next_piece(self) -> bytes | None:
        try:
            return await self._connection.next_piece()
        except WireBroken as broken:
            raise _failure(broken) from None


async def _read(connection: Connection, limit_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while (piece := await connection.next_piece()) is not None:
        size += len(piece)
        if size > limit_bytes:
            raise WireBroken(malformed=True)
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _stopped(stopped: BaseException, connection: Connection | None) -> BaseException:
    """What to raise for it; the connection is given up unless its answer was read."""
    if isinstance(stopped, AttemptFailed):
        return stopped
    if connection is not None:
        connection.abort()
    if isinstance(stopped, WireBroken):
        return _failure(stopped)
    return AttemptFailed("timeout") if isinstance(stopped, TimeoutError) else stopped


def _failure(broken: WireBroken) -> AttemptFailed:
    return AttemptFailed("malformed" if broken.malformed else "connection")
