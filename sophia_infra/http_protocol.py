"""HTTP/1.1 of one connection: uvicorn's, with limits on what a client may send. Knows no other room."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["BODY_TIMEOUT_S", "HEAD_TIMEOUT_S", "MAX_HEAD_BYTES", "TRANSPORT_EXTENSION", "LimitedProtocol"]

TRANSPORT_EXTENSION: Final = "sophia.transport"
"""Where the scope of a request holds its connection, for whoever has to cut it."""

MAX_HEAD_BYTES: Final = 65_536
"""For address and headers, and for all else that is no body: the parser has no limit of its own."""

HEAD_TIMEOUT_S: Final = 30.0
"""From the connection, or the first byte of a further request, to the end of its headers."""

BODY_TIMEOUT_S: Final = 90.0
"""From the headers to the end of the body, for applications that set no limit of their own."""


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's, with the limits on time and size that it lacks: a client that sends its headers slowly, or
    without end, loses its connection. A request whose bytes come at once never sets a timer.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_bytes = 0
        self._bytes_without_body = 0
        self._in_head, self._in_message = True, True
        self._went_on = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._went_on = False
        super().data_received(data)
        self._bytes_without_body = 0 if self._went_on else self._bytes_without_body + len(data)
        if self.transport.is_closing():
            return
        if self._bytes_without_body > MAX_HEAD_BYTES:
            self.send_400_response("The headers are too large.")
        elif self._deadline is None and (self._in_message or self._is_idle_unwatched):
            self._watch()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {TRANSPORT_EXTENSION: self.transport}
        self.scope["extensions"] = extensions
        self._head_bytes = 0
        self._in_head, self._in_message = True, True

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value))

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_head, self._went_on = False, True
        self._unwatch()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._went_on = True

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head, self._in_message, self._went_on = True, False, True
        self._unwatch()

    @property
    def _is_idle_unwatched(self) -> bool:
        """Whether nothing is answered and uvicorn no longer counts: empty lines stop its timer."""
        return not self._is_answering and self.timeout_keep_alive_task is None

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _count(self, more_bytes: int) -> None:
        self._head_bytes += more_bytes
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("the headers are too large")  # the parser makes it a 400

    def _watch(self) -> None:
        limit_s = HEAD_TIMEOUT_S if self._in_head else BODY_TIMEOUT_S
        self._deadline = self.loop.call_later(limit_s, self._end_if_slow)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end_if_slow(self) -> None:
        self._deadline = None
        if self.pipeline or (self._is_answering and self._in_head):
            self._watch()  # it waits for the answer to the request before it, not for its client
        else:
            self.transport.close()
