"""HTTP/1.1 to one of our own backends, on httptools: one connection.

Why not the general client that `transport.BackendTransport` is built on: it spends 2.5 to 3 ms of processor
time on each call, most of it in layers that a gateway on the same network does not need, and looks at every
open connection at each call, so that 2,000 streams would stop it. This takes a tenth of that.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

import httptools

__all__ = ["Connection", "Keeper", "WireBroken"]

_IDLE_S: Final = 4.0
"""Below the 5 s after which vLLM's server closes an idle connection: a call must not meet that moment."""

_FINISH_S: Final = 1.0
_PAUSE_BYTES: Final = 65_536
_FIRST_FINAL_STATUS: Final = 200


class WireBroken(Exception):
    """No connection, or an answer that is not whole.

    Attributes:
        malformed: what came is no HTTP; False when the connection failed or ended too early.
    """

    def __init__(self, *, malformed: bool = False) -> None:
        self.malformed = malformed
        super().__init__("no HTTP" if malformed else "connection lost")


class Keeper(Protocol):
    """Who keeps a connection between two calls."""

    def keep(self, connection: Connection) -> None:
        """It is idle from now on."""

    def forget(self, connection: Connection) -> None:
        """It is closed."""


@dataclass(slots=True)
class _Incoming:
    """What came of one answer so far."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    head_done: bool = False
    complete: bool = False
    until_end: bool = True
    keep_alive: bool = False
    pieces: list[bytes] = field(default_factory=list)
    held_bytes: int = 0
    failure: WireBroken | None = None


class Connection(asyncio.Protocol):
    """One connection, one call at a time. Bytes wait here up to 64 KiB, then the backend has to wait."""

    def __init__(self, pool: Keeper) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._in = _Incoming(complete=True)
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False
        self._finish_timer: asyncio.TimerHandle | None = None
        self._idle_since_s = 0.0

    @property
    def status(self) -> int:
        return self._in.status

    @property
    def headers(self) -> dict[str, str]:
        """Names in small letters."""
        return self._in.headers

    # For the pool and the transport

    def send(self, head_and_body: bytes) -> None:
        """Begin a call. Raises WireBroken."""
        self._in = _Incoming()
        self._parser = httptools.HttpResponseParser(self)
        if self._transport is None or self._transport.is_closing():
            raise WireBroken
        self._transport.write(head_and_body)

    async def head(self) -> int:
        """Status of the answer, once its head is there. Raises WireBroken."""
        while not self._in.head_done:
            await self._wait()
        return self._in.status

    async def next_piece(self) -> bytes | None:
        """Bytes of the body that came since the last call; None at its end. Raises WireBroken."""
        coming = self._in
        while not coming.pieces:
            if coming.complete:
                return None
            await self._wait()
        pieces, coming.pieces, coming.held_bytes = coming.pieces, [], 0
        self._resume()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def finish(self) -> None:
        """The call is over and its answer was read: keep the connection once the last bytes are in."""
        self._resume()
        if self._in.complete:
            self._keep_or_close()
        else:
            self._finish_timer = asyncio.get_running_loop().call_later(_FINISH_S, self.abort)

    def abort(self) -> None:
        """The call is given up: the backend sees the connection go and stops its work."""
        if self._transport is not None:
            self._transport.abort()

    def is_fresh(self, now_s: float) -> bool:
        """Whether it may be used again."""
        is_open = self._transport is not None and not self._transport.is_closing()
        return is_open and now_s - self._idle_since_s < _IDLE_S

    # For the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._in.complete:  # nobody asked for anything
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._in.failure = WireBroken(malformed=True)
            self.abort()
        is_full = self._in.held_bytes > _PAUSE_BYTES and not self._in.complete
        if is_full and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._pool.forget(self)
        self._transport = None
        coming = self._in
        if not coming.complete and coming.failure is None:
            if error is None and coming.head_done and coming.until_end:
                coming.complete = True
            else:
                coming.failure = WireBroken()
        self._wake()

    # For the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        lowered = name.decode("latin-1").lower()
        self._in.headers[lowered] = value.decode("latin-1")
        if lowered in ("content-length", "transfer-encoding"):
            self._in.until_end = False

    def on_headers_complete(self) -> None:
        self._in.status = self._parser.get_status_code()
        self._in.keep_alive = self._parser.should_keep_alive()
        self._in.head_done = self._in.status >= _FIRST_FINAL_STATUS

    def on_body(self, body: bytes) -> None:
        self._in.pieces.append(body)
        self._in.held_bytes += len(body)

    def on_message_complete(self) -> None:
        if self._in.status < _FIRST_FINAL_STATUS:  # only an announcement: the answer follows
            self._in = _Incoming()
            return
        self._in.complete = True
        if self._finish_timer is not None:
            self._keep_or_close()

    async def _wait(self) -> None:
        if self._in.failure is not None:
            raise self._in.failure
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _resume(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _keep_or_close(self) -> None:
        if self._finish_timer is not None:
            self._finish_timer.cancel()
            self._finish_timer = None
        if self._in.keep_alive and self._transport is not None and not self._transport.is_closing():
            self._idle_since_s = asyncio.get_running_loop().time()
            self._pool.keep(self)
        else:
            self.abort()
