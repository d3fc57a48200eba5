"""POST /v1/chat/completions and /v1/completions."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from typing import Final, cast

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from sophia_infra.http_server import TRANSPORT_EXTENSION
from sophia_infra.inference.answers import Answer, StreamEvent
from sophia_infra.inference.errors import InferenceError, RequestRefused
from sophia_infra.inference.gateway.bodies import CallerGone, Endpoint, IncomingBody, parse_call
from sophia_infra.inference.gateway.call_log import Progress, write_call_line
from sophia_infra.inference.gateway.door import Door, HeldBytes
from sophia_infra.inference.gateway.errors import GatewayFailed
from sophia_infra.inference.gateway.logs import FIELDS
from sophia_infra.inference.gateway.replies import (
    DONE_EVENT,
    comment,
    error_event,
    event,
    send_error,
    send_part,
    send_whole,
    start_events,
)
from sophia_infra.inference.request import InferenceCall
from sophia_infra.inference.sse import DONE
from sophia_infra.model.gateway import LatencyClass, Strategy

__all__ = ["CallEndpoint"]


_LATENCIES: Final = ("interactive", "standard", "batch")
_STRATEGIES: Final = ("performance", "cost", "balanced")
_STALL_GRACE_S: Final = 30.0
_SESSION_CHARACTERS: Final = 128

_log = logging.getLogger(__name__)


class CallEndpoint:
    """One of the two endpoints as an ASGI application.

    A caller that goes away ends its stream, and what was generated until then is booked. A call without a
    stream is finished nevertheless: its cost is only known at its end.
    """

    def __init__(self, door: Door, endpoint: Endpoint) -> None:
        self._door = door
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        progress = Progress(self._door.new_request_id(), self._door.clock.monotonic())
        held = HeldBytes(self._door)
        incoming = IncomingBody(receive)
        try:
            await self._serve(scope, receive, send, progress, incoming, held)
        except CallerGone:
            progress.outcome = "caller_gone"
        except InferenceError as error:
            await self._refuse(error, incoming, send, progress)
        except asyncio.CancelledError:
            progress.outcome = "cancelled"
            raise
        except Exception:
            _log.exception("call failed", extra={FIELDS: {"request_id": progress.request_id}})
            failed = GatewayFailed("The gateway made a mistake with this call.")
            await self._refuse(failed, incoming, send, progress)
        finally:
            held.give_back()
            write_call_line(progress, self._endpoint, self._door)

    async def _serve(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        progress: Progress,
        incoming: IncomingBody,
        held: HeldBytes,
    ) -> None:
        door = self._door
        headers = Headers(scope=scope)
        progress.user = user = door.admit(headers).user
        latency = _choice(headers, "x-sophia-latency", _LATENCIES)
        strategy = _choice(headers, "x-sophia-strategy", _STRATEGIES)
        raw = await incoming.read(headers, door.config.limits.max_body_bytes, held.hold)
        progress.body = body = parse_call(raw, self._endpoint)
        del raw  # the parsed body is a second copy already
        call = InferenceCall(
            endpoint=self._endpoint,
            body=body,
            user=user,
            request_id=progress.request_id,
            session_id=_session(headers),
            latency=cast("LatencyClass", latency or "standard"),
            strategy=cast("Strategy | None", strategy),
            budgets=door.config.users[user].budget,
            models=door.config.users[user].models,
        )
        stream = body.get("stream") is True
        with door.under_way(stream=stream):
            if stream:
                await self._stream(call, scope, receive, send, progress)
            else:
                await self._complete(call, send, progress)

    async def _complete(self, call: InferenceCall, send: Send, progress: Progress) -> None:
        progress.answer = answer = await self._door.calls.complete(call)
        progress.status = answer.status
        progress.answer_began = True
        await send_whole(send, answer.body, status=answer.status, headers=_headers(progress, answer))

    async def _stream(
        self, call: InferenceCall, scope: Scope, receive: Receive, send: Send, progress: Progress
    ) -> None:
        """Pass the stream on; end it when the caller goes away or stops reading."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - inside a coroutine there is one
        gone = False

        async def watch() -> None:
            nonlocal gone
            while (await receive())["type"] != "http.disconnect":
                pass
            if not progress.answer_done:  # a complete answer reads as a disconnect too
                gone = True
                task.cancel()

        watcher = asyncio.create_task(watch())
        events = self._door.calls.stream(call)
        try:
            async with self._door.clock.timeout(self._door.config.limits.timeout_s + _STALL_GRACE_S):
                await self._pass_on(events, send, progress)
        except asyncio.CancelledError:
            if not gone:
                raise
            task.uncancel()
            progress.outcome = "caller_gone"
        except TimeoutError:
            progress.outcome = "stalled"
            transport = scope.get("extensions", {}).get(TRANSPORT_EXTENSION)
            if transport is not None:
                transport.abort()  # closing would wait until the caller has read what is under way
        finally:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher
            await events.aclose()

    async def _pass_on(
        self, events: AsyncGenerator[StreamEvent, None], send: Send, progress: Progress
    ) -> None:
        headers = {"x-request-id": progress.request_id}
        try:
            async for one in events:
                if not progress.answer_began:
                    await start_events(send, headers)
                    progress.answer_began = True
                    progress.status = 200
                if isinstance(one, Answer):
                    progress.answer = one
                    await send_part(send, comment(_cost_line(one)) + DONE_EVENT)
                elif one.data != DONE:  # the last word comes after the bill
                    await send_part(send, event(one.data))
        except InferenceError as error:
            if not progress.answer_began:
                raise
            progress.outcome, progress.code = "failed", error.code
            self._door.metrics.on_refused(error.code)
            await send_part(send, error_event(error))
        progress.answer_done = True
        await send_part(send, b"", more=False)

    async def _refuse(
        self, error: InferenceError, incoming: IncomingBody, send: Send, progress: Progress
    ) -> None:
        progress.outcome, progress.code = "refused" if error.fault == "caller" else "failed", error.code
        self._door.metrics.on_refused(error.code)
        if progress.answer_began:
            await send_part(send, error_event(error), more=False)
            return
        progress.status = error.status
        await incoming.discard()
        await send_error(send, error, progress.request_id, close=not incoming.ended)


def _headers(progress: Progress, answer: Answer) -> dict[str, str]:
    return {
        "x-request-id": progress.request_id,
        "x-sophia-cost-usd": format(answer.usd, "f"),
        "x-sophia-model": answer.model,
        "x-sophia-backend": answer.backend,
    }


def _cost_line(answer: Answer) -> str:
    return f"x-sophia-cost-usd={answer.usd:f} x-sophia-model={answer.model} x-sophia-backend={answer.backend}"


def _choice(headers: Headers, name: str, allowed: tuple[str, ...]) -> str | None:
    value = headers.get(name)
    if value is not None and value not in allowed:
        raise RequestRefused(f"The header {name} is not one of: {', '.join(allowed)}.", param=name)
    return value


def _session(headers: Headers) -> str | None:
    session = headers.get("x-session-id")
    if session is not None and (len(session) > _SESSION_CHARACTERS or not session.isprintable()):
        raise RequestRefused(
            f"The header x-session-id has more than {_SESSION_CHARACTERS} characters, or odd ones.",
            param="x-session-id",
        )
    return session
