"""What an expression evaluates to: a value that knows whether it is secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["UNKNOWN", "Scalar", "Value", "from_json"]

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Value:
    """A scalar, a list or an object of values. `unknown` stands for what has an error."""

    content: Scalar | list[Value] | dict[str, Value] = None
    secret: bool = False
    unknown: bool = False

    def __repr__(self) -> str:
        return f"Value({type(self.content).__name__}, secret={self.secret})"

    @property
    def is_object(self) -> bool:
        return isinstance(self.content, dict)

    def part(self, accessor: str | int) -> Value | None:
        """The element or property of that name, secret where the whole is; None when there is none."""
        content, found = self.content, None
        if isinstance(content, dict) and isinstance(accessor, str):
            found = content.get(accessor)
        elif isinstance(content, list) and isinstance(accessor, int) and accessor < len(content):
            found = content[accessor]
        return found.marked() if found is not None and self.secret else found

    def over(self, base: Value | None) -> Value:
        """This value merged over `base`: two objects property by property, anything else replaces."""
        if base is None or not isinstance(self.content, dict) or not isinstance(base.content, dict):
            return self
        merged = dict(base.content)
        for name, mine in self.content.items():
            merged[name] = mine.over(base.content.get(name))
        return replace(self, content=merged)

    def marked(self) -> Value:
        """This value with all of its parts secret."""
        content = self.content
        if isinstance(content, list):
            content = [one.marked() for one in content]
        elif isinstance(content, dict):
            content = {name: one.marked() for name, one in content.items()}
        return replace(self, content=content, secret=True)

    def holds(self, flag: str) -> bool:
        """Whether this or any part of it is `secret` or `unknown`."""
        if getattr(self, flag):
            return True
        parts = self.content.values() if isinstance(self.content, dict) else self.content
        return isinstance(self.content, dict | list) and any(one.holds(flag) for one in parts)  # type: ignore[union-attr]

    def text(self) -> str:
        """As an interpolation writes it: lists and objects as quoted parts with commas."""
        match self.content:
            case None:
                return ""
            case bool():
                return "true" if self.content else "false"
            case str():
                return self.content
            case list():
                return ",".join(json.dumps(one.text(), ensure_ascii=False) for one in self.content)
            case dict():
                pairs = sorted(self.content.items())
                return ",".join(
                    f"{json.dumps(name, ensure_ascii=False)}={json.dumps(one.text(), ensure_ascii=False)}"
                    for name, one in pairs
                )
        return json.dumps(self.content)

    def plain(self) -> Any:
        """As JSON data without marks."""
        if isinstance(self.content, list):
            return [one.plain() for one in self.content]
        if isinstance(self.content, dict):
            return {name: one.plain() for name, one in self.content.items()}
        return self.content

    def public(self, environment: str) -> dict[str, Any]:
        """As the API answers an opened value: wrapped at every level."""
        content: Any = self.content
        if isinstance(content, list):
            content = [one.public(environment) for one in content]
        elif isinstance(content, dict):
            content = {name: one.public(environment) for name, one in content.items()}
        nowhere = {"line": 0, "column": 0, "byte": 0}
        place = {"environment": environment, "begin": nowhere, "end": nowhere}
        wrapped: dict[str, Any] = {"value": content, "trace": {"def": place}}
        if self.secret:
            wrapped["secret"] = True
        if self.unknown:
            wrapped |= {"unknown": True, "value": None}
        return wrapped


UNKNOWN = Value(unknown=True)


def from_json(data: Any) -> Value:
    """`data` of a JSON text as a value."""
    if isinstance(data, list):
        return Value([from_json(one) for one in data])
    if isinstance(data, Mapping):
        return Value({str(name): from_json(one) for name, one in data.items()})
    return Value(data)
