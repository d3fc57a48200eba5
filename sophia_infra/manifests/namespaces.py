"""Namespaces with Pod Security levels, and the purposes that admission policies and quotas go by."""

from __future__ import annotations

from sophia_infra.manifests.names import (
    ADAPTER_NAMESPACE,
    EXTERNAL_SECRETS_NAMESPACE,
    GPU_OPERATOR_NAMESPACE,
    KEDA_NAMESPACE,
    KUEUE_NAMESPACE,
    MONITORING_NAMESPACE,
    PURPOSE_LABEL,
    SCALING_NAMESPACE,
)
from sophia_infra.manifests.objects import Manifest, build_metadata
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig, NamespaceConfig, Placement

__all__ = [
    "adapter_here",
    "gpu_operator_namespace",
    "namespace_manifest_name",
    "namespaces",
    "own_namespaces",
    "scaling_here",
    "training_here",
]


def training_here(kube: KubernetesConfig, cluster: Cluster) -> bool:
    """Whether the training queue exists in this cluster: it is asked for, and there are GPUs to queue for."""
    return kube.training is not None and any(node.places for node in cluster.nodes)


def adapter_here(kube: KubernetesConfig, placement: Placement, cluster: Cluster) -> bool:
    """Whether prometheus-adapter exists in this cluster: by order, or because an autoscaler here needs it."""
    stated = kube.autoscaling.adapter.enabled
    if stated is not None:
        return stated
    return kube.monitoring is not None and any(
        kube.autoscaling.asks_adapter(row.autoscale)
        for name, row in kube.enabled_workloads().items()
        if placement.workload_cluster.get(name) == cluster.name
    )


def scaling_here(kube: KubernetesConfig, placement: Placement, cluster: Cluster) -> bool:
    """Whether forecaster or node scaler run in this cluster: in the primary one, where they are on."""
    return (kube.forecaster.enabled or kube.scaler.enabled) and cluster.name == placement.primary


def own_namespaces(
    kube: KubernetesConfig, placement: Placement, cluster: Cluster
) -> dict[str, NamespaceConfig]:
    """Namespaces of workloads, databases and training in this cluster, by name; operators are not among them.

    The primary cluster has every configured namespace; others only those that something is placed in.
    """
    used = [
        row.namespace
        for name, row in kube.enabled_workloads().items()
        if placement.workload_cluster.get(name) == cluster.name
    ]
    used += [
        row.namespace
        for name, row in kube.enabled_databases().items()
        if placement.database_cluster.get(name) == cluster.name
    ]
    if cluster.name == placement.primary:
        used = [*kube.namespaces, *used]
    if kube.training is not None and training_here(kube, cluster):
        used.append(kube.training.namespace)
    return {name: kube.namespaces.get(name, NamespaceConfig()) for name in dict.fromkeys(used)}


def namespace_manifest_name(cluster: Cluster, namespace: str) -> str:
    """Logical name of a namespace, for `after`."""
    return f"{cluster.name}-namespace-{namespace}"


def gpu_operator_namespace(kube: KubernetesConfig, cluster: Cluster) -> list[Manifest]:
    """The operator's namespace; privileged, because it loads modules and configures containerd."""
    if not kube.gpu_operator.enabled or not _has_gpus(kube, cluster):
        return []
    return [_namespace(cluster, GPU_OPERATOR_NAMESPACE, "privileged", "platform")]


def namespaces(kube: KubernetesConfig, placement: Placement, cluster: Cluster) -> list[Manifest]:
    """Every namespace but the GPU Operator's, which is there a phase earlier."""
    made = []
    if kube.secrets is not None:
        made.append(_namespace(cluster, EXTERNAL_SECRETS_NAMESPACE, "restricted", "platform"))
    if training_here(kube, cluster):
        made.append(_namespace(cluster, KUEUE_NAMESPACE, "restricted", "platform"))
    if kube.autoscaling.keda.enabled:
        made.append(_namespace(cluster, KEDA_NAMESPACE, "restricted", "platform"))
    if adapter_here(kube, placement, cluster):
        made.append(_namespace(cluster, ADAPTER_NAMESPACE, "restricted", "platform"))
    if kube.monitoring is not None:
        # node-exporter reads the node: its network, its processes and its file systems.
        made.append(_namespace(cluster, MONITORING_NAMESPACE, "privileged", "platform"))
    if scaling_here(kube, placement, cluster):
        made.append(_namespace(cluster, SCALING_NAMESPACE, "restricted", "platform"))
    training = kube.training.namespace if kube.training is not None else None
    for name, config in own_namespaces(kube, placement, cluster).items():
        purpose = "training" if name == training else "workloads"
        made.append(_namespace(cluster, name, config.pod_security, purpose))
    return made


def _has_gpus(kube: KubernetesConfig, cluster: Cluster) -> bool:
    """Whether a node has a GPU; where no node is known, whether a workload asks for one."""
    if not cluster.nodes:
        return any(row.gpu is not None for row in kube.enabled_workloads().values())
    return any(node.gpu_count for node in cluster.nodes)


def _namespace(cluster: Cluster, name: str, level: str, purpose: str) -> Manifest:
    # Audit and warn say what `restricted` would refuse where less is enforced.
    strictest = level if level == "privileged" else "restricted"
    labels = {
        PURPOSE_LABEL: purpose,
        "pod-security.kubernetes.io/enforce": level,
        "pod-security.kubernetes.io/audit": strictest,
        "pod-security.kubernetes.io/warn": strictest,
    }
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": build_metadata(name, labels=labels)}
    return Manifest(namespace_manifest_name(cluster, name), body)
