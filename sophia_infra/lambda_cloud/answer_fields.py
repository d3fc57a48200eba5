"""Reads fields out of an answer: a missing required one is an UnexpectedAnswer that names its place.

Unknown fields are never looked at. For optional ones, absent, null and "" mean the same: the service was
seen to use all three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from sophia_infra.lambda_cloud.errors import UnexpectedAnswer

__all__ = ["Fields", "parse_list", "parse_map", "parse_strings"]

T = TypeVar("T")


class Fields:
    """The fields of one object of an answer.

    Args:
        value: the object as decoded from JSON.
        place: what it is, for the message: `Instance`.

    Raises:
        UnexpectedAnswer: it is no object; later, a field is missing or has the wrong type.
    """

    __slots__ = ("_fields", "_place")

    def __init__(self, value: object, place: str) -> None:
        if not isinstance(value, dict):
            raise UnexpectedAnswer(f"{place} is {_kind(value)} in the answer, not an object")
        self._fields: Mapping[str, object] = value
        self._place = place

    def text(self, name: str) -> str:
        """A required string."""
        return self._required(name, str)

    def optional_text(self, name: str) -> str | None:
        """A string; None when absent, null or empty."""
        value = self._fields.get(name)
        if value is None or value == "":
            return None
        return self._required(name, str)

    def whole_number(self, name: str) -> int:
        """A required integer."""
        return self._required(name, int)

    def optional_whole_number(self, name: str) -> int | None:
        """An integer; None when absent or null."""
        return None if self._fields.get(name) is None else self._required(name, int)

    def truth(self, name: str) -> bool:
        """A required true or false."""
        return self._required(name, bool)

    def one(self, name: str, parse: Callable[[object], T]) -> T:
        """A required object, read by `parse`."""
        return parse(self._required(name, dict))

    def many(self, name: str, parse: Callable[[object], T]) -> tuple[T, ...]:
        """A required list, each item read by `parse`."""
        return tuple(parse(item) for item in self._required(name, list))

    def optional_many(self, name: str, parse: Callable[[object], T]) -> tuple[T, ...]:
        """A list, each item read by `parse`; empty when absent or null."""
        return () if self._fields.get(name) is None else self.many(name, parse)

    def texts(self, name: str) -> tuple[str, ...]:
        """A required list of strings."""
        return parse_strings(self._required(name, list), f"{self._place}.{name}")

    def mapping(self, name: str) -> dict[str, object]:
        """A required object with open keys."""
        return dict(self._required(name, dict))

    def _required(self, name: str, kind: type[T]) -> T:
        try:
            value = self._fields[name]
        except KeyError:
            raise UnexpectedAnswer(f"{self._place}.{name} is missing from the answer") from None
        # In Python a bool is an int; in JSON it is not.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            place = f"{self._place}.{name}"
            raise UnexpectedAnswer(f"{place} is {_kind(value)} in the answer, not {_NAMES[kind]}")
        return value


_NAMES: Mapping[type, str] = {
    str: "a string",
    int: "an integer",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


def _kind(value: object) -> str:
    """What `value` is in the words of JSON. Never the value: it may be a secret in the wrong place."""
    if value is None:
        return "null"
    return _NAMES.get(type(value), "a number")


def parse_list(value: object, place: str, parse: Callable[[object], T]) -> list[T]:
    """A list of answers. `place` names it in the message of UnexpectedAnswer."""
    if not isinstance(value, list):
        raise UnexpectedAnswer(f"{place} is {_kind(value)} in the answer, not a list")
    return [parse(item) for item in value]


def parse_map(value: object, place: str, parse: Callable[[object], T]) -> dict[str, T]:
    """An object with open keys whose values are answers."""
    if not isinstance(value, dict):
        raise UnexpectedAnswer(f"{place} is {_kind(value)} in the answer, not an object")
    return {str(key): parse(item) for key, item in value.items()}


def parse_strings(value: object, place: str) -> tuple[str, ...]:
    """A list of strings."""
    items = parse_list(value, place, lambda item: item)
    wrong = next((item for item in items if not isinstance(item, str)), None)
    if wrong is not None or None in items:
        raise UnexpectedAnswer(f"{place} has {_kind(wrong)} among its strings in the answer")
    return tuple(str(item) for item in items)
