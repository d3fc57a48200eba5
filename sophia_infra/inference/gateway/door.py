"""Who gets in: key, rate, memory and streams of one gateway process, and what it tells about itself."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Protocol

from starlette.datastructures import Headers

from sophia_infra.inference.answers import Answer, StreamEvent
from sophia_infra.inference.catalogue import ModelCatalogue
from sophia_infra.inference.clock import Clock
from sophia_infra.inference.gateway.errors import GatewayBusy, TooManyStreams
from sophia_infra.inference.gateway.keys import Caller, KeyFile
from sophia_infra.inference.gateway.metrics import GatewayMetrics
from sophia_infra.inference.gateway.rate import RateLimits
from sophia_infra.inference.gateway.warm_pool import WarmPool
from sophia_infra.inference.request import InferenceCall
from sophia_infra.model.gateway import GatewayConfig

__all__ = ["HELD_BODIES", "Calls", "Door", "HeldBytes"]

HELD_BODIES: Final = 16
"""Largest bodies that fit into the memory meant for bodies at once: 256 MiB with the default of 16 MiB."""

_BUSY_RETRY_S = 2.0
_STREAMS_RETRY_S = 5.0


class Calls(Protocol):
    """What the door needs of the dispatcher."""

    async def complete(self, call: InferenceCall) -> Answer: ...

    def stream(self, call: InferenceCall) -> AsyncGenerator[StreamEvent, None]: ...


class HeldBytes:
    """Bytes of bodies that one call holds; `give_back` when it is over."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._bytes = 0

    def hold(self, more_bytes: int) -> None:
        """Raises GatewayBusy when the calls under way hold too much already."""
        if self._door.held_bytes + more_bytes > HELD_BODIES * self._door.config.limits.max_body_bytes:
            raise GatewayBusy("Too many large requests are under way.", retry_after_s=_BUSY_RETRY_S)
        self._door.held_bytes += more_bytes
        self._bytes += more_bytes

    def give_back(self) -> None:
        self._door.held_bytes -= self._bytes
        self._bytes = 0


@dataclass(slots=True)
class Door:
    """The parts of one gateway process.

    Attributes:
        ledger_works: whether the ledger could be written when it was last tried.
        leaving: SIGTERM came; /ready says so, calls are still served.
        held_bytes: bytes of the bodies of all calls under way.
        open_streams: streams under way.
    """

    config: GatewayConfig
    catalogue: ModelCatalogue
    calls: Calls
    pool: WarmPool
    keys: KeyFile
    rates: RateLimits
    metrics: GatewayMetrics
    clock: Clock
    ledger_works: Callable[[], bool]
    log_prompts: bool = False
    leaving: bool = False
    held_bytes: int = 0
    open_streams: int = 0
    _id_prefix: str = field(default_factory=lambda: f"req-{secrets.token_hex(12)}-")
    _numbers: Iterator[int] = field(default_factory=count)

    def caller(self, headers: Headers) -> Caller:
        """Whose key it is. Raises KeyRefused."""
        return self.keys.caller(headers.get("authorization"), self.clock.monotonic())

    def admit(self, headers: Headers) -> Caller:
        """Whose key it is, with the call counted. Raises KeyRefused or RateLimited."""
        caller = self.caller(headers)
        self.rates.take(caller, self.clock.monotonic())
        return caller

    def models_of(self, user: str) -> tuple[str, ...]:
        """Models that some backend serves and `user` may use, sorted."""
        served = {model for backend in self.config.backends.values() for model in backend.models}
        allowed = self.config.users[user].models
        return tuple(sorted(served & set(allowed) if allowed else served))

    @contextmanager
    def under_way(self, *, stream: bool) -> Iterator[None]:
        """Count a call while inside. Raises TooManyStreams."""
        if stream and self.open_streams >= self.config.limits.open_streams:
            raise TooManyStreams(
                f"{self.open_streams} streams are open, as many as may be.", retry_after_s=_STREAMS_RETRY_S
            )
        self.open_streams += stream
        self.metrics.call_began(stream=stream)
        try:
            yield
        finally:
            self.open_streams -= stream
            self.metrics.call_ended(stream=stream)

    def new_request_id(self) -> str:
        """96 random bits of this process and a number. Never the caller's: the ledger takes an id once.

        Nobody has to guess it, and asking the system for randomness costs a tenth of a call.
        """
        return f"{self._id_prefix}{next(self._numbers):08x}"
