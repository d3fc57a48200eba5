"""Labels that nodes get after they have joined: roles, and how their GPUs are shared.

The kubelet may set labels only when it registers. These can change while the node runs, so they are a patch
under a field manager of their own, and taking the patch away gives the labels back.
"""

from __future__ import annotations

from sophia_infra.manifests.gpu_operator import sharing_config_name, sharing_of
from sophia_infra.manifests.names import FIELD_MANAGER, ROLE_LABEL_PREFIX
from sophia_infra.manifests.objects import Manifest
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig, Node

__all__ = ["DEVICE_PLUGIN_LABEL", "FORCE_ANNOTATION", "MANAGER_ANNOTATION", "MIG_LABEL", "node_labels"]

DEVICE_PLUGIN_LABEL = "nvidia.com/device-plugin.config"
MIG_LABEL = "nvidia.com/mig.config"
MANAGER_ANNOTATION = "pulumi.com/patchFieldManager"
FORCE_ANNOTATION = "pulumi.com/patchForce"
"""Both are read by the Kubernetes provider."""


def node_labels(kube: KubernetesConfig, cluster: Cluster) -> list[Manifest]:
    """One patch for each node.

    A node has one even without labels: they are then taken away by a change of the patch, and the patch goes
    only with its machine. An existing cluster's nodes did not join through this program, so they get the
    labels of joining too.
    """
    patches = []
    for node in cluster.nodes:
        labels = {f"{ROLE_LABEL_PREFIX}{role}": "true" for role in node.roles}
        labels |= _sharing_labels(kube, cluster, node)
        if kube.cluster == "existing":
            labels |= node.labels
        patches.append(_patch(node, labels))
    return patches


def _sharing_labels(kube: KubernetesConfig, cluster: Cluster, node: Node) -> dict[str, str]:
    if node.gpu_model is None or not kube.gpu_operator.enabled:
        return {}
    way = sharing_of(kube, cluster).get(node.gpu_model)
    if way is None:
        return {}
    if way.mig is not None:
        return {MIG_LABEL: way.mig}
    return {DEVICE_PLUGIN_LABEL: sharing_config_name(node.gpu_model, way)}


def _patch(node: Node, labels: dict[str, str]) -> Manifest:
    # The provider sends its annotations to the node, so a second patch of one node with another manager would
    # fight over them: there is one. It is forced, because the operator sets a default `mig.config` itself.
    metadata = {
        "name": node.name,
        "labels": labels,
        "annotations": {MANAGER_ANNOTATION: f"{FIELD_MANAGER}-node-labels", FORCE_ANNOTATION: "true"},
    }
    return Manifest(
        f"{node.machine}-labels", {"apiVersion": "v1", "kind": "Node", "metadata": metadata}, is_patch=True
    )
