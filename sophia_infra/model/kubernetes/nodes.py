"""Nodes, clusters, and where workloads go: what placement finds out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["LABEL_PREFIX", "Cluster", "Node", "Placement", "Unplaced"]

LABEL_PREFIX = "sophia.internal/"


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the fleet as a node of a cluster.

    Attributes:
        name: its name in sophia:fleet; also the node's.
        instance_type: API name, `gpu_1x_gh200`.
        gpu_model: `GH200`; None without GPU. Labels have it in lower case.
        gpu_count: GPUs of the machine.
        places: what `nvidia.com/gpu` will offer: GPUs times their shares or slices.
        architecture: of the CPU.
        region, cluster: region code; name of the cluster.
        roles: from node_roles; each becomes a label workload.sophia.internal/<role> later.
        is_server: runs the control plane of its cluster.
        vcpus, memory_gib: of the whole machine.
        labels: set when it joins, once and for all.
    """

    name: str
    instance_type: str
    gpu_model: str | None
    gpu_count: int
    places: int
    architecture: Literal["x86_64", "arm64"]
    region: str
    cluster: str
    roles: tuple[str, ...]
    is_server: bool
    vcpus: int
    memory_gib: int
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Nodes under one API server.

    Attributes:
        name: `sophia-<region>`, or `sophia` where one cluster spans all regions or exists already.
        region: None where it spans regions.
        nodes: in the order of the fleet.
        server: name of the node that is the k3s server; "" for an existing cluster.
    """

    name: str
    region: str | None
    nodes: tuple[Node, ...]
    server: str


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A workload or database without a place: why, in words, and what to change."""

    section: Literal["workloads", "databases"]
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Placement:
    """Which cluster everything goes to, and how far it may grow.

    Attributes:
        clusters: name -> cluster, in the order of the fleet; empty when no machine can be a node yet.
        workload_cluster, database_cluster: name of the enabled workload or database -> name of its cluster.
        primary: the cluster of databases and of workloads without GPU; "" when there is none.
        max_replicas: workload -> most pods; what the GPUs cannot carry is cut off.
        gpu_places: (cluster, GPU model) -> places, sharing counted.
        gpu_reserved: (cluster, GPU model) -> places of its services at `max_replicas`, at most gpu_places.
        notes: sentences about what was cut off or looks odd.
        unplaced: what has no place; empty for a configuration that was accepted.
    """

    clusters: Mapping[str, Cluster]
    workload_cluster: Mapping[str, str]
    database_cluster: Mapping[str, str]
    primary: str
    max_replicas: Mapping[str, int]
    gpu_places: Mapping[tuple[str, str], int]
    gpu_reserved: Mapping[tuple[str, str], int]
    notes: tuple[str, ...] = ()
    unplaced: tuple[Unplaced, ...] = ()
