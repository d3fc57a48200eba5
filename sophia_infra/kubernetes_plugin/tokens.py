"""What a Pulumi type and the inputs say about the object: kind, patch or not, ids, annotations for us."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RELEASE_TYPE = "kubernetes:helm.sh/v3:Release"

OUR_ANNOTATIONS = "pulumi.com/"
"""What annotations begin with that tell the plugin something."""
SKIP_AWAIT = "pulumi.com/skipAwait"
TIMEOUT_SECONDS = "pulumi.com/timeoutSeconds"
PATCH_FORCE = "pulumi.com/patchForce"
PATCH_FIELD_MANAGER = "pulumi.com/patchFieldManager"
DELETION_PROPAGATION_POLICY = "pulumi.com/deletionPropagationPolicy"
AUTONAMED = "pulumi.com/autonamed"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

MANAGER_PREFIX = "sophia-infra"


@dataclass(frozen=True, slots=True)
class ObjectType:
    """The kind that a Pulumi type stands for. `is_patch`: only some fields of an object owned by others."""

    api_version: str
    kind: str
    is_patch: bool = False


def object_type(pulumi_type: str, inputs: Mapping[str, Any]) -> ObjectType:
    """Read `kubernetes:apps/v1:Deployment`; apiVersion and kind of the inputs win where they are given.

    A type ending in Patch is a patch unless the inputs say that Patch belongs to the kind's own name.
    """
    _, _, rest = pulumi_type.partition(":")
    group_version, _, token_kind = rest.rpartition(":")
    api_version = group_version.removeprefix("core/")
    kind = inputs.get("kind") or token_kind.removesuffix("Patch") or token_kind
    is_patch = token_kind == f"{kind}Patch"
    return ObjectType(str(inputs.get("apiVersion") or api_version), str(kind), is_patch)


def group_of(api_version: str) -> str:
    """`apps/v1` -> apps, `v1` -> empty."""
    group, slash, _ = api_version.partition("/")
    return group if slash else ""


def object_id(body: Mapping[str, Any]) -> str:
    """The Pulumi id: `namespace/name`, or `name` for what lies in no namespace."""
    metadata = body["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def split_id(id_: str) -> tuple[str | None, str]:
    """Namespace (or None) and name of a Pulumi id."""
    namespace, slash, name = id_.rpartition("/")
    return (namespace, name) if slash else (None, name)


def annotation(body: Mapping[str, Any], key: str) -> str | None:
    """An annotation's text; None when it is absent or not known yet."""
    metadata = body.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    value = annotations.get(key) if isinstance(annotations, dict) else None
    return value if isinstance(value, str) else None


def is_set(body: Mapping[str, Any], key: str) -> bool:
    """Whether an annotation says true."""
    return (annotation(body, key) or "").lower() == "true"


def field_manager(urn: str, body: Mapping[str, Any]) -> str:
    """The name under which the server remembers our fields.

    The same in every run for the same resource of the same stack and for no other: so an interrupted run
    finds its object again, and never takes one of another stack.
    """
    chosen = annotation(body, PATCH_FIELD_MANAGER)
    if chosen:
        return chosen
    return f"{MANAGER_PREFIX}-{hashlib.sha256(urn.encode()).hexdigest()[:10]}"
