"""`diff` for objects: what changed in the inputs, whether it matters to the server, and what it replaces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sophia_infra.kubernetes_plugin.changes import find_object_changes
from sophia_infra.kubernetes_plugin.errors import ApiRefused, PluginError
from sophia_infra.kubernetes_plugin.immutable import immutable_by_server, immutable_fields, touches
from sophia_infra.kubernetes_plugin.outputs import FIELD_MANAGER
from sophia_infra.kubernetes_plugin.requests import Request
from sophia_infra.kubernetes_plugin.settings import Settings
from sophia_infra.kubernetes_plugin.tokens import AUTONAMED, group_of, object_type
from sophia_infra.plugin_protocol.changes import Change, Difference, Route, find_changes
from sophia_infra.plugin_protocol.values import has_unknown

Attempt = Callable[[], tuple[Mapping[str, Any] | None, Mapping[str, Any]]]
"""The object as it is (None: gone) and as a dry run says it would be. Raises PluginError."""

_IDENTITY = ("kind", "metadata.name", "metadata.namespace")


def compare_object(request: Request, settings: Settings, manager: str, attempt: Attempt | None) -> Difference:
    """Compare by inputs; where they differ and all is known, let `attempt` decide.

    A dry run finds differences that are none (`1000m` and `1`, a default written out) and fields that only
    the server knows to be immutable. Without an answer the inputs decide, and the update will say why.
    """
    changes = _input_changes(request)
    if not changes:
        return Difference({})
    replaces = _replaced(request, changes, settings)
    if attempt and not replaces and not has_unknown(request.new.value):
        try:
            live, answer = attempt()
        except ApiRefused as refused:
            replaces = _named_by_server(refused, changes)
        except PluginError:
            replaces = frozenset()
        else:
            same_manager = request.old.value.get(FIELD_MANAGER) == manager
            if live is not None and same_manager and not find_object_changes(live, answer):
                return Difference({})
    return Difference(changes, replaces, bool(replaces) and _name_stays(request, changes))


def _input_changes(request: Request) -> dict[Route, Change]:
    """Changes of inputs, but for a namespace that is written out and was so all along."""
    changes = find_changes(request.old_inputs.value, request.new.value)
    old, new = request.old.value.get("metadata"), request.new.value.get("metadata")
    if isinstance(old, dict) and isinstance(new, dict) and old.get("namespace") == new.get("namespace"):
        changes.pop(("metadata", "namespace"), None)
    return changes


def _replaced(request: Request, changes: Iterable[Route], settings: Settings) -> frozenset[Route]:
    of = object_type(request.type, request.new.value)
    mutable = settings.mutable_secrets if of.kind == "Secret" else settings.mutable_config_maps
    fields: tuple[str, ...] = immutable_fields(of, request.old_inputs.value, mutable_data=mutable)
    old_group = group_of(str(request.old_inputs.value.get("apiVersion", of.api_version)))
    if old_group != group_of(of.api_version):
        fields += ("apiVersion",)
    return frozenset(route for route in changes if touches(route, fields))


def _named_by_server(refused: ApiRefused, changes: Iterable[Route]) -> frozenset[Route]:
    """The changes that the server calls immutable; all of them when it names fields that nobody wrote."""
    named = immutable_by_server(refused)
    if named is None:
        return frozenset()
    return frozenset(route for route in changes if touches(route, named)) or frozenset(changes)


def _name_stays(request: Request, changes: Iterable[Route]) -> bool:
    """Whether old and new object have one name, so that the old has to go first."""
    metadata = request.new.value.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if isinstance(annotations, dict) and annotations.get(AUTONAMED) == "true":
        return False
    return not any(touches(route, _IDENTITY) for route in changes)
