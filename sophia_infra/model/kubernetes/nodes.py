"""Nodes, clusters, and where workloads go: what placement finds out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["LABEL_PREFIX", "Cluster", "Node", "Placement", "Unplaced", "node_name"]

LABEL_PREFIX = "sophia.internal/"

_NAME_CHARACTERS = 63
_DIGEST_CHARACTERS = 8


def node_name(machine: str, generation: int) -> str:
    """The node that `machine` of the fleet is in its `generation`: `core`, then `core-2`, `core-3`.

    A cluster keeps a node's name for the machine that joined with it first, and refuses any other: so a new
    machine needs a new name. One too long for a label (63) is cut and told apart by a digest.
    """
    if generation == 1:
        return machine
    name = f"{machine}-{generation}"
    if len(name) <= _NAME_CHARACTERS:
        return name
    digest = hashlib.sha256(machine.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    ending = f"-{digest}-{generation}"
    return machine[: _NAME_CHARACTERS - len(ending)].rstrip("-") + ending


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the fleet as a node of a cluster.

    Attributes:
        name: of the node in its cluster; see `node_name`.
        machine: its name in sophia:fleet, which stays the same when another machine takes its place.
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
    machine: str
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
        server: name in sophia:fleet of the k3s server; "" for an existing cluster.
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
