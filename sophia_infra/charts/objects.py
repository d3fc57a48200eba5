"""Whether a custom object is one that the API server would take, checked without a server.

The check walks the same schema that `definitions` gives to the server, so both agree; it says more than the
server does: closest names, and which versions are served.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from sophia_infra.charts.resources import custom_resources, find_resource
from sophia_infra.charts.schema import INT_OR_STRING, KEEP_UNKNOWN, Schema, object_schema
from sophia_infra.charts.table import CustomResource
from sophia_infra.model.errors import did_you_mean

__all__ = ["check_custom_object", "is_custom_object"]

_ALWAYS = ("apiVersion", "kind", "metadata")
_PLAIN: Mapping[str, tuple[type, ...]] = {
    "object": (Mapping,),
    "array": (list, tuple),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
_ANY_PLAIN = (Mapping, list, tuple, str, bool, int, float)


def is_custom_object(body: Mapping[str, Any]) -> bool:
    """Whether the object's API group is a vendor's, and not one of Kubernetes' own (`apps`, `*.k8s.io`).

    Groups that end in `.x-k8s.io` are vendors' groups of Kubernetes' special interest groups.
    """
    group = _group_and_version(body)[0]
    return "." in group and not group.endswith(".k8s.io")


def check_custom_object(body: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with a custom object, one sentence each; empty when nothing is.

    Found are: a kind that is not in the table, a version that is not served, a namespace that is missing or
    too much, unknown first-level fields, wrong types and words on the first level, and required fields that
    are missing, at any depth the table knows. Deeper fields, their types and CEL rules are not known here.

    Args:
        body: the whole object. Leaves may be objects of any kind, for example unresolved outputs; their
            type is not judged.
    """
    group, version_name = _group_and_version(body)
    kind = str(body.get("kind", ""))
    if not is_custom_object(body):
        return [f"{kind or 'an object'} of {body.get('apiVersion')!r} is no custom resource"]
    resource = find_resource(group, kind)
    if resource is None:
        return [f"{kind} of group {group} is in no pinned chart{_closest_kind(group, kind)}"]
    subject = f"{kind} {_name(body)}"
    version = resource.version(version_name)
    if version is None or not version.served:
        served = ", ".join(resource.served_versions)
        return [f"{subject}: version {version_name} of {group} is not served; served: {served}"]
    problems = [
        *_metadata_problems(resource, body.get("metadata")),
        *_problems(body, _schema(group, kind, version_name), "", _ALWAYS),
    ]
    return [f"{subject}: {problem}" for problem in problems]


@cache
def _schema(group: str, kind: str, version: str) -> Schema:
    found = custom_resources()[group, kind].version(version)
    if found is None:
        raise LookupError(f"{kind} of {group} has no version {version}")
    return object_schema(found)


def _metadata_problems(resource: CustomResource, metadata: object) -> Iterator[str]:
    fields = metadata if isinstance(metadata, Mapping) else {}
    # Compared, never taken for true or false: an unresolved output refuses that.
    if all(fields.get(key) in (None, "") for key in ("name", "generateName")):
        yield "metadata.name is missing"
    has_namespace = fields.get("namespace") not in (None, "")
    if resource.scope == "Namespaced" and not has_namespace:
        yield "metadata.namespace is missing; the kind is namespaced"
    if resource.scope == "Cluster" and has_namespace:
        yield "metadata.namespace is given, but the kind belongs to the whole cluster"


def _problems(value: object, schema: Schema, path: str, always: tuple[str, ...] = ()) -> Iterator[str]:
    if not isinstance(value, _ANY_PLAIN):
        return  # null, which the server drops, or an unresolved output
    if problem := _type_problem(value, schema):
        yield f"{path} {problem}"
    elif isinstance(value, Mapping):
        yield from _map_problems(value, schema, path, always)
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from _problems(item, schema.get("items", {}), f"{path}[{position}]")


def _map_problems(
    value: Mapping[str, Any], schema: Schema, path: str, always: tuple[str, ...]
) -> Iterator[str]:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    closed = not (schema.get(KEEP_UNKNOWN) or "additionalProperties" in schema)
    for key in schema.get("required", ()):
        if value.get(key) is None:
            yield f"{_join(path, key)} is required"
    for key, item in value.items():
        if key in always:
            continue
        if key in properties:
            yield from _problems(item, properties[key], _join(path, key))
        elif "additionalProperties" in schema:
            yield from _problems(item, schema["additionalProperties"], _join(path, key))
        elif closed:
            yield f"{_join(path, key)} is not a field{did_you_mean(key, properties)}"


def _type_problem(value: object, schema: Schema) -> str | None:
    """What is wrong with the type or the word; None when nothing is or nothing is known."""
    if schema.get(INT_OR_STRING):
        right = isinstance(value, int | str) and not isinstance(value, bool)
        return None if right else "is neither an integer nor text"
    wanted = schema.get("type")
    if wanted is None:
        return None
    is_flag = isinstance(value, bool) and wanted != "boolean"
    if is_flag or not isinstance(value, _PLAIN[wanted]):
        return f"is not of type {wanted}"
    words = schema.get("enum")
    if words is not None and value not in words:
        return f"is none of {', '.join(json.dumps(word) for word in words)}"
    return None


def _closest_kind(group: str, kind: str) -> str:
    table = custom_resources()
    groups_of_kind = sorted(known for known, name in table if name == kind)
    if groups_of_kind:
        return f"; the kind exists in {', '.join(groups_of_kind)}"
    return did_you_mean(kind, [name for known, name in table if known == group])


def _group_and_version(body: Mapping[str, Any]) -> tuple[str, str]:
    group, _, version = str(body.get("apiVersion", "")).rpartition("/")
    return group, version


def _name(body: Mapping[str, Any]) -> str:
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return name if isinstance(name, str) and name else "(no name)"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
