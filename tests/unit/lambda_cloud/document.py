"""The vendor's OpenAPI document, examples made from its schemas, and checks against them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs


@dataclass(frozen=True)
class Declared:
    """One operation as the document declares it."""

    operation_id: str
    method: str
    path: str
    request_schema: Any
    success_status: int
    success_schema: Any


@cache
def document() -> Any:
    text = files("sophia_infra.emulator").joinpath("data", "lambda-openapi.json").read_text()
    return json.loads(text)


@cache
def declared_operations() -> dict[str, Declared]:
    found = {}
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            if method == "parameters":
                continue
            status = next(code for code in operation["responses"] if code.startswith("2"))
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            success = operation["responses"][status]["content"]["application/json"]["schema"]
            declared = Declared(
                operation["operationId"], method.upper(), path, body.get("schema"), int(status), success
            )
            found[declared.operation_id] = declared
    return found


def declared_codes() -> set[str]:
    """Every error code of the document."""
    schemas = document()["components"]["schemas"]
    return {
        schema["properties"]["code"]["const"]
        for name, schema in schemas.items()
        if name.startswith("ApiError")
    }


def resolve(schema: Any) -> Any:
    """`schema` without the reference at its top."""
    while "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def example(schema: Any, *, optional: bool = True) -> Any:
    """A value that fits `schema`; without the fields that may be absent when `optional` is False."""
    schema = resolve(schema)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return example(schema["anyOf"][0], optional=optional)
    kind = schema.get("type")
    if kind == "object":
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            return {"any-key": example(extra, optional=optional)}
        required = set(schema.get("required", ()))
        return {
            name: example(part, optional=optional)
            for name, part in schema.get("properties", {}).items()
            if optional or name in required or name == "data"
        }
    if kind == "array":
        return [example(schema["items"], optional=optional) for _ in range(schema.get("minItems", 1))]
    simple = {"integer": 1, "boolean": True, "string": "2026-01-01T00:00:00Z", "null": None}
    return simple[kind]


def faults(schema: Any, value: object) -> list[str]:
    """What is wrong with `value` by `schema`; empty when it fits."""
    whole = {**schema, "components": document()["components"]}
    return [str(found.message) for found in jsonschema_rs.validator_for(whole).iter_errors(value)]


def objects_with_required(schema: Any) -> Iterator[tuple[str, ...]]:
    """Paths to required fields of `schema`, through lists and open maps: `("data", "0", "id")`."""
    schema = resolve(schema)
    if schema.get("type") == "array":
        for path in objects_with_required(schema["items"]):
            yield ("0", *path)
    elif isinstance(schema.get("additionalProperties"), dict):
        for path in objects_with_required(schema["additionalProperties"]):
            yield ("any-key", *path)
    elif schema.get("type") == "object":
        for name in schema.get("required", ()):
            yield (name,)
            for path in objects_with_required(schema["properties"][name]):
                yield (name, *path)
