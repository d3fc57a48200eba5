"""What a container gets when it asks for nothing: a little CPU and memory, never a GPU."""

from __future__ import annotations

from sophia_infra.manifests.namespaces import namespace_manifest_name, own_namespaces
from sophia_infra.manifests.objects import Manifest, build_metadata
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig, Placement

__all__ = ["LIMIT_RANGE", "limit_ranges"]

LIMIT_RANGE = "container-defaults"


def limit_ranges(kube: KubernetesConfig, placement: Placement, cluster: Cluster) -> list[Manifest]:
    """Defaults for every namespace of ours. Our own pods state theirs; this catches what others create there,
    which a quota on CPU or memory would else refuse."""
    limit = {
        "type": "Container",
        "defaultRequest": {"cpu": "100m", "memory": "128Mi"},
        "default": {"cpu": "500m", "memory": "512Mi"},
    }
    return [
        Manifest(
            f"{cluster.name}-{namespace}-{LIMIT_RANGE}",
            {
                "apiVersion": "v1",
                "kind": "LimitRange",
                "metadata": build_metadata(LIMIT_RANGE, namespace),
                "spec": {"limits": [limit]},
            },
            (namespace_manifest_name(cluster, namespace),),
        )
        for namespace in own_namespaces(kube, placement, cluster)
    ]
