"""The HTTP side: ESC's paths under /api/esc, and /_emulator for tests. No token or value is logged."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sophia_infra.esc.emulator.calls import CALLS, Call, Exchange
from sophia_infra.esc.emulator.faults import Fault, FaultBook
from sophia_infra.esc.emulator.state import Refused, Store
from sophia_infra.esc.secret_text import SecretText

__all__ = ["create_app"]

_MAX_BODY_BYTES = 2 * 1024 * 1024
_MAX_DELAY_S = 60.0
_SEEN_KEPT = 10_000
_PATH_KEPT = 1_024


def create_app(store: Store, token: SecretText, save: Callable[[], None] = lambda: None) -> Starlette:
    """Serve `store` to whoever has `token`; `save` is called after each write, before its answer."""
    emulator = _Emulator(store, token, save)
    routes = [
        Route(
            f"/api/esc{path}",
            emulator.answering(call, writes=method not in ("GET", "HEAD")),
            methods=[method],
        )
        for method, path, call in CALLS
    ]
    routes += [
        Route("/_emulator/health", emulator.health, methods=["GET"]),
        Route("/_emulator/faults", _not_for_browsers(emulator.add_fault), methods=["POST"]),
        Route("/_emulator/faults", _not_for_browsers(emulator.clear_faults), methods=["DELETE"]),
        Route("/_emulator/requests", _not_for_browsers(emulator.requests), methods=["GET"]),
    ]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    app.router.default = emulator.unknown
    return app


class _Emulator:
    def __init__(self, store: Store, token: SecretText, save: Callable[[], None]) -> None:
        self._store = store
        self._token = token
        self._save = save
        self._faults = FaultBook()
        self._seen: list[dict[str, Any]] = []

    def answering(self, call: Call, *, writes: bool) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint of `call`: fault, token, call, save."""

        async def endpoint(request: Request) -> Response:
            response = await self._answer(call, request, writes=writes)
            self._note(call.__name__, request, response.status_code)
            return response

        return endpoint

    async def _answer(self, call: Call, request: Request, *, writes: bool) -> Response:
        fault = self._faults.take(call.__name__)
        if fault is not None:
            await asyncio.sleep(fault.delay_s)
            if fault.status is not None:
                return _spoiled(fault)
        sent = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(sent, f"token {self._token.reveal()}".encode()):
            return _error(401, "Unauthorized: No credentials provided or are invalid.")
        body = await _body(request)
        if body is None:
            return _error(413, "request body too large")
        etag = request.headers.get("etag") or request.headers.get("if-match")
        query = dict(request.query_params)
        try:
            response = call(self._store, Exchange(dict(request.path_params), query, body, etag))
        except Refused as refused:
            return _error(refused.status, refused.message, refused.findings)
        if writes:
            self._save()
        return response

    async def health(self, _: Request) -> Response:
        return JSONResponse({"ready": True, "emulator": "esc"})

    async def add_fault(self, request: Request) -> Response:
        known = {"*", *(call.__name__ for _, _, call in CALLS)}
        try:
            fault = Fault(**json.loads(await _body(request) or b""))
            fits = fault.operation in known and 0 <= fault.delay_s <= _MAX_DELAY_S
            fits = fits and (fault.status is None or 400 <= fault.status <= 599)
        except (TypeError, ValueError, RecursionError):
            fits = False
        if not fits:
            return _error(
                400, f"a fault has operation ({', '.join(sorted(known))}), status, times, delay_s, body"
            )
        self._faults.faults.append(fault)
        return Response(status_code=204)

    async def clear_faults(self, _: Request) -> Response:
        self._faults.faults.clear()
        return Response(status_code=204)

    async def requests(self, _: Request) -> Response:
        return JSONResponse(self._seen)

    async def unknown(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await _error(404, "not found")(scope, receive, send)

    def _note(self, operation: str, request: Request, status: int) -> None:
        del self._seen[:-_SEEN_KEPT]
        self._seen.append({"operation": operation, "path": request.url.path[:_PATH_KEPT], "status": status})


def _not_for_browsers(answer: Callable[[Request], Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    """These need no token, so a page that its user opened elsewhere could ask for them."""

    async def guard(request: Request) -> Response:
        if "origin" in request.headers or "sec-fetch-site" in request.headers:
            return _error(403, "not for browsers")
        return await answer(request)

    return guard


async def _body(request: Request) -> bytes | None:
    """The whole body; None as soon as it is larger than this emulator takes."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MAX_BODY_BYTES:
            return None
    return bytes(body)


def _spoiled(fault: Fault) -> Response:
    headers = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
    status = fault.status or 500
    if fault.body is not None:
        return Response(fault.body, status, headers, "application/json")
    return JSONResponse({"code": status, "message": "a fault of the emulator"}, status, headers)


def _error(status: int, message: str, findings: list[dict[str, Any]] | None = None) -> Response:
    body: dict[str, Any] = {"code": status, "message": message}
    if findings is not None:
        body["diagnostics"] = findings
    return JSONResponse(body, status)
