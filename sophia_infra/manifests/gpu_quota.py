"""GPU quotas derived from the inventory: each namespace gets what its services may use, training the rest."""

from __future__ import annotations

from typing import Any

from sophia_infra.manifests.names import GPU_RESOURCE
from sophia_infra.manifests.namespaces import namespace_manifest_name, own_namespaces, training_here
from sophia_infra.manifests.objects import Manifest, build_metadata
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig, NamespaceConfig, Placement

__all__ = ["COMPUTE_QUOTA", "GPU_QUOTA", "free_places", "gpu_places_by_namespace", "gpu_quota"]

GPU_QUOTA = "gpu-quota"
COMPUTE_QUOTA = "compute-quota"


def free_places(placement: Placement, cluster: Cluster) -> dict[str, int]:
    """GPU model -> places that no service reserves, in the order of the cluster's nodes."""
    models = dict.fromkeys(node.gpu_model for node in cluster.nodes if node.gpu_model is not None)
    return {
        model: placement.gpu_places.get((cluster.name, model), 0)
        - placement.gpu_reserved.get((cluster.name, model), 0)
        for model in models
    }


def gpu_places_by_namespace(kube: KubernetesConfig, placement: Placement, cluster: Cluster) -> dict[str, int]:
    """Namespace -> GPU places it may request; in all at most what the cluster has or may get."""
    places = dict.fromkeys(own_namespaces(kube, placement, cluster), 0)
    for name, row in kube.enabled_workloads().items():
        if row.gpu is not None and placement.workload_cluster.get(name) == cluster.name:
            places[row.namespace] += row.gpu.count * placement.max_replicas[name]
    if kube.training is not None and training_here(kube, cluster):
        places[kube.training.namespace] += sum(free_places(placement, cluster).values())
    return places


def gpu_quota(kube: KubernetesConfig, placement: Placement, cluster: Cluster) -> list[Manifest]:
    """Quotas of every namespace of ours: GPUs always, CPU, memory and pods where the configuration asks.

    A namespace without GPU services gets a quota of 0, so a GPU is never taken by accident. Only
    `requests.nvidia.com/gpu` counts; the API server takes a key `limits.nvidia.com/gpu` and never counts it.
    """
    gpus = gpu_places_by_namespace(kube, placement, cluster)
    made = []
    for namespace, config in own_namespaces(kube, placement, cluster).items():
        hard = {f"requests.{GPU_RESOURCE}": str(gpus[namespace])}
        made.append(_quota(cluster, namespace, GPU_QUOTA, hard))
        compute = _compute(config)
        if compute:
            made.append(_quota(cluster, namespace, COMPUTE_QUOTA, compute))
    return made


def _compute(config: NamespaceConfig) -> dict[str, str]:
    hard = {
        "requests.cpu": config.cpu,
        "requests.memory": config.memory,
        "pods": None if config.max_pods is None else str(config.max_pods),
    }
    return {key: value for key, value in hard.items() if value is not None}


def _quota(cluster: Cluster, namespace: str, name: str, hard: dict[str, str]) -> Manifest:
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": build_metadata(name, namespace),
        "spec": {"hard": hard},
    }
    after = (namespace_manifest_name(cluster, namespace),)
    return Manifest(f"{cluster.name}-{namespace}-{name}", body, after)
