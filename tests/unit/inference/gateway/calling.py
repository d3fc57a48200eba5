"""Calls of the gateway's application, for the tests."""

from __future__ import annotations

from typing import Any

from sophia_infra.inference.gateway.app import make_app
from tests.inference_clock import run_async
from tests.unit.inference.gateway.asgi import Connection
from tests.unit.inference.gateway.door import QWEN, Site

CHAT = "/v1/chat/completions"
PROMPT = "what the caller asks"
BODY = {"model": QWEN, "messages": [{"role": "user", "content": PROMPT}]}


def ask(site: Site, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> Connection:
    """One call from its first byte to its last."""
    connection = Connection(
        CHAT, BODY if body is None else body, site.headers() if headers is None else headers
    )
    run_async(make_app(site.door)(connection.scope, connection.receive, connection.send))
    return connection
