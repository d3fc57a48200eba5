"""The emulated API as an ASGI application: gates, faults, the work, the answer."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from dataclasses import replace
from math import ceil
from typing import Final

from starlette.types import Receive, Scope, Send

from sophia_infra.emulator.cloud import Cloud
from sophia_infra.emulator.errors import (
    ACCOUNT_INACTIVE,
    BODY_TOO_LARGE,
    EDGE_BLOCK_STATUS,
    EDGE_BLOCK_TEXT,
    INTERNAL_ERROR,
    INVALID_API_KEY,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    TOO_MANY_REQUESTS,
    AnswerInvalid,
    Refused,
    kind_of,
)
from sophia_infra.emulator.faults import FaultRule
from sophia_infra.emulator.persistence import Keeper
from sophia_infra.emulator.requests_seen import RequestSeen
from sophia_infra.emulator.wire.calls import Call
from sophia_infra.emulator.wire.operations import OPERATIONS
from sophia_infra.emulator.wire.replies import (
    Reply,
    drop_connection,
    error_reply,
    json_reply,
    send_reply,
    text_reply,
)
from sophia_infra.emulator.wire.routes import Match, match_route
from sophia_infra.emulator.wire.validation import check_answer, parse_body, parse_query

__all__ = ["MAX_BODY_BYTES", "Api"]

MAX_BODY_BYTES: Final = 1_200_000
"""Room for 1 MB of user data and the rest of a launch."""

_log = logging.getLogger("sophia_infra.emulator")


class _Dropped(Exception):
    """This request gets no answer."""


class Api:
    """Serves one account, kept by `keeper`."""

    def __init__(self, cloud: Cloud, keeper: Keeper) -> None:
        self._cloud = cloud
        self._keeper = keeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cloud = self._cloud
        with cloud.lock:
            seen = cloud.requests.open(cloud.now(), scope["method"], scope["path"])
            self._keeper.note_time()
        try:
            reply = await self._reply(scope, receive, seen)
        except _Dropped:
            await drop_connection(scope, receive)
            return
        seen.status = reply.status
        seen.answered = await send_reply(reply, cloud.now(), scope, receive, send)

    async def _reply(self, scope: Scope, receive: Receive, seen: RequestSeen) -> Reply:
        body = await _read_body(receive)
        try:
            with self._cloud.lock:
                match = self._pass_gates(scope)
            if match is None:
                return text_reply(EDGE_BLOCK_STATUS, EDGE_BLOCK_TEXT)
            if match.operation is None:
                allow = ", ".join(match.allowed).encode()
                return error_reply(Refused(METHOD_NOT_ALLOWED), self._request_id(seen), {b"allow": allow})
            seen.operation = match.operation.operation_id
            if body is None:
                raise Refused(BODY_TOO_LARGE)
        except _TooFast as too_fast:
            return self._too_fast_reply(too_fast.wait_s, seen)
        except Refused as refused:
            return error_reply(refused, self._request_id(seen))
        return await self._spoiled_work(match, scope, body, seen)

    def _pass_gates(self, scope: Scope) -> Match | None:
        """The route of a request that may come in; None when the edge blocks it.

        Raises:
            Refused: no valid key (before anything is said about the path), inactive account, no path.
            _TooFast: the limits are on and it came too early.
        """
        settings = self._cloud.settings
        headers = dict(scope["headers"])
        if settings.edge_blocks_urllib and headers.get(b"user-agent", b"").startswith(b"Python-urllib"):
            return None
        key = _api_key(headers.get(b"authorization", b""))
        if not key or (settings.api_keys and key not in settings.api_keys):
            raise Refused(INVALID_API_KEY)
        match = match_route(scope["method"], scope["raw_path"])
        operation = match.operation if match else None
        launch = operation is not None and operation.operation_id == "launchInstance"
        wait_s = self._cloud.limits.seconds_to_wait(launch=launch)
        if wait_s > 0:
            raise _TooFast(wait_s)
        if not settings.account_active:
            raise Refused(ACCOUNT_INACTIVE)
        if match is None:
            raise Refused(NOT_FOUND)
        return match

    async def _spoiled_work(self, match: Match, scope: Scope, body: bytes, seen: RequestSeen) -> Reply:
        """Do the work, with whatever rule waits before it and after it."""
        operation_id = seen.operation or ""
        with self._cloud.lock:
            rule = self._cloud.faults.take(operation_id, "before")
        if rule is not None:
            reply = await self._meet(rule, json_reply(200, {"data": {}}), seen)
            if rule.action in {"status", "truncate"}:
                return reply
        with self._cloud.lock:
            reply = self._work(match, scope, body, seen)
            rule = self._cloud.faults.take(operation_id, "after")
        return reply if rule is None else await self._meet(rule, reply, seen)

    def _work(self, match: Match, scope: Scope, body: bytes, seen: RequestSeen) -> Reply:
        operation = match.operation
        if operation is None:
            raise Refused(METHOD_NOT_ALLOWED)
        try:
            call = Call(
                match.params, parse_query(operation, scope["query_string"]), parse_body(operation, body)
            )
            payload = OPERATIONS[operation.operation_id](self._cloud, call)
            if operation.method != "GET":
                self._keeper.save()
            answer = {"data": payload.data, **payload.siblings}
            if self._cloud.settings.validate_answers:
                check_answer(operation, payload.status, answer)
            return json_reply(payload.status, answer)
        except Refused as refused:
            return error_reply(refused, self._request_id(seen))
        except (AnswerInvalid, OSError) as error:
            _log.exception("%s failed inside the emulator", operation.operation_id)
            return error_reply(Refused(INTERNAL_ERROR, str(error)), self._request_id(seen))

    async def _meet(self, rule: FaultRule, reply: Reply, seen: RequestSeen) -> Reply:
        """What a rule makes of `reply`; raises _Dropped when nobody gets one."""
        if rule.action == "drop":
            raise _Dropped
        if rule.action == "delay":
            await self._delay(rule.delay_s)
        elif rule.action == "hold":
            if not await self._held(rule):
                raise _Dropped
        elif rule.action == "truncate":
            return replace(reply, truncated=True)
        else:
            return self._status_reply(rule, seen)
        return reply

    async def _delay(self, delay_s: float) -> None:
        if self._cloud.speed > 0:
            await asyncio.sleep(delay_s / self._cloud.speed)
        else:
            self._cloud.advance(delay_s)

    async def _held(self, rule: FaultRule) -> bool:
        """Wait for the release, which may come from another thread. False: drop the connection."""
        loop = asyncio.get_running_loop()
        released: asyncio.Future[bool] = loop.create_future()

        def settle(go_on: bool) -> None:
            if not released.done():
                released.set_result(go_on)

        def wake(go_on: bool) -> None:
            loop.call_soon_threadsafe(settle, go_on)

        with self._cloud.lock:
            rule.hold(wake)
        return await released

    def _status_reply(self, rule: FaultRule, seen: RequestSeen) -> Reply:
        status = rule.status or INTERNAL_ERROR.status
        headers = {} if rule.retry_after_s is None else {b"retry-after": str(rule.retry_after_s).encode()}
        if isinstance(rule.body, str):
            return text_reply(status, rule.body, headers)
        if rule.body is not None:
            return json_reply(status, rule.body, headers)
        kind = kind_of(rule.code or INTERNAL_ERROR.code, status)
        return error_reply(Refused(kind), self._request_id(seen), headers)

    def _too_fast_reply(self, wait_s: float, seen: RequestSeen) -> Reply:
        settings = self._cloud.settings
        headers = {b"retry-after": str(ceil(wait_s)).encode()} if settings.retry_after else {}
        if settings.limits == "text":
            return text_reply(TOO_MANY_REQUESTS.status, TOO_MANY_REQUESTS.message, headers)
        return error_reply(Refused(TOO_MANY_REQUESTS), self._request_id(seen), headers)

    def _request_id(self, seen: RequestSeen) -> str | None:
        return f"{seen.seq:032x}" if self._cloud.settings.extra_fields else None


class _TooFast(Exception):
    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        super().__init__(f"too early by {wait_s} s")


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body; None when it is larger than `MAX_BODY_BYTES` (the rest is read and forgotten)."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Dropped
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks) if size <= MAX_BODY_BYTES else None


def _api_key(authorization: bytes) -> str | None:
    """The key in `Bearer <key>`, `Basic base64(<key>:)` or `Basic <key>`; None when there is none."""
    scheme, _, rest = authorization.partition(b" ")
    credentials = rest.strip()
    if scheme.lower() == b"bearer":
        return credentials.decode("latin-1")
    if scheme.lower() != b"basic":
        return None
    try:
        decoded = base64.b64decode(credentials, validate=True)
    except binascii.Error:
        return credentials.decode("latin-1")
    user, colon, _ = decoded.partition(b":")
    return user.decode("latin-1") if colon else credentials.decode("latin-1")
