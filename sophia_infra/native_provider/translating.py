"""Between the engine's properties and those of the kinds: secrets, unknowns, and which places differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf import struct_pb2

from sophia_infra.model.resource_tokens import KindName
from sophia_infra.plugin_protocol.changes import Change, Difference, Route, find_changes
from sophia_infra.plugin_protocol.unknown import UNKNOWN
from sophia_infra.plugin_protocol.values import Path, Properties, read_properties
from sophia_infra.provider.outcome import Diff, Props
from sophia_infra.provider.properties import OUTPUTS, SECRET_OUTPUTS, SETTLED

__all__ = ["detailed", "given", "planned", "recorded"]

_PICKLED_PROVIDER: Final = "__provider"
"""What the dynamic provider leaves in states; a stack that moved here has it until its first update."""


def given(struct: struct_pb2.Struct) -> Properties:
    """The engine's properties without those that are not ours."""
    properties = read_properties(struct)
    ours = {name: value for name, value in properties.value.items() if name != _PICKLED_PROVIDER}
    return Properties(ours, properties.secrets)


def recorded(kind: KindName, outputs: Mapping[str, Any], inputs: Properties) -> Properties:
    """Outputs for the state. Secret: what the kind makes secret, secret inputs, and what repeats one."""
    hidden = {text for text in inputs.secret_texts() if text}
    secrets: set[Path] = {(name,) for name in SECRET_OUTPUTS.get(kind, ())}
    for name in OUTPUTS[kind]:
        if hidden and not hidden.isdisjoint(_texts(outputs.get(name))):
            secrets.add((name,))
    return Properties(_without_nulls(outputs), inputs.secrets | secrets)


def planned(kind: KindName, inputs: Properties, old: Mapping[str, Any] | None = None) -> Properties:
    """Outputs as a preview knows them.

    Args:
        old: outputs before an update; None for a create.
    """
    outputs: Props = dict.fromkeys(OUTPUTS[kind], UNKNOWN)
    if old is not None and kind in SETTLED:
        outputs = {name: old.get(name) for name in OUTPUTS[kind]}
    return recorded(kind, {**inputs.value, **outputs}, inputs)


def detailed(
    diff: Diff, old: Mapping[str, Any], new: Mapping[str, Any], *, was_dynamic: bool = False
) -> Difference:
    """The kind's answer, place by place.

    Args:
        old: outputs that the state holds.
        new: checked inputs.
        was_dynamic: the state was written by the dynamic provider: it is written anew, and nothing is sent.
    """
    changes: dict[Route, Change] = {}
    replaces: set[Route] = set()
    for name in diff.changes:
        places = find_changes(_only(name, old), _only(name, new)) or {(name,): "update"}
        changes |= places
        if name in diff.replaces:
            replaces |= places.keys()
    if was_dynamic and not replaces:
        changes[(_PICKLED_PROVIDER,)] = "delete"
    return Difference(changes, frozenset(replaces), diff.delete_before_replace)


def _without_nulls(value: Any) -> Any:
    """As it will be read back: the engine leaves nulls out, and a refresh would see a change."""
    if isinstance(value, Mapping):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(item) for item in value]
    return value


def _only(name: str, props: Mapping[str, Any]) -> Props:
    value = props.get(name)
    return {} if value is None or value in ("", [], {}) else {name: value}


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
