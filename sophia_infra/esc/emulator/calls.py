"""Each operation of ESC's API that is emulated, as a plain function from request to response.

Left out, and answered 404: cloning, revision tags but for `latest`, environment tags.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse, Response

from sophia_infra.esc.emulator.diagnostics import Findings
from sophia_infra.esc.emulator.evaluator import Evaluated
from sophia_infra.esc.emulator.state import Environment, Refused, Revision, Store
from sophia_infra.esc.emulator.values import Value
from sophia_infra.esc.property_path import InvalidPath, parse_path

__all__ = ["CALLS", "Call", "Exchange"]

_REVISIONS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a call gets of a request."""

    path: dict[str, str]
    query: dict[str, str]
    body: bytes = field(repr=False)
    etag: str | None = None


Call = Callable[[Store, Exchange], Response]


def list_environments(store: Store, exchange: Exchange) -> Response:
    rows = [
        {
            "organization": one.organization,
            "project": one.project,
            "name": one.name,
            "created": one.revisions[0].created,
            "modified": one.latest.created,
        }
        for one in store.listed(exchange.path["organization"])
    ]
    return JSONResponse({"environments": rows})


def create_environment(store: Store, exchange: Exchange) -> Response:
    try:
        body = json.loads(exchange.body)
        project, name = str(body["project"]), str(body["name"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Refused(400, "the body must be JSON with project and name") from None
    store.create(exchange.path["organization"], project, name)
    return Response(status_code=204)


def get_environment(store: Store, exchange: Exchange) -> Response:
    return _definition(_environment(store, exchange).latest)


def decrypt_environment(store: Store, exchange: Exchange) -> Response:
    latest = _environment(store, exchange).latest
    return _yaml(store.decrypted(latest.text), latest)


def update_environment(store: Store, exchange: Exchange) -> Response:
    environment = _environment(store, exchange)
    evaluated = store.update(environment, _text(exchange), exchange.etag)
    headers = {"ETag": environment.latest.etag, "Pulumi-ESC-Revision": str(environment.latest.number)}
    return JSONResponse({"diagnostics": evaluated.findings.public()}, headers=headers)


def delete_environment(store: Store, exchange: Exchange) -> Response:
    path = exchange.path
    store.delete(path["organization"], path["project"], path["environment"])
    return Response(status_code=204)


def check_environment(store: Store, exchange: Exchange) -> Response:
    evaluated = store.check(exchange.path["organization"], "yaml", _text(exchange))
    body = {**_properties(evaluated, "yaml"), "diagnostics": evaluated.findings.public()}
    return JSONResponse(body, 400 if evaluated.findings.has_errors else 200)


def open_environment(store: Store, exchange: Exchange) -> Response:
    environment = _environment(store, exchange)
    revision = store.revision(environment, exchange.path.get("version", "latest"))
    session, evaluated = store.open(environment, revision)
    return JSONResponse({"id": session, "diagnostics": {"diagnostics": evaluated.findings.public()}})


def read_environment(store: Store, exchange: Exchange) -> Response:
    environment = _environment(store, exchange)
    evaluated = store.opened(environment, exchange.path["session"])
    return JSONResponse(_properties(evaluated, environment.full_name))


def read_property(store: Store, exchange: Exchange) -> Response:
    environment = _environment(store, exchange)
    evaluated = store.opened(environment, exchange.path["session"])
    value = Value(evaluated.values)
    try:
        accessors = parse_path(exchange.query.get("property", ""))
    except InvalidPath as error:
        raise Refused(400, str(error)) from None
    for accessor in accessors:
        found = value.part(accessor)
        if found is None:
            raise Refused(404, "path not found")
        value = found
    return JSONResponse(value.public(environment.full_name))


def list_revisions(store: Store, exchange: Exchange) -> Response:
    environment = _environment(store, exchange)
    try:
        before = int(exchange.query.get("before", 0)) or None
        count = int(exchange.query.get("count", _REVISIONS_AT_ONCE))
    except ValueError:
        raise Refused(400, "before and count are numbers") from None
    chosen = [one for one in reversed(environment.revisions) if before is None or one.number < before]
    return JSONResponse(
        [
            {
                "number": one.number,
                "created": one.created,
                "creatorLogin": one.creator,
                "creatorName": one.creator,
                **({"tags": ["latest"]} if one is environment.latest else {}),
            }
            for one in chosen[: max(0, min(count, _REVISIONS_AT_ONCE))]
        ]
    )


def get_revision(store: Store, exchange: Exchange) -> Response:
    return _definition(store.revision(_environment(store, exchange), exchange.path["version"]))


def _environment(store: Store, exchange: Exchange) -> Environment:
    path = exchange.path
    return store.find(path["organization"], path["project"], path["environment"])


def _text(exchange: Exchange) -> str:
    try:
        return exchange.body.decode()
    except UnicodeDecodeError:
        raise Refused(400, "the body is not UTF-8") from None


def _definition(revision: Revision) -> Response:
    return _yaml(revision.text, revision)


def _yaml(text: str, revision: Revision) -> Response:
    headers = {"ETag": revision.etag, "Pulumi-ESC-Revision": str(revision.number)}
    return Response(text, headers=headers, media_type="application/x-yaml")


def _properties(evaluated: Evaluated, name: str) -> dict[str, Any]:
    findings: Findings = evaluated.findings
    shown = {} if findings.has_errors else evaluated.values
    return {"properties": {key: value.public(name) for key, value in shown.items()}}


_ENVIRONMENT = "/environments/{organization}/{project}/{environment}"

CALLS: tuple[tuple[str, str, Call], ...] = (
    ("GET", "/environments/{organization}", list_environments),
    ("POST", "/environments/{organization}", create_environment),
    ("POST", "/environments/{organization}/yaml/check", check_environment),
    ("GET", _ENVIRONMENT, get_environment),
    ("PATCH", _ENVIRONMENT, update_environment),
    ("DELETE", _ENVIRONMENT, delete_environment),
    ("GET", f"{_ENVIRONMENT}/decrypt", decrypt_environment),
    ("POST", f"{_ENVIRONMENT}/open", open_environment),
    ("GET", f"{_ENVIRONMENT}/open/{{session}}", read_environment),
    # The SDK asks for a single property with two slashes.
    ("GET", f"{_ENVIRONMENT}/open//{{session}}", read_property),
    ("GET", f"{_ENVIRONMENT}/versions", list_revisions),
    ("GET", f"{_ENVIRONMENT}/versions/{{version}}", get_revision),
    ("POST", f"{_ENVIRONMENT}/versions/{{version}}/open", open_environment),
)
