"""A small cluster of every kind of node, and its credentials, made once: keys cost time."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import Any

from sophia_infra.joining import make_credentials
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig, Node

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SERVER_ADDRESS = "10.19.60.7"


@functools.cache
def credentials() -> dict[str, str]:
    return make_credentials("sophia-us-east-3", NOW)


def node(name: str = "sophia-ai-core", **changes: Any) -> Node:
    whole: dict[str, Any] = {
        "name": name,
        "machine": name,
        "instance_type": "gpu_1x_a10",
        "gpu_model": "A10",
        "gpu_count": 1,
        "places": 1,
        "architecture": "x86_64",
        "region": "us-east-3",
        "cluster": "sophia-us-east-3",
        "roles": (),
        "is_server": False,
        "vcpus": 30,
        "memory_gib": 200,
        **changes,
    }
    labels = {
        "sophia.internal/gpu": str(whole["gpu_model"]).lower(),
        "sophia.internal/instance-type": whole["instance_type"],
        "sophia.internal/region": whole["region"],
        "sophia.internal/instance": whole["machine"],
    }
    return Node(**{"labels": labels, **whole})


def server(**changes: Any) -> Node:
    return node("sophia-mcp", is_server=True, **changes)


def arm_node(**changes: Any) -> Node:
    return node(instance_type="gpu_1x_gh200", gpu_model="GH200", architecture="arm64", **changes)


def cluster_of(*nodes: Node) -> Cluster:
    return Cluster(nodes[0].cluster, nodes[0].region, nodes, nodes[0].machine)


def config(**changes: Any) -> KubernetesConfig:
    return KubernetesConfig.model_validate(changes)
