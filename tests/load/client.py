"""A client cheap enough to share the machine with what it loads: HTTP/1.1 by hand, one call at a time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.load.asks import Ask

__all__ = ["BROKEN", "Connection", "Told", "run_load"]

_LIMIT = 1 << 20
BROKEN = "broken"
"""Stands for a code where a stream has an event that is not JSON."""

_DONE = b"data: [DONE]"
_LOST = (OSError, asyncio.IncompleteReadError, EOFError)


@dataclass(slots=True)
class Told:
    """What the caller learned about one call.

    Attributes:
        status: of HTTP; 0 when the connection was lost before an answer began.
        is_whole: the answer came to its end: a stream to its `[DONE]`, without an error event.
        usd: text of the header x-sophia-cost-usd, "" without one.
        code: of the error, `BROKEN`, or "".
    """

    ask: Ask
    status: int = 0
    is_whole: bool = False
    request_id: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    usd: str = ""
    code: str = ""
    first_byte_s: float = 0.0
    took_s: float = 0.0


class Connection:
    """One keep-alive connection."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._head = (
            f"host: {parts.netloc}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
        )
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def call(self, ask: Ask, on_first_byte: Callable[[], Awaitable[None]] | None = None) -> Told:
        """Send one call and read its answer. Never raises for a lost connection: see `Told`."""
        told = Told(ask)
        began_s = time.perf_counter()
        try:
            await self._exchange(ask, told, began_s, on_first_byte)
        except _LOST:
            self.close()
        told.took_s = time.perf_counter() - began_s
        return told

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _exchange(
        self, ask: Ask, told: Told, began_s: float, on_first_byte: Callable[[], Awaitable[None]] | None
    ) -> None:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port, limit=_LIMIT)
        reader = self._reader
        self._writer.write(
            f"POST {ask.path} HTTP/1.1\r\n{self._head}content-length: {len(ask.body)}\r\n\r\n".encode()
            + ask.body
        )
        status, headers = _parse_head(await reader.readuntil(b"\r\n\r\n"))
        told.status, told.request_id = status, headers.get(b"x-request-id", b"").decode()
        told.usd = headers.get(b"x-sophia-cost-usd", b"").decode()
        if b"content-length" in headers:
            body = await reader.readexactly(int(headers[b"content-length"]))
            told.first_byte_s = time.perf_counter() - began_s
            _take_document(told, json.loads(body))
        else:
            await self._read_stream(reader, told, began_s, on_first_byte)
        if headers.get(b"connection") == b"close":
            self.close()

    async def _read_stream(
        self,
        reader: asyncio.StreamReader,
        told: Told,
        began_s: float,
        on_first_byte: Callable[[], Awaitable[None]] | None,
    ) -> None:
        rest = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            part = await reader.readexactly(size + 2)
            if not told.first_byte_s:
                told.first_byte_s = time.perf_counter() - began_s
                if on_first_byte is not None:
                    await on_first_byte()
            *lines, rest = (rest + part[:-2]).split(b"\n")
            for line in lines:
                _take_line(told, line)
        await reader.readexactly(2)


def _parse_head(head: bytes) -> tuple[int, dict[bytes, bytes]]:
    first, *lines = head[:-4].split(b"\r\n")
    pairs = (line.partition(b":") for line in lines)
    return int(first.split(b" ", 2)[1]), {name.lower(): value.strip() for name, _, value in pairs}


def _take_document(told: Told, document: Any) -> None:
    if told.status == 200:
        told.is_whole = True
        _take_usage(told, document["usage"])
    else:
        told.code = str(document["error"]["code"])


def _take_line(told: Told, line: bytes) -> None:
    if line.startswith(_DONE):
        told.is_whole = not told.code
    elif line.startswith(b"data: ") and not line.endswith(b"}"):
        told.code = BROKEN
    elif b'"error"' in line and line.startswith(b"data: "):
        told.code = str(json.loads(line[6:])["error"]["code"])
    elif b'"usage":{' in line or b'"usage": {' in line:
        _take_usage(told, json.loads(line[6:])["usage"])


def _take_usage(told: Told, usage: Any) -> None:
    told.input_tokens, told.output_tokens = usage["prompt_tokens"], usage["completion_tokens"]


async def run_load(
    url: str,
    key: str,
    asks: Iterator[Ask],
    *,
    callers: int,
    after_lost: Callable[[], Awaitable[None]] | None = None,
) -> list[Told]:
    """Send all of `asks`, each once, from so many callers that each wait for their answer.

    Args:
        after_lost: awaited by a caller whose connection was lost, before its next call.
    """
    told: list[Told] = []

    async def caller() -> None:
        connection = Connection(url, key)
        for ask in asks:
            answer = await connection.call(ask)
            told.append(answer)
            if not answer.is_whole and answer.status in (0, 200) and after_lost is not None:
                await after_lost()
        connection.close()

    await asyncio.gather(*(caller() for _ in range(callers)))
    return told
