"""The control API under /_emulator/: what a test does to the account from outside. Never under /api."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

import jsonschema_rs
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sophia_infra.emulator.cloud import Cloud
from sophia_infra.emulator.errors import InvalidSettings, Refused
from sophia_infra.emulator.persistence import Keeper

__all__ = ["control_routes"]

_Answer = Callable[[Request], Awaitable[Response]]

_MAX_BODY_BYTES = 1_200_000
_NUMBER = {"type": "number", "minimum": 0}
_COUNT = {"type": ["integer", "null"], "minimum": 0}
_TEXT = {"type": "string"}
_SCHEMAS: dict[str, dict[str, Any]] = {
    "reset": {"properties": {}},
    "advance": {"properties": {"seconds": _NUMBER}, "required": ["seconds"]},
    "capacity": {
        "properties": {
            "instance_type": _TEXT,
            "region": _TEXT,
            "count": _COUNT,
            "listed": {"type": ["boolean", "null"]},
        },
        "required": ["instance_type", "region", "count"],
    },
    "faults": {
        "properties": {
            "operation": _TEXT,
            "when": _TEXT,
            "action": _TEXT,
            "times": {"type": ["integer", "null"]},
            "status": {"type": "integer"},
            "code": _TEXT,
            "body": {"type": ["string", "object"]},
            "delay_s": _NUMBER,
            "retry_after_s": {"type": "integer", "minimum": 0},
        },
        "required": ["operation", "when", "action"],
    },
    "release": {"properties": {"drop": {"type": "boolean"}}},
    "status": {"properties": {"status": _TEXT}, "required": ["status"]},
    "cluster": {"properties": {"cluster_id": {"type": ["string", "null"]}}, "required": ["cluster_id"]},
    "bytes": {
        "properties": {"bytes_used": {"type": "integer", "minimum": 0}},
        "required": ["bytes_used"],
    },
    "settings": {"additionalProperties": True},
}


def control_routes(cloud: Cloud, keeper: Keeper) -> list[Route]:
    """Routes relative to /_emulator; every change of the account is kept by `keeper`."""
    control = _Control(cloud, keeper)
    table: list[tuple[str, str, _Answer]] = [
        ("GET", "/health", control.health),
        ("GET", "/state", control.state),
        ("POST", "/reset", control.reset),
        ("POST", "/advance", control.advance),
        ("POST", "/capacity", control.capacity),
        ("GET", "/settings", control.settings),
        ("POST", "/settings", control.change_settings),
        ("GET", "/faults", control.list_faults),
        ("POST", "/faults", control.add_fault),
        ("DELETE", "/faults", control.clear_faults),
        ("GET", "/faults/{fault_id}", control.get_fault),
        ("DELETE", "/faults/{fault_id}", control.remove_fault),
        ("POST", "/faults/{fault_id}/release", control.release_fault),
        ("POST", "/instances/{instance_id}/status", control.set_instance_status),
        ("POST", "/instances/{instance_id}/cluster", control.set_instance_cluster),
        ("POST", "/filesystems/{filesystem_id}/bytes", control.set_filesystem_bytes),
        ("GET", "/requests", control.requests),
    ]
    return [
        Route(path, control.guarded(answer), methods=[method], include_in_schema=False)
        for method, path, answer in table
    ]


class _Control:
    def __init__(self, cloud: Cloud, keeper: Keeper) -> None:
        self._cloud = cloud
        self._keeper = keeper

    def guarded(self, answer: _Answer) -> _Answer:
        """`answer` behind the control token, with errors as JSON: 401, 403, 400, 404.

        No browser may ask: a page that its user opened elsewhere could change the account, token or not.
        """

        async def guard(request: Request) -> Response:
            if "origin" in request.headers or "sec-fetch-site" in request.headers:
                return _error(403, "the control API is not for browsers")
            token = self._cloud.settings.control_token
            sent = request.headers.get("authorization", "")
            if token is not None and not hmac.compare_digest(sent.encode(), f"Bearer {token}".encode()):
                return _error(401, "the control API wants Authorization: Bearer <control token>")
            try:
                return await answer(request)
            except InvalidSettings as error:
                return _error(400, str(error))
            except Refused as refused:
                return _error(refused.kind.status, refused.message)

        return guard

    async def health(self, _: Request) -> Response:
        cloud = self._cloud
        return JSONResponse({"ready": True, "now_s": cloud.now(), "speed": cloud.speed})

    async def state(self, _: Request) -> Response:
        return JSONResponse(self._cloud.dump())

    async def reset(self, request: Request) -> Response:
        await _body(request, "reset")
        self._cloud.reset()
        self._keeper.save()
        return JSONResponse({})

    async def advance(self, request: Request) -> Response:
        body = await _body(request, "advance")
        self._cloud.advance(float(body["seconds"]))
        self._keeper.save()
        return JSONResponse({"now_s": self._cloud.now()})

    async def capacity(self, request: Request) -> Response:
        body = await _body(request, "capacity")
        self._cloud.set_capacity(
            body["instance_type"], body["region"], body["count"], listed=body.get("listed")
        )
        self._keeper.save()
        return JSONResponse({})

    async def settings(self, _: Request) -> Response:
        return JSONResponse(self._cloud.settings.public())

    async def change_settings(self, request: Request) -> Response:
        changed = self._cloud.change_settings(await _body(request, "settings"))
        return JSONResponse(changed.public())

    async def list_faults(self, _: Request) -> Response:
        return JSONResponse([rule.public() for rule in self._cloud.faults.all()])

    async def add_fault(self, request: Request) -> Response:
        body = await _body(request, "faults")
        with self._cloud.lock:
            rule = self._cloud.faults.add(**body)
        return JSONResponse({"fault_id": rule.fault_id})

    async def clear_faults(self, _: Request) -> Response:
        with self._cloud.lock:
            self._cloud.faults.clear()
        return JSONResponse({})

    async def get_fault(self, request: Request) -> Response:
        rule = self._cloud.faults.find(request.path_params["fault_id"])
        return _error(404, "no such fault") if rule is None else JSONResponse(rule.public())

    async def remove_fault(self, request: Request) -> Response:
        with self._cloud.lock:
            removed = self._cloud.faults.remove(request.path_params["fault_id"])
        return JSONResponse({}) if removed else _error(404, "no such fault")

    async def release_fault(self, request: Request) -> Response:
        body = await _body(request, "release")
        rule = self._cloud.faults.find(request.path_params["fault_id"])
        if rule is None:
            return _error(404, "no such fault")
        with self._cloud.lock:
            released = rule.holding
            rule.release(go_on=not body.get("drop", False))
        return JSONResponse({"released": released})

    async def set_instance_status(self, request: Request) -> Response:
        body = await _body(request, "status")
        with self._cloud.lock:
            record = self._cloud.instances.set_status(request.path_params["instance_id"], body["status"])
            self._keeper.save()
        return JSONResponse({"id": record.id, "status": record.status})

    async def set_instance_cluster(self, request: Request) -> Response:
        body = await _body(request, "cluster")
        with self._cloud.lock:
            self._cloud.set_cluster(request.path_params["instance_id"], body["cluster_id"])
            self._keeper.save()
        return JSONResponse({})

    async def set_filesystem_bytes(self, request: Request) -> Response:
        body = await _body(request, "bytes")
        with self._cloud.lock:
            self._cloud.filesystems.set_bytes(request.path_params["filesystem_id"], body["bytes_used"])
            self._keeper.save()
        return JSONResponse({})

    async def requests(self, request: Request) -> Response:
        since = request.query_params.get("since", "0")
        if not (since.isascii() and since.isdecimal()):
            raise InvalidSettings(f"since is {since!r}; it must be the seq of a request, or 0")
        with self._cloud.lock:
            rows = [seen.public() for seen in self._cloud.requests.since(int(since))]
            dropped = self._cloud.requests.dropped
        return JSONResponse(rows, headers={"x-requests-dropped": str(dropped)})


async def _body(request: Request, schema: str) -> dict[str, Any]:
    """The JSON body that fits `_SCHEMAS[schema]`; an empty one is `{}`. Raises InvalidSettings."""
    text = bytearray()
    async for part in request.stream():
        text += part
        if len(text) > _MAX_BODY_BYTES:
            raise InvalidSettings(f"the body has more than {_MAX_BODY_BYTES} bytes")
    try:
        body = json.loads(text) if text else {}
        if b"\\u" in text:
            json.dumps(body, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise InvalidSettings(f"the body is not JSON: {type(error).__name__}") from error
    whole = {"type": "object", "additionalProperties": False, **_SCHEMAS[schema]}
    problem = next(jsonschema_rs.Draft202012Validator(whole).iter_errors(body), None)
    if problem is not None:
        raise InvalidSettings("/".join(["body", *map(str, problem.instance_path)]) + f": {problem.message}")
    return dict(body)


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status_code=status)
