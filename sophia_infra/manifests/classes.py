"""PriorityClasses and the StorageClass: named by pods and claims, owned by the cluster."""

from __future__ import annotations

from sophia_infra.manifests.objects import Manifest, build_metadata
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig

__all__ = [
    "priority_class_manifest_name",
    "priority_classes",
    "storage_class_manifest_name",
    "storage_classes",
]

# Above 0, which pods without a class have (training jobs among them), and far below the system's 2 billion.
_PRIORITIES: dict[str, tuple[int, str, str]] = {
    "gpu-critical": (
        1_000_000,
        "PreemptLowerPriority",
        "Serves users from a GPU: takes its place from anything below.",
    ),
    "high": (100_000, "PreemptLowerPriority", "Databases and entry points: others wait for them."),
    "standard": (10_000, "Never", "Everything else: goes before jobs in the queue, and ends nobody's pod."),
}


def priority_class_manifest_name(cluster: Cluster, name: str) -> str:
    """Logical name of a PriorityClass, for `after`."""
    return f"{cluster.name}-priority-{name}"


def priority_classes(cluster: Cluster) -> list[Manifest]:
    """gpu-critical, high and standard. None is the default: pods that name none keep priority 0."""
    return [
        Manifest(
            priority_class_manifest_name(cluster, name),
            {
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": build_metadata(name),
                "value": value,
                "globalDefault": False,
                "preemptionPolicy": preemption,
                "description": description,
            },
        )
        for name, (value, preemption, description) in _PRIORITIES.items()
    ]


def storage_class_manifest_name(cluster: Cluster) -> str:
    """Logical name of the StorageClass, for `after`."""
    return f"{cluster.name}-storage-class"


def storage_classes(kube: KubernetesConfig, cluster: Cluster) -> list[Manifest]:
    """The StorageClass of claims that name none.

    A volume on a node's disk can only be made where its pod goes, so it waits for the first consumer.
    """
    config = kube.storage_class
    body = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": build_metadata(config.name),
        "provisioner": config.provisioner,
        "reclaimPolicy": config.reclaim,
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": False,
    }
    return [Manifest(storage_class_manifest_name(cluster), body)]
