"""Requests and answers against the vendor's document. Validators are built at their first use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import jsonschema_rs

from sophia_infra.emulator.document import Operation, inlined, operations
from sophia_infra.emulator.errors import INVALID_PARAMETERS, UNKNOWN, AnswerInvalid, Refused

__all__ = ["check_answer", "parse_body", "parse_query"]

_TOLERATED: Mapping[str, Mapping[str, Any]] = {"launchInstance": {"quantity": {"type": "integer"}}}
"""Fields that the document does not have and the service takes nevertheless."""


def parse_body(operation: Operation, body: bytes) -> dict[str, Any]:
    """The request body as a mapping that fits the document; unknown fields are refused.

    Raises:
        Refused: 400 global/invalid-parameters. The text names the place, never the value: a body may
            hold secrets.
    """
    if operation.body is None:
        return {}
    try:
        parsed = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        if b"\\u" in body:
            json.dumps(parsed, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        raise Refused(INVALID_PARAMETERS, "The request body is not JSON.") from None
    _check(_body_validator(operation.operation_id), parsed, "body")
    return dict(parsed)


def parse_query(operation: Operation, query_string: bytes) -> dict[str, Any]:
    """Declared query parameters: a list where the document has an array, else the last value.

    Others are ignored. Raises Refused (400) for a value that does not fit.
    """
    if not operation.query or not query_string:
        return {}
    try:
        sent = parse_qs(query_string.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Refused(INVALID_PARAMETERS, "The query string is not UTF-8.") from None
    values: dict[str, Any] = {
        name: sent[name] if schema.get("type") == "array" else sent[name][-1]
        for name, schema in operation.query.items()
        if name in sent
    }
    _check(_query_validator(operation.operation_id), values, "query")
    return values


def check_answer(operation: Operation, status: int, answer: Mapping[str, Any]) -> None:
    """AnswerInvalid when `answer` breaks the document. What the document does not declare passes."""
    if status not in operation.answers:
        if status < 400:
            raise AnswerInvalid(f"{operation.operation_id} answers {status}, which is not declared")
        return
    if status >= 400 and answer["error"]["code"] == UNKNOWN.code:
        return
    error = next(_answer_validator(operation.operation_id, status).iter_errors(answer), None)
    if error is not None:
        place = "/".join(str(part) for part in error.instance_path)
        raise AnswerInvalid(f"{operation.operation_id} {status} {place}: {error.message}")


def _check(validator: jsonschema_rs.Draft202012Validator, value: Any, where: str) -> None:
    try:
        if validator.is_valid(value):
            return
        error = next(validator.iter_errors(value))
    except ValueError:
        raise Refused(INVALID_PARAMETERS, f"{where} is nested too deeply.") from None
    place = "/".join([where, *(str(part) for part in error.instance_path)])
    raise Refused(INVALID_PARAMETERS, f"{place}: {error.message}")


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _validator(schema: Any) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True, mask="the value")


@cache
def _body_validator(operation_id: str) -> jsonschema_rs.Draft202012Validator:
    schema = inlined(operations()[operation_id].body, closed=True)
    schema["properties"] |= _TOLERATED.get(operation_id, {})
    return _validator(schema)


@cache
def _query_validator(operation_id: str) -> jsonschema_rs.Draft202012Validator:
    properties = inlined(dict(operations()[operation_id].query), closed=True)
    return _validator({"type": "object", "properties": properties})


@cache
def _answer_validator(operation_id: str, status: int) -> jsonschema_rs.Draft202012Validator:
    return _validator(inlined(operations()[operation_id].answers[status], closed=False))
