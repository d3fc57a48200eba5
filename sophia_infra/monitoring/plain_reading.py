"""Reads a JSON document field by field and collects everything that is wrong with it, without pydantic."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from sophia_infra.model.errors import ConfigError, Problem, Refused, did_you_mean
from sophia_infra.model.redaction import shown

__all__ = ["Document", "Section"]

T = TypeVar("T")


class Document:
    """One JSON document while it is read.

    Args:
        text: the JSON.
        source: what it is called in messages, a file's name.

    Raises:
        ConfigError: it is no JSON object.
    """

    def __init__(self, text: str, source: str) -> None:
        self._source = source
        self._problems: list[Problem] = []
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            self.refuse("", None, f"is not JSON: {error}", None)
            value = None
        if not self._problems and not isinstance(value, dict):
            self.refuse("", value, "is not an object", "a JSON object")
        self.finish()
        self.root = Section(self, "", value)

    def refuse(self, key: str, value: object, message: str, allowed: str | None) -> None:
        """Note one thing that is wrong."""
        what = shown(value, key.rpartition(".")[2])
        self._problems.append(Problem(self._source, key, None, what, allowed, message))

    def finish(self) -> None:
        """Raises ConfigError with all that was noted; nothing when that is nothing."""
        if self._problems:
            raise ConfigError(self._problems)


class Section:
    """One object of a document. What is missing or wrong is noted, and the fallback returned instead."""

    def __init__(self, document: Document, key: str, value: object) -> None:
        self._document = document
        self._key = key
        # Of one that is not there nothing more is said than that.
        self._is_there = isinstance(value, dict)
        self._fields: dict[str, Any] = value if isinstance(value, dict) else {}

    def only(self, *names: str) -> None:
        """Refuse every field of another name."""
        for name in self._fields.keys() - set(names):
            hint = did_you_mean(name, names)
            self._document.refuse(self._path(name), None, f"is not a field{hint}", ", ".join(names))

    def section(self, name: str) -> Section:
        """A required object."""
        value = self._of_type(name, dict, "an object", None)
        return Section(self._document, self._path(name), value)

    def sections(self, name: str) -> Iterator[tuple[str, Section]]:
        """Every object in a required object, which may be empty."""
        holder = self.section(name)
        for key in holder._fields:
            yield key, holder.section(key)

    def text(self, name: str, fallback: str | None = None) -> str:
        """A string; required when there is no fallback."""
        return str(self._of_type(name, str, "text", fallback))

    def texts(self, name: str, *, optional: bool = False) -> tuple[str, ...]:
        """A list of one or more strings; () for one that is optional and not there."""
        if optional and name not in self._fields:
            return ()
        value = self._of_type(name, list, "a list of text", None)
        if isinstance(value, list) and (not value or not all(isinstance(one, str) for one in value)):
            self._document.refuse(
                self._path(name), value, "is empty or holds more than text", "text, at least one"
            )
        return tuple(str(one) for one in value or ())

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        """A required string out of `allowed`."""
        value = self.text(name)
        if name in self._fields and isinstance(self._fields[name], str) and value not in allowed:
            hint = did_you_mean(value, allowed)
            self._document.refuse(self._path(name), value, f"is not a choice{hint}", ", ".join(allowed))
        return value

    def whole_number(self, name: str, low: int, high: int, fallback: int | None = None) -> int:
        """An integer from `low` to `high`; required when there is no fallback."""
        allowed = f"a whole number from {low} to {high}"
        value = self._of_type(name, int, allowed, fallback)
        if value is None:
            return low
        if not low <= value <= high:
            self._document.refuse(self._path(name), value, "is out of range", allowed)
        return int(value)

    def parsed(self, name: str, parse: Callable[[str], T], fallback: T) -> T:
        """A required string as `parse` reads it; what that raises as Refused is noted."""
        if not isinstance(self._fields.get(name), str):
            self.text(name)
            return fallback
        value = self._fields[name]
        try:
            return parse(value)
        except Refused as refused:
            self._document.refuse(self._path(name), value, refused.message, refused.allowed)
            return fallback

    @property
    def names(self) -> tuple[str, ...]:
        """Of its fields."""
        return tuple(self._fields)

    def _of_type(self, name: str, wanted: type, words: str, fallback: Any) -> Any:
        if name not in self._fields:
            if fallback is None and self._is_there:
                self._document.refuse(self._path(name), None, "is missing", words)
            return fallback
        value = self._fields[name]
        # True is an int to Python, and no number to people.
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            self._document.refuse(self._path(name), value, "is of another kind", words)
            return fallback
        return value

    def _path(self, name: str) -> str:
        return f"{self._key}.{name}" if self._key else name
