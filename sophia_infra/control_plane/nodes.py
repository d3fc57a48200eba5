"""The simulated machines: what a node of the fleet looks like to the API server."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sophia_infra.model.kubernetes import Node

__all__ = ["ARM64_TAINT", "NodeSpec", "Taint", "node_specs"]

KUBELET_VERSION = "v1.36.4"

SPEC_ANNOTATION = "sophia.internal/simulated-machine"
"""Holds the NodeSpec that was applied last; a node without it was not made by us and is left alone."""

PODS_PER_NODE = 110
"""The kubelet's default, and k3s'."""

EPHEMERAL_STORAGE = "200Gi"
"""Every Lambda type has at least 512 GiB of disk; most of it is kept for images and volumes."""


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint of a node."""

    key: str
    value: str
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"


ARM64_TAINT = Taint("kubernetes.io/arch", "arm64")
"""Images without an arm64 variant stay away; whoever chooses a GH200 tolerates it."""


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A machine: name, labels, taints, what it can hold, and its architecture as Kubernetes writes it.

    `capacity` maps resource names to quantities: `cpu`, `memory`, `nvidia.com/gpu`, ...; `pods` and
    `ephemeral-storage` have defaults.
    """

    name: str
    architecture: Literal["amd64", "arm64"] = "amd64"
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    capacity: Mapping[str, str] = field(default_factory=dict)

    def as_text(self) -> str:
        """The same text for the same machine, for comparison."""
        return json.dumps(asdict(self), sort_keys=True)


def node_specs(nodes: Iterable[Node]) -> tuple[NodeSpec, ...]:
    """The fleet's machines as nodes: `places` GPUs each (sharing counted), arm64 ones with their taint."""
    return tuple(
        NodeSpec(
            name=node.name,
            architecture="arm64" if node.architecture == "arm64" else "amd64",
            labels={
                **node.labels,
                "node.kubernetes.io/instance-type": node.instance_type,
                "topology.kubernetes.io/region": node.region,
                **({"node-role.kubernetes.io/control-plane": "true"} if node.is_server else {}),
            },
            taints=(ARM64_TAINT,) if node.architecture == "arm64" else (),
            capacity={
                "cpu": str(node.vcpus),
                "memory": f"{node.memory_gib}Gi",
                **({"nvidia.com/gpu": str(node.places)} if node.places else {}),
            },
        )
        for node in nodes
    )


def build_node(spec: NodeSpec, taints: Sequence[Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """The Node object without its status, for server-side apply.

    Args:
        taints: the complete list; None leaves the taints as they are.
    """
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": spec.name,
            "labels": {
                **spec.labels,
                "kubernetes.io/arch": spec.architecture,
                "kubernetes.io/os": "linux",
                "kubernetes.io/hostname": spec.name,
            },
            "annotations": {SPEC_ANNOTATION: spec.as_text()},
        },
        **({} if taints is None else {"spec": {"taints": list(taints)}}),
    }


def build_node_status(spec: NodeSpec) -> dict[str, Any]:
    """The Node object with what the kubelet reports once: what it can hold and what it is."""
    held = {"pods": str(PODS_PER_NODE), "ephemeral-storage": EPHEMERAL_STORAGE, **spec.capacity}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": spec.name},
        "status": {
            "capacity": held,
            "allocatable": held,
            "addresses": [{"type": "Hostname", "address": spec.name}],
            "nodeInfo": {
                "architecture": spec.architecture,
                "operatingSystem": "linux",
                "kubeletVersion": KUBELET_VERSION,
                "kubeProxyVersion": "",
                "containerRuntimeVersion": "simulated",
                "kernelVersion": "",
                "osImage": "",
                "machineID": "",
                "systemUUID": "",
                "bootID": "",
            },
        },
    }


def merge_taints(
    present: Sequence[Mapping[str, Any]], before: NodeSpec | None, wanted: NodeSpec
) -> list[dict[str, Any]]:
    """The taints that `wanted` asks for, and those of others: only what `before` had set is taken away."""
    ours = {(taint.key, taint.effect) for spec in (before, wanted) if spec for taint in spec.taints}
    others = [dict(taint) for taint in present if (taint["key"], taint["effect"]) not in ours]
    return [*(asdict(taint) for taint in wanted.taints), *others]


def parse_spec(text: str) -> NodeSpec:
    """Read what `NodeSpec.as_text` wrote.

    Raises:
        ValueError, KeyError, TypeError: it is something else.
    """
    fields = json.loads(text)
    return NodeSpec(**{**fields, "taints": tuple(Taint(**taint) for taint in fields["taints"])})


def is_ready(node: Mapping[str, Any]) -> bool:
    """Whether a Node is Ready and its taints say so too: the scheduler goes by the taints."""
    conditions = node.get("status", {}).get("conditions", ())
    ready = any(row["type"] == "Ready" and row["status"] == "True" for row in conditions)
    taints = {taint["key"] for taint in node.get("spec", {}).get("taints", ())}
    return ready and not taints & {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}
