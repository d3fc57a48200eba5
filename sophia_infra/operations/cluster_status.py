"""What runs on a cluster: services with their pods, nodes and GPUs, from three lists of the API server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sophia_infra.kubernetes_plugin.api import KubernetesReader

__all__ = ["ClusterStatus", "ServiceRow", "read_cluster_status"]

_GPU = "nvidia.com/gpu"
_PART_OF = "app.kubernetes.io/part-of"


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One Deployment or StatefulSet.

    Attributes:
        ready, wanted: pods.
        gpus: `nvidia.com/gpu` of one pod.
        nodes: of its pods, sorted; empty while none is placed.
        pending: why a pod has no place, as the scheduler says it; "" when all have one.
    """

    namespace: str
    name: str
    kind: str
    ready: int
    wanted: int
    gpus: int
    nodes: tuple[str, ...]
    pending: str

    def as_json(self) -> dict[str, Any]:
        return {
            "namespace": self.namespace,
            "name": self.name,
            "kind": self.kind,
            "ready": self.ready,
            "wanted": self.wanted,
            "gpus_per_pod": self.gpus,
            "nodes": list(self.nodes),
            "pending": self.pending,
        }


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """The services of this program on one cluster, by namespace and name.

    `problem` is a sentence when the cluster does not answer; there are no rows then.
    """

    cluster: str
    rows: tuple[ServiceRow, ...]
    problem: str = ""

    @property
    def is_ready(self) -> bool:
        return not self.problem and all(row.ready >= row.wanted for row in self.rows)


def read_cluster_status(cluster: str, api: KubernetesReader) -> ClusterStatus:
    """Ask the API server for Deployments, StatefulSets and pods of ours; raises what `api` raises."""
    query = {"labelSelector": f"{_PART_OF}=sophia"}
    pods = api.request("GET", "/api/v1/pods").get("items", [])
    rows: list[ServiceRow] = []
    for kind, plural in (("Deployment", "deployments"), ("StatefulSet", "statefulsets")):
        items = api.request("GET", f"/apis/apps/v1/{plural}", query=query).get("items", [])
        rows += [_row(kind, item, pods) for item in items]
    return ClusterStatus(cluster, tuple(sorted(rows, key=lambda row: (row.namespace, row.name))))


def _row(kind: str, item: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> ServiceRow:
    metadata, spec = item["metadata"], item["spec"]
    selector: Mapping[str, str] = spec["selector"].get("matchLabels", {})
    own = [
        pod
        for pod in pods
        if pod["metadata"]["namespace"] == metadata["namespace"]
        and selector.items() <= pod["metadata"].get("labels", {}).items()
        and "deletionTimestamp" not in pod["metadata"]
    ]
    containers = spec["template"]["spec"]["containers"]
    return ServiceRow(
        namespace=metadata["namespace"],
        name=metadata["name"],
        kind=kind,
        ready=int(item.get("status", {}).get("readyReplicas", 0)),
        wanted=int(spec.get("replicas", 1)),
        gpus=sum(int(part.get("resources", {}).get("limits", {}).get(_GPU, 0)) for part in containers),
        nodes=tuple(sorted({pod["spec"]["nodeName"] for pod in own if pod["spec"].get("nodeName")})),
        pending=next((reason for pod in own if (reason := _why_pending(pod))), ""),
    )


def _why_pending(pod: Mapping[str, Any]) -> str:
    return next(
        (
            str(condition.get("message", ""))
            for condition in pod.get("status", {}).get("conditions", [])
            if condition["type"] == "PodScheduled" and condition["status"] == "False"
        ),
        "",
    )
