"""What a server would hand to an ASGI application, without a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import httpx2
from starlette.datastructures import Headers
from starlette.types import Message

__all__ = ["Connection", "headers_of"]


def headers_of(**values: str) -> Headers:
    """Headers with `_` written for `-`."""
    return Headers({name.replace("_", "-"): value for name, value in values.items()})


class Connection:
    """One request and its answer. `hang_up` is the caller going away."""

    def __init__(
        self,
        path: str,
        body: Sequence[bytes] | dict[str, Any] = (),
        headers: dict[str, str] | None = None,
        method: str = "POST",
    ) -> None:
        parts = [json.dumps(body).encode()] if isinstance(body, dict) else list(body)
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
            "extensions": {},
        }
        self._parts = parts or [b""]
        self._gone = asyncio.Event()
        self.sent: list[Message] = []
        self.parts_read = 0

    def hang_up(self) -> None:
        self._gone.set()

    async def receive(self) -> Message:
        if self._parts:
            self.parts_read += 1
            part = self._parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(self._parts)}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> httpx2.Headers:
        return httpx2.Headers(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def complete(self) -> bool:
        return bool(self.sent) and not self.sent[-1].get("more_body", False) and len(self.sent) > 1
