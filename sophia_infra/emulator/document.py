"""The vendor's OpenAPI document (1.10.0, prose removed by `tools/strip_openapi.py`) as operations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

__all__ = ["DOCUMENT_PATH", "Operation", "document", "inlined", "operation_ids", "operations"]

DOCUMENT_PATH = Path(__file__).with_name("data") / "lambda-openapi.json"

_METHODS = frozenset({"get", "put", "post", "patch", "delete"})


@dataclass(frozen=True, slots=True)
class Operation:
    """One of the 37 operations.

    Attributes:
        operation_id: the vendor's name, for example `launchInstance`.
        method: upper case.
        path: template below the host, for example `/api/v1/instances/{id}`.
        query: JSON schema per query parameter.
        body: JSON schema of the request body, None when there is none.
        answers: JSON schema per declared HTTP status.
    """

    operation_id: str
    method: str
    path: str
    query: Mapping[str, Any]
    body: Mapping[str, Any] | None
    answers: Mapping[int, Any]


@cache
def document() -> dict[str, Any]:
    """The packaged document. Do not change what is returned: it is shared."""
    return cast("dict[str, Any]", json.loads(DOCUMENT_PATH.read_text(encoding="utf-8")))


@cache
def operations() -> Mapping[str, Operation]:
    """operationId -> operation, with references left in place (see `inlined`)."""
    return {
        entry["operationId"]: Operation(
            operation_id=entry["operationId"],
            method=method.upper(),
            path=path,
            query={
                parameter["name"]: parameter["schema"]
                for parameter in entry.get("parameters", ())
                if parameter["in"] == "query"
            },
            body=_json_schema(entry["requestBody"]) if "requestBody" in entry else None,
            answers={int(status): _json_schema(answer) for status, answer in entry["responses"].items()},
        )
        for path, entries in document()["paths"].items()
        for method, entry in entries.items()
        if method in _METHODS
    }


def operation_ids() -> frozenset[str]:
    """All operationIds of the document."""
    return frozenset(operations())


def inlined(schema: Any, *, closed: bool) -> Any:
    """`schema` with every `$ref` replaced by what it names.

    Args:
        closed: objects with declared properties refuse others. For requests: the service refuses
            unknown fields. Never for answers: live ones carry more than the document declares.
    """
    if isinstance(schema, list):
        return [inlined(item, closed=closed) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return inlined(document()["components"]["schemas"][name], closed=closed)
    whole = {key: inlined(value, closed=closed) for key, value in schema.items()}
    if closed and isinstance(schema.get("properties"), dict):
        whole["additionalProperties"] = False
    return whole


def _json_schema(part: Mapping[str, Any]) -> Any:
    return part["content"]["application/json"]["schema"]
