"""One request and its answer on the wire, with the means to cut the connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from sophia_infra.http_server import TRANSPORT_EXTENSION

from .answers import BadRequest

__all__ = ["ClientGone", "ConnectionCut", "Exchange"]


_JSON = (b"content-type", b"application/json")
_SHORT_S = 0.25


class ConnectionCut(Exception):
    """A fault cuts this connection; raised to the server only where it offers no transport to cut."""


class ClientGone(Exception):
    """The body never came: the client went away."""


class Exchange:
    """Reads the body, sends the answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._transport = scope.get("extensions", {}).get(TRANSPORT_EXTENSION)
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._gone: asyncio.Task[Message] | None = None
        self.has_begun = False

    def header(self, name: bytes) -> str:
        """Value of a header, "" without one."""
        for key, value in self._headers:
            if key == name:
                return value.decode("latin-1")
        return ""

    async def read_json(self) -> Any:
        """Raises BadRequest when the body is not JSON, ClientGone when it never came."""
        body = b""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            body = body + message["body"] if body else message["body"]
            if not message.get("more_body"):
                break
        try:
            return json.loads(body)
        except ValueError:
            raise BadRequest("the body is not JSON") from None

    def is_gone(self) -> bool:
        """Whether the connection is closed. Always False behind a server that shows no transport."""
        return self._transport is not None and self._transport.is_closing()

    async def reply(
        self,
        body: bytes,
        status: int = 200,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        content_type: tuple[bytes, bytes] = _JSON,
    ) -> None:
        length = (b"content-length", str(len(body)).encode())
        self.has_begun = True
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [content_type, length, *headers]}
        )
        await self._send({"type": "http.response.body", "body": body})

    async def begin(self, content_type: bytes, length: int | None = None) -> None:
        """Send the head of an answer that comes in parts."""
        headers = [(b"content-type", content_type), (b"cache-control", b"no-cache")]
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        self.has_begun = True
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def part(self, body: bytes, *, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def pause(self, real_s: float, sleep: Callable[[float], Any]) -> bool:
        """Wait; ends early, with False, when the client goes away."""
        if real_s < _SHORT_S:  # a task for each token of each stream would cost more than it saves
            await sleep(real_s)
            return not self.is_gone()
        return await self.wait_for(sleep(real_s))

    async def wait_for(self, what: Coroutine[Any, Any, object]) -> bool:
        """Wait for it; ends early, with False, when the client goes away."""
        self._gone = self._gone or asyncio.ensure_future(self._disconnect())
        waiting = asyncio.ensure_future(what)
        try:
            done, _ = await asyncio.wait({waiting, self._gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        return self._gone not in done

    async def cut(self) -> None:
        """Reset the connection."""
        if self._transport is None:
            raise ConnectionCut
        await asyncio.sleep(0)  # what was sent before leaves first
        self._transport.abort()
        await asyncio.sleep(0)  # and the server learns of it, or it would report a missing answer

    def close(self) -> None:
        if self._gone is not None:
            self._gone.cancel()

    async def _disconnect(self) -> Message:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return message
