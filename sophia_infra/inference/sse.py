"""Reads server-sent events, as far as OpenAI's API uses them.

Source: WHATWG HTML, "9.2.6 Interpreting an event stream". Fields other than `data` are dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

__all__ = ["DONE", "EventReader", "EventStream"]

DONE = b"[DONE]"


class EventReader:
    """Takes bytes as they come, gives the payloads that are whole."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[bytes]:
        """Payloads that end in `piece`, in order."""
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        payloads = []
        for line in lines:
            text = line.removesuffix(b"\r")
            if text.startswith(b"data:"):
                self._data.append(text[5:].removeprefix(b" "))
            elif not text and self._data:
                payloads.append(b"\n".join(self._data))
                self._data = []
        return payloads

    def end(self) -> list[bytes]:
        """The payload that the end of the stream completes, if any: some servers leave out the last line."""
        payloads = self.feed(b"\n\n") if self._rest or self._data else []
        self._rest = b""
        return payloads


class EventStream:
    """The payloads of one open answer, one by one.

    Args:
        next_piece: bytes as they come, None at the end. What it raises goes through.
    """

    def __init__(self, next_piece: Callable[[], Awaitable[bytes | None]]) -> None:
        self._next_piece = next_piece
        self._reader = EventReader()
        self._ready: deque[bytes] = deque()
        self.has_ended = False

    async def next(self) -> bytes | None:
        """The next payload; None once the stream has ended. What may follow DONE is no part of the answer."""
        while not self._ready:
            if self.has_ended:
                return None
            piece = await self._next_piece()
            if piece is None:
                self.has_ended = True
                self._ready.extend(self._reader.end())
            else:
                self._ready.extend(self._reader.feed(piece))
        payload = self._ready.popleft()
        if payload == DONE:
            self.has_ended = True
        return payload
