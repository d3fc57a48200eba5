"""How a value that people write becomes a typed one: one parser, one way back, one entry in the JSON schema.

`Form` ties the three together for pydantic, so that the parser is the only place that knows what is
accepted, and the closed base model is the only place that knows how our models behave.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from sophia_infra.model.errors import Refused, did_you_mean

__all__ = [
    "ClosedModel",
    "Conflict",
    "ConflictsFound",
    "Form",
    "choice_form",
    "number_form",
    "parse_text",
    "text_form",
    "whole_number_form",
    "yes_no_form",
]

_KINDS: dict[type, str] = {dict: "a mapping", list: "a list", tuple: "a list"}


class ClosedModel(BaseModel):
    """Frozen; unknown keys are refused; no error text repeats the input, which may hold a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two values that are fine alone and not together. `loc` is the path of the one to change."""

    loc: tuple[str | int, ...]
    refused: Refused
    value: object = None


class ConflictsFound(ValueError):
    """Carries every conflict of a model out of its validator; pydantic would report only the first."""

    def __init__(self, conflicts: Iterable[Conflict]) -> None:
        self.conflicts = tuple(conflicts)
        super().__init__("; ".join(f"{'.'.join(map(str, c.loc))}: {c.refused}" for c in self.conflicts))


@dataclass(frozen=True, slots=True, eq=False)  # equal by identity: typing hashes it, and a dict has no hash
class Form:
    """Pydantic metadata for `Annotated[T, Form(...)]`.

    Attributes:
        parse: what was written -> value; raises Refused.
        schema: JSON schema of what may be written.
        show: value -> what would have been written; `parse(show(v)) == v`.
        parsed: types that are values already and pass through.
    """

    parse: Callable[[Any], Any]
    schema: Mapping[str, Any]
    show: Callable[[Any], Any] = lambda value: value
    parsed: tuple[type, ...] = ()

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._read, serialization=core_schema.plain_serializer_function_ser_schema(self.show)
        )

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return dict(self.schema)

    def _read(self, value: Any) -> Any:
        return value if self.parsed and isinstance(value, self.parsed) else self.parse(value)


def parse_text(value: object) -> str:
    """`value` if it is text. YAML reads `1.10` and `true` as something else: those need quotes."""
    if isinstance(value, str):
        return value
    if value is None:
        raise Refused("is empty")
    if isinstance(value, (bool, int, float)):
        raise Refused("is not text; put it in quotes")
    raise Refused(f"is {_KINDS.get(type(value), 'not text')}, and one text is expected here")


def text_form(
    what: str,
    *,
    pattern: str | None = None,
    rule: str | None = None,
    max_characters: int,
    min_characters: int = 1,
    extra: Callable[[str], None] | None = None,
) -> Form:
    """Text of limited length that matches `pattern` as a whole; `rule` says the pattern in words."""

    def parse(value: object) -> str:
        text = parse_text(value)
        if not min_characters <= len(text) <= max_characters:
            raise Refused(
                f"has {len(text)} characters", allowed=f"{min_characters} to {max_characters} characters"
            )
        if not text.isprintable():
            raise Refused("has a line break or another character that cannot be printed")
        if pattern is not None and not re.fullmatch(pattern, text):
            raise Refused(f"is not {what}", allowed=rule)
        if extra is not None:
            extra(text)
        return text

    schema: dict[str, Any] = {"type": "string", "minLength": min_characters, "maxLength": max_characters}
    if pattern is not None:
        schema["pattern"] = f"^{pattern}$"
    return Form(parse, schema)


def choice_form(what: str, choices: Iterable[str]) -> Form:
    """One of some words, exactly as spelled."""
    known = tuple(choices)

    def parse(value: object) -> str:
        text = parse_text(value)
        if text not in known:
            raise Refused(f"is not {what}{did_you_mean(text, known)}", allowed=", ".join(known))
        return text

    return Form(parse, {"type": "string", "enum": list(known)})


def whole_number_form(low: int, high: int) -> Form:
    """A whole number from `low` to `high`; also as text, since `pulumi config set` writes `"2"`."""
    allowed = f"a whole number from {low} to {high}"

    def parse(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise Refused("is not a whole number", allowed=allowed)
        if not low <= value <= high:
            raise Refused("is out of range", allowed=allowed)
        return value

    return Form(
        parse,
        {
            "anyOf": [
                {"type": "integer", "minimum": low, "maximum": high},
                {"type": "string", "pattern": "^[0-9]{1,9}$"},
            ]
        },
    )


def number_form(low_exclusive: float, high: float) -> Form:
    """A number above `low_exclusive` and up to `high`; also as text, for the same reason."""
    allowed = f"a number above {low_exclusive:g}, up to {high:g}"

    def parse(value: object) -> float:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Refused("is not a number", allowed=allowed)
        if math.isnan(value) or not low_exclusive < value <= high:
            raise Refused("is out of range", allowed=allowed)
        return float(value)

    return Form(
        parse,
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": low_exclusive, "maximum": high},
                {"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,6})?$"},
            ]
        },
    )


def yes_no_form() -> Form:
    """true or false; also as text. `yes`, `on` and `1` are refused: YAML versions disagree about them."""

    def parse(value: object) -> bool:
        if value in ("true", "false"):
            return value == "true"
        if not isinstance(value, bool):
            raise Refused("is neither true nor false", allowed="true, false")
        return value

    return Form(parse, {"enum": [True, False, "true", "false"]})
