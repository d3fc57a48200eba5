"""The body of a call: read within its limits, parsed, and checked against its schema."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from functools import cache
from typing import Any, Final, Literal

import jsonschema_rs
from starlette.datastructures import Headers
from starlette.types import Receive

from sophia_infra.inference.errors import InferenceError, RequestRefused
from sophia_infra.inference.gateway.errors import BodyTooLarge, BodyTooSlow, BodyTypeUnknown
from sophia_infra.inference.gateway.schemas import COMPONENTS

__all__ = ["BODY_TIMEOUT_S", "CallerGone", "Endpoint", "IncomingBody", "parse_call"]

BODY_TIMEOUT_S: Final = 60.0
"""Seconds for a whole body: 16 MiB in that time are 2.2 Mbit/s."""

_DISCARD_TIMEOUT_S = 2.0
_DISCARD_BYTES = 1_048_576
_SCHEMAS: Final = {"chat": "ChatRequest", "completions": "CompletionRequest"}
_HIDDEN = "the value"
_WHOLE_NUMBERS: Final = frozenset({"max_tokens", "max_completion_tokens", "n", "best_of", "seed"})

Endpoint = Literal["chat", "completions"]


class CallerGone(Exception):
    """The connection closed before the request was complete: there is nobody to answer."""


class IncomingBody:
    """The body of one request, which may still be on its way.

    Attributes:
        ended: all of it was taken from the connection, kept or not.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False

    async def read(
        self, headers: Headers, limit_bytes: int, hold: Callable[[int], None] | None = None
    ) -> bytes:
        """The whole body, never holding much more than `limit_bytes` of it.

        Args:
            hold: told the bytes of each part before they are kept; may refuse by raising.

        Raises:
            BodyTooLarge: announced or found to be larger; the rest is not read here.
            BodyTooSlow: not complete after BODY_TIMEOUT_S.
            BodyTypeUnknown: announced as something else than JSON.
            CallerGone: the connection closed.
        """
        kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise BodyTypeUnknown("The body is not announced as JSON.")
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                while not self.ended:
                    part = await self._next()
                    size += len(part)
                    if size > limit_bytes:
                        raise BodyTooLarge(limit_bytes)
                    if hold is not None:
                        hold(len(part))
                    parts.append(part)
        except TimeoutError:
            raise BodyTooSlow(f"The body was not complete after {BODY_TIMEOUT_S:g} s.") from None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def discard(self) -> None:
        """Throw away what is still coming, up to 1 MiB and 2 s: a caller that still sends when the
        connection closes may never see the answer.
        """
        left = _DISCARD_BYTES
        with contextlib.suppress(TimeoutError, CallerGone):
            async with asyncio.timeout(_DISCARD_TIMEOUT_S):
                while left > 0 and not self.ended:
                    left -= len(await self._next())

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise CallerGone
        self.ended = not message.get("more_body", False)
        part: bytes = message.get("body", b"")
        return part


def parse_call(body: bytes, endpoint: Endpoint) -> dict[str, Any]:
    """The body as a mapping that fits the schema of `endpoint`.

    Raises:
        RequestRefused: not JSON, or a field is missing or wrong. The message names the place and what is
            allowed there, never the value.
    """
    try:
        parsed = json.loads(body, parse_constant=_refuse_constant)
        if b"\\u" in body:
            json.dumps(parsed, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        raise RequestRefused(
            "The body is not JSON.", next_step="Send one JSON object in UTF-8; GET /openapi.json shows it."
        ) from None
    validator = _validator(endpoint)
    try:
        if not validator.is_valid(parsed):
            raise _refusal(next(iter(validator.iter_errors(parsed))), endpoint)
    except ValueError:  # a number too large for the validator
        raise RequestRefused("The body holds a number that is too large.") from None
    for name in _WHOLE_NUMBERS & parsed.keys():  # JSON's 8.0 is a whole number, Python's is none
        if isinstance(parsed[name], float):
            parsed[name] = int(parsed[name])
    return dict(parsed)


def _refusal(error: jsonschema_rs.ValidationError, endpoint: Endpoint) -> InferenceError:
    path = list(error.instance_path)
    if "required" in error.schema_path:
        path.append(error.message.split('"')[1])
        return RequestRefused(f"{_place(path)} is missing.", param=_place(path))
    place = _place(path)
    node: Any = {"components": {"schemas": COMPONENTS}, **COMPONENTS[_SCHEMAS[endpoint]]}
    allowed = error.message.replace(_HIDDEN, "it", 1)
    for step in error.schema_path:
        node = _at(node, step)
        if isinstance(node, dict) and "description" in node:
            allowed = f"it must be {node['description']}"
    return RequestRefused(f"{place or 'The body'} is refused: {allowed}.", param=place or None)


def _at(node: Any, step: str | int) -> Any:
    if isinstance(node, dict):
        target = node.get("$ref")
        if isinstance(target, str):
            node = COMPONENTS[target.rpartition("/")[2]]
        return node.get(step, node)
    return node[step] if isinstance(node, list) and isinstance(step, int) else node


def _place(path: list[str | int]) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


@cache
def _validator(endpoint: Endpoint) -> jsonschema_rs.Draft202012Validator:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "components": {"schemas": COMPONENTS},
        **COMPONENTS[_SCHEMAS[endpoint]],
    }
    return jsonschema_rs.Draft202012Validator(schema, mask=_HIDDEN)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)
