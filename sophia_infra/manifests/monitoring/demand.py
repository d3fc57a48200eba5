"""How much one cluster's Prometheus has to keep, counted from what is placed there."""

from __future__ import annotations

from collections import Counter

from sophia_infra.manifests.monitoring.watched import Watched
from sophia_infra.model.kubernetes import bytes_of
from sophia_infra.monitoring.rule import Recording
from sophia_infra.monitoring.sizing import GIB, Demand, Size, size_for

__all__ = ["demand_of", "size_of"]

_SERIES_PER_RECORDING = 8
"""A recording rule makes a series for each service, node or GPU that it is about."""
_PLATFORM_PODS_PER_NODE = 8
"""kube-system, GPU Operator, node-exporter and agents."""


def demand_of(watched: Watched) -> Demand:
    """Targets at the most that autoscalers may make of them."""
    kube, placement, cluster = watched.kube, watched.placement, watched.cluster
    targets: Counter[str] = Counter()
    for name, row in kube.enabled_workloads().items():
        if placement.workload_cluster.get(name) == cluster.name:
            pods = placement.max_replicas[name]
            targets["pod"] += pods
            targets["route"] += row.ingress is not None
            if row.metrics_family != "none":
                targets[row.metrics_family] += pods
    for name, store in kube.enabled_databases().items():
        if placement.database_cluster.get(name) == cluster.name:
            targets["pod"] += store.replicas + store.sentinels
            targets[store.kind] += store.replicas
    # An existing cluster's nodes may be unknown; the machines of the fleet are what it was made of.
    nodes = max(1, len(cluster.nodes))
    targets["node"] += nodes
    targets["pod"] += _PLATFORM_PODS_PER_NODE * nodes
    targets["gpu"] += sum(node.gpu_count for node in cluster.nodes)
    targets["control_plane"] += 1
    targets["self"] += 1
    if watched.exporter_settings is not None:
        targets["machine"] += len(watched.exporter_settings["machines"])
    recordings = sum(isinstance(rule, Recording) for group in watched.rules for rule in group.rules)
    config = watched.terms.config
    return Demand(
        targets=dict(targets),
        recorded_series=_SERIES_PER_RECORDING * recordings,
        scrape_s=config.scrape_s,
        evaluation_s=config.scrape_s,
        retention_days=config.retention_days,
    )


def size_of(watched: Watched) -> Size:
    """Disk and memory; the disk is that of the configuration where it names one."""
    size = size_for(demand_of(watched))
    stated = watched.terms.config.storage
    if stated is None:
        return size
    return Size(claim_gib=max(1, bytes_of(stated) // GIB), memory_mib=size.memory_mib)
