"""What the engine records of an object, what a preview can know of it, inputs out of what is live. Pure."""

from __future__ import annotations

import base64
import binascii
import copy
import json
from collections.abc import Mapping
from typing import Any

from sophia_infra.kubernetes_plugin.tokens import LAST_APPLIED, annotation
from sophia_infra.plugin_protocol.values import UNKNOWN, Path, Properties

FIELD_MANAGER = "__fieldManager"
INITIAL_API_VERSION = "__initialApiVersion"
INPUTS = "__inputs"
"""Keys beside the object's own in outputs, under the names that the official plugin uses."""

_ASSIGNED_METADATA = ("uid", "resourceVersion", "creationTimestamp", "generation")
_ASSIGNED: Mapping[tuple[str, str], tuple[tuple[str, ...], ...]] = {
    ("v1", "Service"): (("spec", "clusterIP"), ("spec", "clusterIPs")),
    ("v1", "Pod"): (("spec", "nodeName"),),
    ("v1", "PersistentVolumeClaim"): (("spec", "volumeName"),),
    ("batch/v1", "Job"): (("spec", "selector"),),
}
"""Fields that the server fills with something else each time, so that a dry run's answer is worth nothing."""
_NOT_INPUTS = (*_ASSIGNED_METADATA, "managedFields", "selfLink", "deletionTimestamp", "ownerReferences")
_SECRET_KIND = (("data",), ("stringData",))
_LAST_APPLIED_PATH = ("metadata", "annotations", LAST_APPLIED)


def record(live: Mapping[str, Any], inputs: Properties, manager: str) -> Properties:
    """Outputs for an object that exists: the object without managedFields, and how it came about."""
    value = copy.copy(dict(live))
    value["metadata"] = {key: item for key, item in live["metadata"].items() if key != "managedFields"}
    value[FIELD_MANAGER] = manager
    value[INITIAL_API_VERSION] = inputs.value.get("apiVersion", live.get("apiVersion"))
    value[INPUTS] = inputs.value
    return Properties(value, _secret_paths(value, inputs))


def expect(answer: Mapping[str, Any], inputs: Properties, old: Mapping[str, Any] | None) -> Properties:
    """Outputs for a preview: a dry run's answer (or the inputs) with UNKNOWN where the server decides.

    Args:
        old: outputs of the object that will be updated; None for one that will be created.
    """
    value = copy.deepcopy(dict(answer))
    metadata = value["metadata"]
    metadata.pop("managedFields", None)
    kept = (old or {}).get("metadata") or {}
    for key in _ASSIGNED_METADATA:
        metadata[key] = UNKNOWN
    for key in ("uid", "creationTimestamp"):
        if key in kept:
            metadata[key] = kept[key]
    value["status"] = UNKNOWN
    if old is None:
        for path in _ASSIGNED.get((str(value.get("apiVersion")), str(value.get("kind"))), ()):
            _assign(value, inputs.value, path)
    return Properties(value, _secret_paths(value, inputs))


def inputs_of(live: Mapping[str, Any]) -> Properties:
    """Inputs for an object that Pulumi did not make: what kubectl noted as applied, else all of it."""
    applied = annotation(live, LAST_APPLIED)
    if applied:
        try:
            value = dict(json.loads(applied))
        except ValueError:
            value = dict(live)
    else:
        value = dict(live)
    value = {key: item for key, item in copy.deepcopy(value).items() if key != "status" and item is not None}
    value["apiVersion"], value["kind"] = live["apiVersion"], live["kind"]
    metadata = {key: item for key, item in value.get("metadata", {}).items() if key not in _NOT_INPUTS}
    annotations = {
        key: item for key, item in (metadata.get("annotations") or {}).items() if key != LAST_APPLIED
    }
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    if not metadata.get("namespace"):
        metadata.pop("namespace", None)
    value["metadata"] = metadata
    return Properties(value, _secret_paths(value, Properties({})))


def follow(inputs: Any, before: Any, now: Any) -> Any:
    """Inputs with what has changed on the server since: where `before` and `now` agree, as written.

    Only what was an input is followed, so that defaults and fields of others make no difference.
    """
    if before == now:
        return inputs
    if isinstance(inputs, dict) and isinstance(now, dict):
        old = before if isinstance(before, dict) else {}
        followed = {}
        for key, item in inputs.items():
            if key in now:
                followed[key] = follow(item, old.get(key), now[key])
            elif key not in old:
                followed[key] = item
        return followed
    if isinstance(inputs, list) and isinstance(now, list) and isinstance(before, list):
        if len(inputs) == len(now) == len(before):
            return [follow(*items) for items in zip(inputs, before, now, strict=True)]
        return now
    return now


def follow_string_data(inputs: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """`stringData` inputs of a Secret as the live `data` says."""
    data = live.get("data") or {}
    texts = {}
    for key, text in (inputs.get("stringData") or {}).items():
        encoded = data.get(key)
        if encoded is None:
            continue
        try:
            texts[key] = base64.b64decode(encoded).decode()
        except (binascii.Error, UnicodeDecodeError):
            texts[key] = text
    return texts


def _secret_paths(value: Mapping[str, Any], inputs: Properties) -> frozenset[Path]:
    paths: set[Path] = set(inputs.secrets)
    if value.get("kind") == "Secret" and value.get("apiVersion") == "v1":
        paths.update(_SECRET_KIND)
    if paths:
        paths.add(_LAST_APPLIED_PATH)
    return frozenset(paths | {(INPUTS, *path) for path in paths})


def _assign(value: dict[str, Any], inputs: Mapping[str, Any], path: tuple[str, ...]) -> None:
    """Make `path` of `value` UNKNOWN unless the inputs give it."""
    here: Any = value
    given: Any = inputs
    for key in path[:-1]:
        here = here.setdefault(key, {}) if isinstance(here, dict) else None
        given = given.get(key) if isinstance(given, dict) else None
    if isinstance(here, dict) and not (isinstance(given, dict) and path[-1] in given):
        here[path[-1]] = UNKNOWN
