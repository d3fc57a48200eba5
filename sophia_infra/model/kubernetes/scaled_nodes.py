"""Nodes that the scaler may add: rooms to grow into, never rooms for what is promised. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.kubernetes.clusters import CLUSTER_PREFIX, places_of_one_gpu
from sophia_infra.model.kubernetes.nodes import Cluster, Node

if TYPE_CHECKING:
    from sophia_infra.model.kubernetes.config import KubernetesConfig
    from sophia_infra.model.scaler import ScalerConfig, ScalerPool

__all__ = ["scaled_nodes"]


def scaled_nodes(
    scaler: ScalerConfig | None, clusters: Mapping[str, Cluster], kube: KubernetesConfig
) -> dict[str, tuple[Node, ...]]:
    """Name of the cluster -> the nodes that its pools may have at most, of each pool's first type.

    A pool over several regional clusters counts in each of them. All pools together may never have that many
    (`max_instances`, `max_gpus`, budget): the scaler sees to it, and a pod too many waits.
    """
    if scaler is None:
        return {}
    found: dict[str, list[Node]] = {name: [] for name in clusters}
    for name, pool in scaler.pools.items():
        gpus = max(CATALOGUE[pool.type].gpu_count, 1)
        most = min(pool.max, scaler.max_instances, scaler.max_gpus.get(pool.type, pool.max * gpus) // gpus)
        for cluster, region in _clusters_of(pool, clusters).items():
            found[cluster] += [_node(f"{name}-{at}", pool, region, cluster, kube) for at in range(most)]
    return {name: tuple(nodes) for name, nodes in found.items()}


def _clusters_of(pool: ScalerPool, clusters: Mapping[str, Cluster]) -> dict[str, str]:
    """Name of each cluster that the pool's machines may join -> the first region of it."""
    joined: dict[str, str] = {}
    for region in pool.regions:
        for name in (CLUSTER_PREFIX, f"{CLUSTER_PREFIX}-{region}"):
            if name in clusters:
                joined.setdefault(name, region)
    return joined


def _node(name: str, pool: ScalerPool, region: str, cluster: str, kube: KubernetesConfig) -> Node:
    row = CATALOGUE[pool.type]
    return Node(
        name=name,
        machine="",
        instance_type=row.name,
        gpu_model=row.gpu_model,
        gpu_count=row.gpu_count,
        places=row.gpu_count * places_of_one_gpu(row.name, kube),
        architecture=row.architecture,
        region=region,
        cluster=cluster,
        roles=(),
        is_server=False,
        vcpus=row.vcpus,
        memory_gib=row.memory_gib,
        labels=MappingProxyType({}),
    )
