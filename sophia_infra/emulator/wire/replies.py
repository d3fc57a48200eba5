"""Answers as bytes, and the two ways in which a connection can end without a whole one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from starlette.types import Receive, Scope, Send

from sophia_infra.emulator.errors import Refused
from sophia_infra.http_server import TRANSPORT_EXTENSION

__all__ = [
    "Reply",
    "drop_connection",
    "error_reply",
    "json_reply",
    "send_reply",
    "text_reply",
]


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP answer; `truncated` ones lose their second half and the connection."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    truncated: bool = False


def json_reply(status: int, content: Any, headers: Mapping[bytes, bytes] | None = None) -> Reply:
    body = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    return Reply(status, body, headers=headers or {})


def text_reply(status: int, text: str, headers: Mapping[bytes, bytes] | None = None) -> Reply:
    return Reply(status, text.encode(), b"text/plain; charset=utf-8", headers or {})


def error_reply(
    refused: Refused, request_id: str | None, headers: Mapping[bytes, bytes] | None = None
) -> Reply:
    """The vendor's error envelope; `request_id` None leaves that undocumented field out."""
    error = {"code": refused.kind.code, "message": refused.message}
    if refused.suggestion is not None:
        error["suggestion"] = refused.suggestion
    if request_id is not None:
        error["request_id"] = request_id
    return json_reply(refused.kind.status, {"error": error}, headers)


async def send_reply(reply: Reply, now_s: float, scope: Scope, receive: Receive, send: Send) -> bool:
    """Send it, dated `now_s` (seconds since 1970); False when nobody is there any more, or only half of it
    left, on purpose.
    """
    transport = scope.get("extensions", {}).get(TRANSPORT_EXTENSION)
    reached = transport is None or not transport.is_closing()
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [
                (b"content-type", reply.content_type),
                (b"content-length", str(len(reply.body)).encode()),
                (b"date", formatdate(now_s, usegmt=True).encode()),
                *reply.headers.items(),
            ],
        }
    )
    if not reply.truncated:
        await send({"type": "http.response.body", "body": reply.body})
        return reached
    half = reply.body[: len(reply.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    await _end_connection(scope, receive, flush=True)
    return False


async def drop_connection(scope: Scope, receive: Receive) -> None:
    """Close the connection without an answer, as a crash or a cut line does."""
    await _end_connection(scope, receive, flush=False)


async def _end_connection(scope: Scope, receive: Receive, *, flush: bool) -> None:
    transport = scope.get("extensions", {}).get(TRANSPORT_EXTENSION)
    if transport is None:
        raise ConnectionAbortedError("the emulator dropped this connection on purpose")
    if flush:
        transport.close()
    else:
        transport.abort()
    # uvicorn reports an unanswered request as an error unless it knows that the client is gone.
    while (await receive())["type"] != "http.disconnect":
        pass
