"""Fields that a server does not let change: a change of one replaces the object. Data, and one function.

From the update validation of Kubernetes 1.36. What is not in the table is found by a dry run that says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sophia_infra.kubernetes_plugin.errors import ApiRefused
from sophia_infra.kubernetes_plugin.tokens import ObjectType, group_of
from sophia_infra.plugin_protocol.changes import Route

_ANY_OBJECT = ("kind", "metadata.name", "metadata.namespace")

_IMMUTABLE: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("apps", "DaemonSet"): ("spec.selector",),
    ("apps", "Deployment"): ("spec.selector",),
    ("apps", "ReplicaSet"): ("spec.selector",),
    ("apps", "StatefulSet"): (
        "spec.selector",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
        "spec.podManagementPolicy",
    ),
    ("batch", "Job"): ("spec.selector", "spec.template", "spec.completionMode", "spec.manualSelector"),
    ("", "Service"): ("spec.clusterIP",),
    ("", "PersistentVolumeClaim"): (
        "spec.accessModes",
        "spec.dataSource",
        "spec.dataSourceRef",
        "spec.selector",
        "spec.storageClassName",
        "spec.volumeMode",
        "spec.volumeName",
    ),
    ("", "Secret"): ("type",),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): ("spec.group", "spec.names.kind", "spec.scope"),
    ("networking.k8s.io", "IngressClass"): ("spec.controller",),
    ("node.k8s.io", "RuntimeClass"): ("handler",),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("scheduling.k8s.io", "PriorityClass"): ("value", "preemptionPolicy"),
    ("storage.k8s.io", "StorageClass"): (
        "provisioner",
        "parameters",
        "reclaimPolicy",
        "volumeBindingMode",
    ),
}

_DATA = ("data", "binaryData", "stringData")

_SAYS_IMMUTABLE = (
    "immutable",
    "may not be changed",
    "may not change fields",
    "updates to statefulset spec for fields other than",
    "updates to parameters are forbidden",
    "forbidden after creation",
    "cannot be changed",
)


def immutable_fields(of: ObjectType, old: Mapping[str, Any], *, mutable_data: bool) -> tuple[str, ...]:
    """Dotted paths whose change replaces an object of this kind.

    Args:
        old: inputs of the object that is there; one that says `immutable: true` is taken at its word.
        mutable_data: whether data of ConfigMaps and Secrets is changed in place.
    """
    fields = _ANY_OBJECT + _IMMUTABLE.get((group_of(of.api_version), of.kind), ())
    if of.api_version == "v1" and of.kind in ("ConfigMap", "Secret"):
        if old.get("immutable") is True:
            fields += (*_DATA, "immutable")
        elif not mutable_data:
            fields += _DATA
    return fields


def touches(route: Route, fields: Iterable[str]) -> bool:
    """Whether a change at `route` is a change of one of `fields`: at it, below it, or of all above it."""
    keys = tuple(part for part in route if isinstance(part, str))
    for field in fields:
        parts = tuple(field.split("."))
        shorter = min(len(keys), len(parts))
        if keys[:shorter] == parts[:shorter]:
            return True
    return False


def immutable_by_server(refused: ApiRefused) -> tuple[str, ...] | None:
    """The fields that a refusal calls immutable; () for none named, None when it says nothing like that."""
    causes = [cause for cause in refused.causes if _says_immutable(str(cause.get("message", "")))]
    if refused.code != 422 or not (causes or _says_immutable(refused.message)):
        return None
    fields = (str(cause.get("field") or "").partition("[")[0] for cause in causes)
    return tuple(field for field in fields if field and field != "<nil>")


def _says_immutable(message: str) -> bool:
    lowered = message.lower()
    return any(part in lowered for part in _SAYS_IMMUTABLE)
