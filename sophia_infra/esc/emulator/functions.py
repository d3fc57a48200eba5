"""The builtin functions that need no provider: arguments evaluated, value or sentence out."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable

from sophia_infra.esc.emulator.values import Value, from_json

__all__ = ["FUNCTIONS", "FunctionRefused"]


class FunctionRefused(Exception):
    """The arguments do not fit. The message holds no value."""


def _string(value: Value, what: str = "string") -> str:
    if not isinstance(value.content, str):
        raise FunctionRefused(f"expected {what}, got {_kind(value)}")
    return value.content


def _kind(value: Value) -> str:
    match value.content:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
    return "number"


def _from_json(argument: Value) -> Value:
    try:
        value = from_json(json.loads(_string(argument)))
    except ValueError:
        # The decoder's own message would quote the text, which may be a secret.
        raise FunctionRefused("decoding JSON string: it is not JSON") from None
    return value.marked() if argument.secret else value


def _to_json(argument: Value) -> Value:
    text = json.dumps(argument.plain(), separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return Value(text, argument.holds("secret"))


def _join(argument: Value) -> Value:
    if not isinstance(argument.content, list) or len(argument.content) != 2:
        raise FunctionRefused("the argument to fn::join must be a two-valued list")
    delimiter, values = argument.content
    if not isinstance(values.content, list):
        raise FunctionRefused(f"expected array, got {_kind(values)}")
    return Value(_string(delimiter).join(map(_string, values.content)), argument.holds("secret"))


def _concat(argument: Value) -> Value:
    if not isinstance(argument.content, list):
        raise FunctionRefused("the argument to fn::concat must be an array of arrays")
    joined: list[Value] = []
    for one in argument.content:
        if not isinstance(one.content, list):
            raise FunctionRefused(f"expected array, got {_kind(one)}")
        joined += one.content
    return Value(joined, argument.secret)


def _to_string(argument: Value) -> Value:
    return Value(argument.text(), argument.holds("secret"))


def _to_base64(argument: Value) -> Value:
    return Value(base64.b64encode(_string(argument).encode()).decode(), argument.secret)


def _from_base64(argument: Value) -> Value:
    try:
        text = base64.b64decode(_string(argument), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise FunctionRefused("decoding base64 string: it is not base64 of UTF-8 text") from None
    return Value(text, argument.secret)


FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    "fn::concat": _concat,
    "fn::fromBase64": _from_base64,
    "fn::fromJSON": _from_json,
    "fn::join": _join,
    "fn::toBase64": _to_base64,
    "fn::toJSON": _to_json,
    "fn::toString": _to_string,
}
