"""What the tries of a call are given, and what one that worked gives back."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from sophia_infra.inference.breaker import CircuitBreaker
from sophia_infra.inference.clock import Clock
from sophia_infra.inference.legs import Leg
from sophia_infra.inference.observer import Observer
from sophia_infra.inference.pool import Pool
from sophia_infra.inference.upstream import Endpoint, RawAnswer, RawStream, Transport
from sophia_infra.inference.usage import Tokens

__all__ = ["AttemptsTools", "Opened", "Upstream"]


@dataclass(frozen=True, slots=True)
class Upstream:
    """What is sent, apart from the leg."""

    endpoint: Endpoint
    body: Callable[[Leg], dict[str, Any]]
    request_id: str
    stream: bool
    lost: Callable[[Leg], Tokens]
    """Tokens to book for an attempt that was given up before it said how many it took."""
    book_lost: Callable[[Leg, Tokens], Awaitable[bool]]
    """Writes a lost try down on its own; False when no budget has the room, and then no other one goes."""


@dataclass(frozen=True, slots=True)
class AttemptsTools:
    """What all calls share."""

    transports: Mapping[str, Transport]
    pool: Pool
    breakers: Mapping[str, CircuitBreaker]
    clock: Clock
    observer: Observer
    random: random.Random


@dataclass(slots=True)
class Opened:
    """A try that worked: a whole answer, or a stream with its first payload. Holds a place until `aclose`."""

    leg: Leg
    answer: RawAnswer
    parsed: Mapping[str, Any]
    stack: AsyncExitStack
    stream: RawStream | None = None
    first: bytes | None = None

    async def next(self) -> bytes | None:
        """The next payload of a stream; None at its end. Raises AttemptFailed."""
        return None if self.stream is None else await self.stream.next()

    async def aclose(self) -> None:
        """Close the stream and give the place back."""
        await self.stack.aclose()
