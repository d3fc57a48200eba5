"""Structural schemas of custom resources, made from the table: one source for the check and the server.

A schema is typed and closed on the first level of fields, knows the required paths below, and keeps what it
does not know further down. The API server refuses unknown first-level fields under strict validation and
prunes them otherwise, as it does with the vendors' own definitions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sophia_infra.charts.table import ResourceVersion

__all__ = ["ANYTHING", "KEEP_UNKNOWN", "Schema", "object_schema"]

Schema = dict[str, Any]

KEEP_UNKNOWN = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING = "x-kubernetes-int-or-string"
ANYTHING: Mapping[str, Any] = {KEEP_UNKNOWN: True}

_GENERIC = re.compile(r"(array|map)<(.*)>")
_ENUMERATION = re.compile(r"string\((.*)\)")
_UNLISTED_ENUMERATION = re.compile(r"enum of \d+")

_Required = dict[str, "_Required"]
"""Tree of required paths: key, with "[]" where a list follows, -> what is required below."""


def object_schema(version: ResourceVersion) -> Schema:
    """`openAPIV3Schema` of one version. Of a version that is not served anything is accepted."""
    if version.fields is None:
        return {"type": "object", **ANYTHING}
    tree, leaves = _required_tree(version.required)
    if not version.has_spec:
        return _fields_schema(version.fields, tree, leaves, ())
    spec = _fields_schema(version.fields, tree.get("spec", {}), leaves, ("spec",))
    top: Schema = {"type": "object", "properties": {"spec": spec, "status": {"type": "object", **ANYTHING}}}
    # A path below spec makes no spec required: nested requirements bind only where the parent is given.
    # The vendors' definitions demand spec exactly where the table lists it by itself.
    if ("spec",) in leaves:
        top["required"] = ["spec"]
    return top


def _fields_schema(
    fields: Mapping[str, str], tree: _Required, leaves: set[tuple[str, ...]], above: tuple[str, ...]
) -> Schema:
    schema: Schema = {"type": "object"}
    if fields:
        schema["properties"] = {
            name: _constrained(_typed(kind), tree, leaves, (*above, name), name)
            for name, kind in fields.items()
        }
    return _with_required(schema, tree, leaves, above)


def _typed(kind: str) -> Schema:
    """Schema of one type as the table writes it."""
    if generic := _GENERIC.fullmatch(kind):
        inner = _typed(generic[2])
        if generic[1] == "array":
            return {"type": "array", "items": inner}
        return {"type": "object", "additionalProperties": inner}
    if enumeration := _ENUMERATION.fullmatch(kind):
        if _UNLISTED_ENUMERATION.fullmatch(enumeration[1]):
            return {"type": "string"}
        return {"type": "string", "enum": enumeration[1].split("|")}
    if kind == "object":
        return {"type": "object", **ANYTHING}
    if kind == "any":
        return dict(ANYTHING)
    if kind == "int-or-string":
        return {INT_OR_STRING: True}
    return {"type": kind}


def _constrained(
    schema: Schema, tree: _Required, leaves: set[tuple[str, ...]], path: tuple[str, ...], name: str
) -> Schema:
    """`schema` of the field `name` with what is required below it, as far as `tree` says."""
    if (below := tree.get(f"{name}[]")) is not None:
        in_list = (*path[:-1], f"{name}[]")
        return {"type": "array", "items": _nested(schema.get("items", {}), below, leaves, in_list)}
    if below := tree.get(name, {}):
        return _nested(schema, below, leaves, path)
    return schema


def _nested(schema: Schema, tree: _Required, leaves: set[tuple[str, ...]], above: tuple[str, ...]) -> Schema:
    properties = {
        name: _constrained(dict(ANYTHING), tree, leaves, (*above, name), name)
        for name in dict.fromkeys(key.removesuffix("[]") for key in tree)
    }
    nested = {**schema, "type": "object", **ANYTHING, "properties": properties}
    return _with_required(nested, tree, leaves, above)


def _with_required(
    schema: Schema, tree: _Required, leaves: set[tuple[str, ...]], above: tuple[str, ...]
) -> Schema:
    names = [name for name in tree if (*above, name) in leaves]
    return {**schema, "required": names} if names else schema


def _required_tree(paths: Iterable[str]) -> tuple[_Required, set[tuple[str, ...]]]:
    """The paths as a tree, and which of its nodes are required themselves and not only on the way."""
    tree: _Required = {}
    leaves = set()
    for path in paths:
        keys = tuple(path.split("."))
        node = tree
        for key in keys:
            node = node.setdefault(key, {})
        leaves.add(keys)
    return tree, leaves
