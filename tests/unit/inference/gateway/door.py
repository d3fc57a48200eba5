"""A door without backends and without a ledger, for tests of what happens at the door itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from decimal import Decimal
from pathlib import Path

from sophia_infra.inference.answers import Answer, StreamChunk, StreamEvent
from sophia_infra.inference.catalogue import load_catalogue
from sophia_infra.inference.gateway.door import Door
from sophia_infra.inference.gateway.keys import KeyFile, key_line, make_key
from sophia_infra.inference.gateway.metrics import GatewayMetrics
from sophia_infra.inference.gateway.probes import BackendLoad
from sophia_infra.inference.gateway.rate import RateLimits
from sophia_infra.inference.gateway.warm_pool import WarmPool
from sophia_infra.inference.request import InferenceCall
from sophia_infra.inference.usage import Tokens
from sophia_infra.model.gateway import BackendConfig, GatewayConfig, GatewayLimits, GatewayUser
from tests.inference_clock import VirtualClock

__all__ = ["ANSWER", "QWEN", "SCOUT", "FakeCalls", "Site"]

SCOUT, QWEN = "llama-4-scout-17b-16e-instruct", "qwen-3-32b"

ANSWER = Answer(
    body=b'{"choices":[]}',
    status=200,
    tokens=Tokens(10, 5),
    usd=Decimal("0.0000023"),
    model=QWEN,
    backend="own",
    attempts=1,
    cached=False,
    latency_ms=12,
    first_token_ms=None,
    headers={},
)


class FakeCalls:
    """Answers, fails or stalls as told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[InferenceCall] = []
        self.error: Exception | None = None
        self.events: list[StreamEvent | Exception | asyncio.Event] = []
        self.ended: list[str] = []

    async def complete(self, call: InferenceCall) -> Answer:
        self.asked.append(call)
        if self.error is not None:
            raise self.error
        return ANSWER

    async def stream(self, call: InferenceCall) -> AsyncGenerator[StreamEvent, None]:
        self.asked.append(call)
        how = "closed"
        try:
            for one in self.events:
                if isinstance(one, asyncio.Event):
                    await one.wait()
                elif isinstance(one, Exception):
                    raise one
                else:
                    yield one
            how = "ended"
        except asyncio.CancelledError:
            how = "cancelled"
            raise
        finally:
            self.ended.append(how)


class _LoadedProbe:
    async def served(self) -> frozenset[str]:
        return frozenset({"qwen", "scout"})

    async def warm_up(self, served_name: str) -> None:
        return None

    async def load(self) -> BackendLoad:
        return BackendLoad()

    async def aclose(self) -> None:
        return None


class Site:
    """One door with its fakes; `key` is of a user who may use all models, `limited` of one who may not."""

    def __init__(
        self, folder: Path, limits: GatewayLimits | None = None, *, log_prompts: bool = False
    ) -> None:
        self.key, self.limited = make_key("backend"), make_key("limited")
        path = folder / "keys"
        path.write_text(f"{key_line('backend', self.key)}\n{key_line('limited', self.limited)}\n")
        self.config = GatewayConfig(
            backends={
                "own": BackendConfig(base_url="http://127.0.0.1:1/v1", models={QWEN: "qwen", SCOUT: "scout"})
            },
            limits=limits or GatewayLimits(),
            users={"backend": GatewayUser(), "limited": GatewayUser(models=(QWEN,))},
        )
        self.clock = VirtualClock(auto=False)
        self.calls = FakeCalls()
        self.metrics = GatewayMetrics()
        self.pool = WarmPool(self.config.backends, {"own": _LoadedProbe()}, clock=self.clock, max_waiting=1)
        self.ledger_works: Callable[[], bool] = lambda: True
        self.door = Door(
            config=self.config,
            catalogue=load_catalogue(),
            calls=self.calls,
            pool=self.pool,
            keys=KeyFile(path, self.config.users),
            rates=RateLimits(self.config),
            metrics=self.metrics,
            clock=self.clock,
            ledger_works=lambda: self.ledger_works(),
            log_prompts=log_prompts,
        )

    def headers(self, **more: str) -> dict[str, str]:
        """With the key of `backend`."""
        own = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        return own | {name.replace("_", "-"): value for name, value in more.items()}


def chunk(text: str) -> StreamChunk:
    """One event of a stream."""
    return StreamChunk(text.encode())
