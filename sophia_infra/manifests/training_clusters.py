"""Kueue's side of a training cluster whose machines join: a queue of its own, on nodes of its own.

The quota is what the cluster may launch, not what is there: its machines join when its run begins, and a job
that waits for its nodes has been let in by then. Services never land on them: they ask for another label.
"""

from __future__ import annotations

from typing import Any

from sophia_infra.manifests.names import ARM64_TAINT, GPU_LABEL, GPU_RESOURCE, NAMESPACE_LABEL
from sophia_infra.manifests.objects import Manifest, build_metadata, names_of
from sophia_infra.manifests.tolerations import GPU_TOLERATION
from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.kubernetes.services import TrainingConfig
from sophia_infra.model.training import TRAINING_NODE_LABEL, ClusterConfig, training_gpu_label

__all__ = ["training_cluster_objects"]

_API = "kueue.x-k8s.io/v1beta2"


def training_cluster_objects(
    name: str, config: ClusterConfig, training: TrainingConfig, cluster: str
) -> list[Manifest]:
    """ResourceFlavors (one for each type), a ClusterQueue and a LocalQueue; Kueue has to be there before.

    Args:
        name: of the training cluster; its LocalQueue is called so.
        training: `sophia:kubernetes.training`, whose namespace the jobs are in.
        cluster: name of the Kubernetes cluster.
    """
    flavors = {instance_type: _flavor(name, instance_type, cluster) for instance_type in config.types}
    queue = Manifest(
        f"{cluster}-training-{name}-queue",
        {
            "apiVersion": _API,
            "kind": "ClusterQueue",
            "metadata": build_metadata(f"training-{name}"),
            "spec": {
                "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: training.namespace}},
                "queueingStrategy": "BestEffortFIFO",
                "resourceGroups": [
                    {
                        "coveredResources": ["cpu", "memory", GPU_RESOURCE],
                        "flavors": [_quota(name, one, config.max_nodes) for one in config.types],
                    }
                ],
            },
        },
        names_of(*flavors.values()),
    )
    local = Manifest(
        f"{cluster}-training-{name}-local-queue",
        {
            "apiVersion": _API,
            "kind": "LocalQueue",
            "metadata": build_metadata(name, training.namespace),
            "spec": {"clusterQueue": f"training-{name}"},
        },
        (queue.name,),
    )
    return [*flavors.values(), queue, local]


def _flavor_name(name: str, instance_type: str) -> str:
    return f"training-{name}-{instance_type.replace('_', '-')}"


def _flavor(name: str, instance_type: str, cluster: str) -> Manifest:
    row = CATALOGUE[instance_type]
    labels = {TRAINING_NODE_LABEL: name}
    if row.gpu_model:
        labels[GPU_LABEL] = training_gpu_label(row.gpu_model)
    spec: dict[str, Any] = {"nodeLabels": labels, "tolerations": [GPU_TOLERATION]}
    if row.architecture == "arm64":
        spec["nodeTaints"] = [dict(ARM64_TAINT)]
    flavor = _flavor_name(name, instance_type)
    body = {
        "apiVersion": _API,
        "kind": "ResourceFlavor",
        "metadata": build_metadata(flavor),
        "spec": spec,
    }
    return Manifest(f"{cluster}-{flavor}", body)


def _quota(name: str, instance_type: str, nodes: int) -> dict[str, Any]:
    row = CATALOGUE[instance_type]
    quotas = {
        "cpu": str(row.vcpus * nodes),
        "memory": f"{row.memory_gib * nodes}Gi",
        GPU_RESOURCE: str(row.gpu_count * nodes),
    }
    return {
        "name": _flavor_name(name, instance_type),
        "resources": [{"name": resource, "nominalQuota": quota} for resource, quota in quotas.items()],
    }
