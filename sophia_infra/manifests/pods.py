"""What every pod of ours has, whatever it runs: identity, security, placement, scratch space.

All of it passes Pod Security `restricted`. The root filesystem is read-only, so /tmp is a volume.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sophia_infra.manifests.names import (
    ARCH_LABEL,
    ARCHITECTURES_ANNOTATION,
    COMMON_LABELS,
    CONFIG_CHECKSUM_ANNOTATION,
    GPU_LABEL,
    NAME_LABEL,
    SECRET_CHECKSUM_ANNOTATION,
    gpu_label_value,
)
from sophia_infra.manifests.objects import Manifest, build_metadata
from sophia_infra.manifests.tolerations import pod_tolerations
from sophia_infra.model.kubernetes import GpuRequest

__all__ = [
    "CONTAINER_SECURITY",
    "TMP_MOUNT",
    "TMP_VOLUME",
    "PodIdentity",
    "build_pod_template",
    "pod_labels",
    "scratch_volume",
    "selector_labels",
    "service_account",
    "spread",
]

CONTAINER_SECURITY: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
}
TMP_VOLUME: dict[str, Any] = {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}
TMP_MOUNT = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - the mount point inside a container


@dataclass(frozen=True, slots=True)
class PodIdentity:
    """Who a pod is, and where it may run.

    Attributes:
        name: value of the label by which Services, budgets and network policies find it.
        account: name of its ServiceAccount.
        checksum: of its secrets, so that a rotation restarts it; None without secrets.
        config_checksum: of its configuration files, likewise.
    """

    name: str
    account: str
    team: str
    user_id: int
    architectures: Sequence[str]
    priority: str
    grace_s: int
    gpu: GpuRequest | None = None
    checksum: str | None = None
    config_checksum: str | None = None


def selector_labels(name: str) -> dict[str, str]:
    """The labels that select the pods of `name`. Immutable in a Deployment, so there is only one."""
    return {NAME_LABEL: name}


def pod_labels(identity: PodIdentity) -> dict[str, str]:
    """Labels of the pods; `team` is what cost is split by."""
    part_of = "app.kubernetes.io/part-of"
    return {**selector_labels(identity.name), part_of: COMMON_LABELS[part_of], "team": identity.team}


def build_pod_template(
    identity: PodIdentity,
    containers: Sequence[Mapping[str, Any]],
    volumes: Sequence[Mapping[str, Any]],
    **further: Any,
) -> dict[str, Any]:
    """A pod template. `further` are more keys of its spec, for example restartPolicy."""
    annotations = {ARCHITECTURES_ANNOTATION: ",".join(identity.architectures)}
    if identity.checksum is not None:
        annotations[SECRET_CHECKSUM_ANNOTATION] = identity.checksum
    if identity.config_checksum is not None:
        annotations[CONFIG_CHECKSUM_ANNOTATION] = identity.config_checksum
    spec: dict[str, Any] = {
        "serviceAccountName": identity.account,
        "automountServiceAccountToken": False,
        # Variables named after every Service of the namespace tell a pod more than it needs, and clash with
        # settings such as REDIS_PORT.
        "enableServiceLinks": False,
        "priorityClassName": identity.priority,
        "terminationGracePeriodSeconds": identity.grace_s,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": identity.user_id,
            "runAsGroup": identity.user_id,
            "fsGroup": identity.user_id,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "affinity": _architecture_affinity(identity.architectures),
        "containers": [dict(container) for container in containers],
        "volumes": [dict(volume) for volume in volumes],
        **further,
    }
    if identity.gpu is not None:
        spec["nodeSelector"] = {GPU_LABEL: gpu_label_value(identity.gpu.model)}
    tolerations = pod_tolerations(identity.gpu)
    if tolerations:
        spec["tolerations"] = tolerations
    return {"metadata": {"labels": pod_labels(identity), "annotations": annotations}, "spec": spec}


def _architecture_affinity(architectures: Sequence[str]) -> dict[str, Any]:
    expression = {"key": ARCH_LABEL, "operator": "In", "values": list(architectures)}
    terms = [{"matchExpressions": [expression]}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


def spread(name: str, *, by_revision: bool) -> list[dict[str, Any]]:
    """Replicas go to different nodes where they can. Not a demand: one node of a GPU model is common.

    Args:
        by_revision: count only pods of the same revision, so that those on their way out do not weigh.
    """
    constraint: dict[str, Any] = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector_labels(name)},
    }
    if by_revision:
        constraint["matchLabelKeys"] = ["pod-template-hash"]
    return [constraint]


def scratch_volume(name: str, size: str, *, in_memory: bool = False) -> dict[str, Any]:
    """An emptyDir that ends its pod when it grows beyond `size`. What is in memory counts as the pod's."""
    medium = {"medium": "Memory"} if in_memory else {}
    return {"name": name, "emptyDir": {**medium, "sizeLimit": size}}


def service_account(name: str, namespace: str, after: tuple[str, ...]) -> Manifest:
    """An account of its own whose token no pod gets unasked: almost none of ours asks the API server."""
    body = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": build_metadata(name, namespace),
        "automountServiceAccountToken": False,
    }
    return Manifest(f"{name}-account", body, after)
