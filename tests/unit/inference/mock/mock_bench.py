"""One mock application, in process, on a clock that moves only when something waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx2

from sophia_infra.inference.mock_backend import MockApp, MockSettings, create_app
from tests.inference_clock import VirtualClock, run_async

__all__ = ["HELLO", "Bench"]

T = TypeVar("T")
HELLO = {"model": "a", "messages": [{"role": "user", "content": "hello"}]}


class Bench:
    """One application and a client that talks to it without a socket."""

    def __init__(self, *, auto: bool = True, **settings: Any) -> None:
        self.clock = VirtualClock(auto=auto)
        self.app: MockApp = create_app(MockSettings(**{"models": ("a", "b"), **settings}), self.clock)

    def run(self, story: Callable[[httpx2.AsyncClient], Awaitable[T]]) -> T:
        async def tell() -> T:
            transport = httpx2.ASGITransport(app=self.app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://mock") as client:
                return await story(client)

        return run_async(tell())

    def post(self, path: str, body: Any) -> httpx2.Response:
        return self.run(lambda client: client.post(path, json=body))

    def get(self, path: str) -> httpx2.Response:
        return self.run(lambda client: client.get(path))

    def outcomes(self) -> list[tuple[str, int]]:
        return [(work.outcome, work.output_tokens) for work in self.app.engine.log.since(0, 100)]
