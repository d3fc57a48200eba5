"""Reads server-sent events, as far as OpenAI's API uses them.

Source: WHATWG HTML, "9.2.6 Interpreting an event stream". Fields other than `data` are dropped.
"""

from __future__ import annotations

__all__ = ["DONE", "EventReader"]

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
