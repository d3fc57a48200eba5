"""From the fleet to clusters of nodes: who joins which, who serves, what each GPU offers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.kubernetes.gpus import mig_slices
from sophia_infra.model.kubernetes.nodes import LABEL_PREFIX, Cluster, Node, node_name
from sophia_infra.model.price_book import PriceBook

if TYPE_CHECKING:
    from sophia_infra.model.instance import InstanceConfig
    from sophia_infra.model.kubernetes.config import KubernetesConfig

__all__ = ["CLUSTER_PREFIX", "build_clusters", "joinable", "places_of_one_gpu", "primary_of"]

CLUSTER_PREFIX = "sophia"


def joinable(fleet: Mapping[str, InstanceConfig], kube: KubernetesConfig) -> dict[str, InstanceConfig]:
    """The machines that are nodes. An adopted one booted long ago, so that cloud-init cannot join it."""
    return {
        name: machine
        for name, machine in fleet.items()
        if kube.cluster == "existing" or not machine.is_adopted
    }


def build_clusters(fleet: Mapping[str, InstanceConfig], kube: KubernetesConfig) -> dict[str, Cluster]:
    """Name -> cluster, in the order of the fleet; empty when no machine can be a node.

    An existing cluster has whatever nodes it has: those of the fleet are taken to be in it by their names.
    """
    machines = joinable(fleet, kube)
    members: dict[str, dict[str, InstanceConfig]] = {}
    for name, machine in machines.items():
        members.setdefault(_cluster_of(machine, kube), {})[name] = machine
    if kube.cluster == "existing":
        members.setdefault(CLUSTER_PREFIX, {})
    is_regional = kube.cluster == "joined" and kube.topology == "per_region"
    primary = _primary_name({name: len(group) for name, group in members.items()}, kube)
    found: dict[str, Cluster] = {}
    for name, group in members.items():
        server = "" if kube.cluster == "existing" else _server_of(group, kube, is_primary=name == primary)
        nodes = tuple(_node(own, machine, name, server, kube) for own, machine in group.items())
        region = next(iter(group.values())).region if is_regional else None
        found[name] = Cluster(name, region, nodes, server)
    return found


def primary_of(clusters: Mapping[str, Cluster], kube: KubernetesConfig) -> str:
    """Name of the cluster of databases and of workloads without GPU; "" when there is no cluster."""
    return _primary_name({name: len(cluster.nodes) for name, cluster in clusters.items()}, kube)


def places_of_one_gpu(instance_type: str, kube: KubernetesConfig) -> int:
    """What one GPU of `instance_type` offers as `nvidia.com/gpu`: 1, its shares, or its slices."""
    row = CATALOGUE[instance_type]
    sharing = kube.gpu_sharing.get(row.gpu_model or "")
    if sharing is None:
        return 1
    if sharing.mig is None:
        return sharing.time_slicing or 1
    return mig_slices(sharing.mig, row.gpu_model or "", row.gpu_memory_gib) or 1


def _cluster_of(machine: InstanceConfig, kube: KubernetesConfig) -> str:
    if kube.cluster == "existing" or kube.topology == "overlay":
        return CLUSTER_PREFIX
    return f"{CLUSTER_PREFIX}-{machine.region}"


def _primary_name(sizes: Mapping[str, int], kube: KubernetesConfig) -> str:
    wanted = f"{CLUSTER_PREFIX}-{kube.primary_region}"
    if wanted in sizes:
        return wanted
    return max(sizes, key=lambda name: sizes[name], default="")


def _server_of(group: Mapping[str, InstanceConfig], kube: KubernetesConfig, *, is_primary: bool) -> str:
    if is_primary and kube.server is not None and kube.server in group:
        return kube.server
    prices = PriceBook.fallback()
    fit = [name for name, machine in group.items() if machine.always_on and machine.architecture == "x86_64"]
    return min(fit, key=lambda name: prices.get(group[name].type), default=next(iter(group)))


def _node(name: str, machine: InstanceConfig, cluster: str, server: str, kube: KubernetesConfig) -> Node:
    row = CATALOGUE[machine.type]
    labels = {
        f"{LABEL_PREFIX}instance-type": row.name,
        f"{LABEL_PREFIX}region": machine.region,
        f"{LABEL_PREFIX}instance": name,
    }
    if row.gpu_model:
        labels[f"{LABEL_PREFIX}gpu"] = row.gpu_model.lower()
    return Node(
        name=name if kube.cluster == "existing" else node_name(name, machine.generation),
        machine=name,
        instance_type=row.name,
        gpu_model=row.gpu_model,
        gpu_count=row.gpu_count,
        places=row.gpu_count * places_of_one_gpu(row.name, kube),
        architecture=row.architecture,
        region=machine.region,
        cluster=cluster,
        roles=kube.node_roles.get(name, ()),
        is_server=name == server,
        vcpus=row.vcpus,
        memory_gib=row.memory_gib,
        labels=MappingProxyType(labels),
    )
