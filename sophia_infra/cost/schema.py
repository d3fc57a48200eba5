"""JSON schema of the cost document; `python -m sophia_infra.cost.schema` prints it.

Made from the TypedDicts of `document`, which mypy holds the builder to: the three cannot drift apart. A test
compares `cost_report.schema.json` with what this prints.
"""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from sophia_infra.cost.document import CostDocument, Keyword

__all__ = ["SCHEMA_FILE", "build_schema", "main"]

SCHEMA_FILE: Final = Path(__file__).with_name("cost_report.schema.json")

_SCALARS: Final = {str: "string", int: "integer", bool: "boolean", type(None): "null"}


def build_schema() -> dict[str, Any]:
    """Schema (draft 2020-12), closed: a key that is not in it is a mistake. The same on every call."""
    definitions: dict[str, Any] = {}
    root = _schema_of(CostDocument, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Cost report of sophia-infra",
        "$defs": dict(sorted(definitions.items())),
        **root,
    }


def main() -> None:
    """Print it."""
    json.dump(build_schema(), sys.stdout, indent=2)
    sys.stdout.write("\n")


def _schema_of(annotation: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if is_typeddict(annotation):
        return _reference(annotation, definitions)
    if origin is Annotated:
        return _described(annotation, definitions)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema_of(argument, definitions) for argument in arguments]}
    if origin is list:
        return {"type": "array", "items": _schema_of(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema_of(arguments[1], definitions)}
    return {"type": _SCALARS[annotation]}


def _reference(document: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    name = document.__name__
    if name not in definitions:
        definitions[name] = {}  # taken before its fields are read
        hints = get_type_hints(document, include_extras=True)
        definitions[name] = {
            "description": " ".join((document.__doc__ or "").split()),
            "type": "object",
            "properties": {key: _schema_of(hint, definitions) for key, hint in hints.items()},
            "required": list(hints),
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{name}"}


def _described(annotation: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """`Annotated[T, Keyword(...), "text"]`: keywords narrow the schema, the last text describes it."""
    schema = _schema_of(get_args(annotation)[0], definitions)
    for extra in annotation.__metadata__:
        schema |= {extra.name: extra.value} if isinstance(extra, Keyword) else {"description": extra}
    return schema


if __name__ == "__main__":
    main()
