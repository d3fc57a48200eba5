"""What goes back to the caller: JSON, errors in OpenAI's form, and server-sent events."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from starlette.types import Send

from sophia_infra.inference.errors import InferenceError
from sophia_infra.inference.gateway.errors import MethodUnknown

__all__ = [
    "DONE_EVENT",
    "comment",
    "error_document",
    "error_event",
    "event",
    "send_error",
    "send_json",
    "send_part",
    "send_whole",
    "start_events",
]

RawHeaders = list[tuple[bytes, bytes]]

DONE_EVENT: Final = b"data: [DONE]\n\n"

_JSON: Final = (b"content-type", b"application/json")
_EVENT_HEADERS: Final[RawHeaders] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx in front would hold the stream back otherwise
]
_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
}


def error_document(error: InferenceError) -> dict[str, Any]:
    """The error as OpenAI's API writes it. `insufficient_quota` is a type of its own there."""
    if error.code == "insufficient_quota":
        kind = error.code
    else:
        kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    return {"error": {"message": str(error), "type": kind, "code": error.code, "param": error.param}}


async def send_error(send: Send, error: InferenceError, request_id: str, *, close: bool = False) -> None:
    """The error with its status, and with Retry-After and Allow where they apply.

    Args:
        close: end the connection after it, since the rest of the request was not read.
    """
    headers: dict[str, str] = {"x-request-id": request_id}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, MethodUnknown):
        headers["allow"] = error.allowed
    if close:
        headers["connection"] = "close"
    await send_json(send, error_document(error), status=error.status, headers=headers)


async def send_json(
    send: Send, document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    """One JSON document."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    await send_whole(send, body, status=status, headers=headers)


async def send_whole(
    send: Send,
    body: bytes,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    kind: bytes | None = None,
) -> None:
    """A body that is complete; JSON unless `kind` names another media type."""
    raw = [
        _JSON if kind is None else (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        *_raw(headers),
    ]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def start_events(send: Send, headers: Mapping[str, str]) -> None:
    """Begin a stream of events."""
    await send({"type": "http.response.start", "status": 200, "headers": [*_EVENT_HEADERS, *_raw(headers)]})


async def send_part(send: Send, part: bytes, *, more: bool = True) -> None:
    """Bytes of a stream. Comes back when the connection takes more: a slow reader slows its sender."""
    await send({"type": "http.response.body", "body": part, "more_body": more})


def event(payload: bytes) -> bytes:
    """One event. A payload of several lines, which no JSON has, keeps them."""
    if b"\n" in payload or b"\r" in payload:
        return b"".join(b"data: " + line + b"\n" for line in payload.splitlines()) + b"\n"
    return b"data: " + payload + b"\n\n"


def error_event(error: InferenceError) -> bytes:
    """An error after the stream began, in the form that OpenAI's clients raise from."""
    return event(json.dumps(error_document(error), ensure_ascii=False).encode())


def comment(text: str) -> bytes:
    """A line that readers of events skip."""
    return b": " + text.replace("\n", " ").encode() + b"\n\n"


def _raw(headers: Mapping[str, str] | None) -> RawHeaders:
    if not headers:
        return []
    return [(name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in headers.items()]
