"""The part of a live object that one field manager applied, rebuilt from `metadata.managedFields`.

Server-side apply drops what a manager owned and does not send again. So whoever changes one field in a
manager's name has to send all of that manager's fields: these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["NotManaged", "applied_by"]


class NotManaged(LookupError):
    """The manager applied nothing to this object."""


def applied_by(live: Mapping[str, Any], manager: str) -> dict[str, Any]:
    """What `manager` applied, with apiVersion, kind, name and namespace: ready to be applied again.

    Raises:
        NotManaged: it has no entry of operation Apply.
    """
    metadata = live["metadata"]
    fields = next(
        (
            entry["fieldsV1"]
            for entry in metadata.get("managedFields", ())
            if entry.get("manager") == manager
            and entry.get("operation") == "Apply"
            and not entry.get("subresource")
        ),
        None,
    )
    if fields is None:
        raise NotManaged(f"{live['kind']} {metadata['name']} was not applied by {manager}")
    owned = _take(live, fields)
    body: dict[str, Any] = owned if isinstance(owned, dict) else {}
    mine = {**body.get("metadata", {}), "name": metadata["name"]}
    if "namespace" in metadata:
        mine["namespace"] = metadata["namespace"]
    return {**body, "apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": mine}


def _take(value: Any, fields: Mapping[str, Any]) -> Any:
    """The parts of `value` that `fields` names; all of it where no part is named."""
    parts = {key: below for key, below in fields.items() if key != "."}
    if not parts:
        return value
    if isinstance(value, Mapping):
        return {
            key[2:]: _take(value[key[2:]], below)
            for key, below in parts.items()
            if key.startswith("f:") and key[2:] in value
        }
    if isinstance(value, list):
        return [item for key, below in parts.items() if (item := _item(value, key, below)) is not None]
    return value


def _item(items: list[Any], key: str, below: Mapping[str, Any]) -> Any:
    kind, _, text = key.partition(":")
    if kind == "i":
        return _take(items[int(text)], below) if int(text) < len(items) else None
    wanted = json.loads(text)
    if kind == "v":
        return wanted if wanted in items else None
    for item in items:
        if isinstance(item, Mapping) and all(item.get(name) == value for name, value in wanted.items()):
            # Keys that the manager wrote are among its fields; the others are defaults, found again without.
            return _take(item, below)
    return None
