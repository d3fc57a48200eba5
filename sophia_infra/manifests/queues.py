"""Training queues on Kueue: one flavor for each GPU model, with the places that services leave over.

A ResourceQuota counts GPUs and cannot tell an A100 from an A10; a flavor can, by the node label of the model.
"""

from __future__ import annotations

from typing import Any

from sophia_infra.manifests.gpu_quota import free_places
from sophia_infra.manifests.names import (
    ARM64_TAINT,
    GPU_LABEL,
    GPU_RESOURCE,
    KUEUE_NAMESPACE,
    NAMESPACE_LABEL,
    gpu_label_value,
)
from sophia_infra.manifests.namespaces import namespace_manifest_name, training_here
from sophia_infra.manifests.objects import ChartRelease, Item, Manifest, build_metadata, names_of
from sophia_infra.manifests.tolerations import ARM64_TOLERATION, GPU_TOLERATION
from sophia_infra.model.kubernetes import ARM64_GPU_MODELS, Cluster, KubernetesConfig, Placement

__all__ = ["CLUSTER_QUEUE", "training_queues"]

CLUSTER_QUEUE = "sophia-training"
_API = "kueue.x-k8s.io/v1beta2"


def training_queues(kube: KubernetesConfig, placement: Placement, cluster: Cluster) -> list[Item]:
    """Kueue's release, then ResourceFlavors, a ClusterQueue and a LocalQueue; nothing without training."""
    if kube.training is None or not training_here(kube, cluster):
        return []
    release = ChartRelease(
        name=f"{cluster.name}-kueue",
        release="kueue",
        chart="kueue",
        namespace=KUEUE_NAMESPACE,
        values={"controllerManager": {"tolerations": [ARM64_TOLERATION]}},
        version=kube.training.version,
        after=(namespace_manifest_name(cluster, KUEUE_NAMESPACE),),
    )
    free = free_places(placement, cluster)
    flavors = [_flavor(cluster, model, release) for model in free]
    queue = _cluster_queue(kube.training.namespace, placement, cluster, free, names_of(*flavors))
    namespace = kube.training.namespace
    local = Manifest(
        f"{cluster.name}-local-queue",
        {
            "apiVersion": _API,
            "kind": "LocalQueue",
            "metadata": build_metadata(kube.training.queue, namespace),
            "spec": {"clusterQueue": CLUSTER_QUEUE},
        },
        (queue.name, namespace_manifest_name(cluster, namespace)),
    )
    return [release, *flavors, queue, local]


def _flavor(cluster: Cluster, model: str, release: ChartRelease) -> Manifest:
    spec: dict[str, Any] = {
        "nodeLabels": {GPU_LABEL: gpu_label_value(model)},
        "tolerations": [GPU_TOLERATION],
    }
    if model in ARM64_GPU_MODELS:
        # A taint of the flavor, not a toleration: a job gets it only if it says itself that it runs on arm64.
        spec["nodeTaints"] = [dict(ARM64_TAINT)]
    body = {
        "apiVersion": _API,
        "kind": "ResourceFlavor",
        "metadata": build_metadata(gpu_label_value(model)),
        "spec": spec,
    }
    return Manifest(f"{cluster.name}-flavor-{gpu_label_value(model)}", body, (release.name,))


def _cluster_queue(
    namespace: str, placement: Placement, cluster: Cluster, free: dict[str, int], after: tuple[str, ...]
) -> Manifest:
    group = {
        "coveredResources": ["cpu", "memory", GPU_RESOURCE],
        "flavors": [_flavor_quota(placement, cluster, model, places) for model, places in free.items()],
    }
    body = {
        "apiVersion": _API,
        "kind": "ClusterQueue",
        "metadata": build_metadata(CLUSTER_QUEUE),
        "spec": {
            "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: namespace}},
            "queueingStrategy": "BestEffortFIFO",
            "preemption": {"withinClusterQueue": "LowerPriority"},
            "resourceGroups": [group],
        },
    }
    return Manifest(f"{cluster.name}-cluster-queue", body, after)


def _flavor_quota(placement: Placement, cluster: Cluster, model: str, places: int) -> dict[str, Any]:
    """Kueue admits nothing that it does not cover, so CPU and memory are granted with the GPUs.

    They are the share of the model's machines that the free places are of all places, whole cores and GiB.
    """
    nodes = [node for node in cluster.nodes if node.gpu_model == model]
    total = placement.gpu_places.get((cluster.name, model), 0)
    cores = sum(node.vcpus for node in nodes) * places // total if total else 0
    memory_gib = sum(node.memory_gib for node in nodes) * places // total if total else 0
    quotas = {
        "cpu": str(cores),
        "memory": f"{memory_gib}Gi" if memory_gib else "0",
        GPU_RESOURCE: str(places),
    }
    return {
        "name": gpu_label_value(model),
        "resources": [{"name": name, "nominalQuota": quota} for name, quota in quotas.items()],
    }
