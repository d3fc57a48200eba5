"""What differs between two states of one object, without what the API server keeps for itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sophia_infra.plugin_protocol.changes import Change, Route, find_changes

_SERVER_OWNED = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")


def find_object_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[Route, Change]:
    """`find_changes` between two states of one object, without what the server keeps for itself."""
    return find_changes(_without_server_fields(old), _without_server_fields(new))


def _without_server_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: item for key, item in body.get("metadata", {}).items() if key not in _SERVER_OWNED}
    return {**{key: item for key, item in body.items() if key != "status"}, "metadata": metadata}
