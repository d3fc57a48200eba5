"""The nodes of the scaler's machines in a Kubernetes cluster: looked at, emptied, deleted.

Only nodes that carry the scaler's own label are ever changed. What is under way is written on the node, so
that a scaler that starts anew goes on with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from sophia_infra.kubernetes_plugin.api import KubernetesApi
from sophia_infra.kubernetes_plugin.connection import Connection
from sophia_infra.kubernetes_plugin.errors import ApiRefused, PluginError
from sophia_infra.kubernetes_plugin.kubeconfig import Kubeconfig
from sophia_infra.model.scaled_tags import SCALED_NODE_LABEL
from sophia_infra.scaling.nodes.errors import ClusterUnavailable

__all__ = [
    "DRAINING_ANNOTATION",
    "ClusterNodes",
    "ClusterView",
    "NodeKeeper",
    "NodeSeen",
    "PodSeen",
    "connect",
]

DRAINING_ANNOTATION: Final = "sophia.internal/scaler-draining-since"
"""Seconds since 1970 on the cloud's clock."""

GPU_RESOURCE: Final = "nvidia.com/gpu"
_MANAGER: Final = "sophia-scaler"
_MIRROR: Final = "kubernetes.io/config.mirror"
_PAGE: Final = 500


def connect(kubeconfig: Kubeconfig) -> Connection:
    """A connection that asks once: the next look is the retry, and a lease does not wait.

    An eviction that a disruption budget refuses is answered with 429, which is no reason to wait here.
    """

    def no_second_try(_delay_s: float) -> None:
        raise

    return Connection(kubeconfig, timeout_s=10.0, sleep=no_second_try)


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """One node with the scaler's label.

    Attributes:
        draining_since_s: when the scaler began to empty it; None when it did not.
        gpu_pods: pods with GPUs on it.
    """

    name: str
    pool: str
    is_ready: bool
    draining_since_s: float | None = None
    gpu_pods: int = 0


@dataclass(frozen=True, slots=True)
class PodSeen:
    """A pod that waits for GPUs: how many, and which labels its node has to have."""

    gpus: int
    selector: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClusterView:
    """One look.

    Attributes:
        nodes: name -> node with the scaler's label.
        pending: pods that no node has room for.
    """

    nodes: Mapping[str, NodeSeen]
    pending: Sequence[PodSeen] = ()


class NodeKeeper(Protocol):
    """What the scaler does to nodes. Every method may be repeated; each raises ClusterUnavailable."""

    def look(self) -> ClusterView:
        """Nodes of the scaler, and pods that wait."""
        ...

    def begin_drain(self, node: str, now_s: float) -> None:
        """Cordon it and note since when."""
        ...

    def drain(self, node: str) -> list[str]:
        """Ask what runs there to leave; answers what is left. [] when it is empty, or there is no node."""
        ...

    def end_drain(self, node: str) -> None:
        """Take it back: it may be used again."""
        ...

    def delete(self, node: str) -> None:
        """Delete the node object; nothing happens when it is gone."""
        ...


class ClusterNodes:
    """`NodeKeeper` for one cluster."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    def look(self) -> ClusterView:
        nodes = self._list("/api/v1/nodes", {"labelSelector": SCALED_NODE_LABEL})
        pods = self._list("/api/v1/pods", {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"})
        on_node: dict[str, int] = defaultdict(int)
        pending = []
        for pod in pods:
            gpus = _gpus_of(pod)
            where = pod.get("spec", {}).get("nodeName")
            if where:
                on_node[where] += bool(gpus)
            elif gpus and _is_unschedulable(pod):
                pending.append(PodSeen(gpus, dict(pod.get("spec", {}).get("nodeSelector") or {})))
        seen = {}
        for node in nodes:
            metadata = node["metadata"]
            name = str(metadata["name"])
            seen[name] = NodeSeen(
                name,
                str((metadata.get("labels") or {})[SCALED_NODE_LABEL]),
                _is_ready(node),
                _seconds((metadata.get("annotations") or {}).get(DRAINING_ANNOTATION)),
                on_node[name],
            )
        return ClusterView(seen, tuple(pending))

    def begin_drain(self, node: str, now_s: float) -> None:
        if self._is_ours(node):
            annotations = {DRAINING_ANNOTATION: f"{now_s:.0f}"}
            self._apply(node, {"annotations": annotations}, {"unschedulable": True})

    def drain(self, node: str) -> list[str]:
        if not self._is_ours(node):
            return []
        left = []
        for pod in self._list("/api/v1/pods", {"fieldSelector": f"spec.nodeName={node}"}):
            if not _has_to_move(pod):
                continue
            metadata = pod["metadata"]
            left.append(f"{metadata['namespace']}/{metadata['name']}")
            if not metadata.get("deletionTimestamp"):
                self._evict(metadata)
        return left

    def end_drain(self, node: str) -> None:
        if self._is_ours(node):
            self._apply(node, {}, {})

    def delete(self, node: str) -> None:
        if self._is_ours(node):
            self._ask("DELETE", f"/api/v1/nodes/{node}", gone_is_fine=True)

    def _is_ours(self, node: str) -> bool:
        found = self._ask("GET", f"/api/v1/nodes/{node}", gone_is_fine=True)
        return found is not None and SCALED_NODE_LABEL in (found["metadata"].get("labels") or {})

    def _apply(self, node: str, metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, **metadata}, "spec": {**spec}}
        query = {"fieldManager": _MANAGER, "force": "true"}
        self._ask("PATCH", f"/api/v1/nodes/{node}", query=query, body=body, apply=True)

    def _evict(self, metadata: Mapping[str, Any]) -> None:
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
            # A StatefulSet makes the next pod under the same name, on another node.
            "deleteOptions": {"preconditions": {"uid": metadata["uid"]}},
        }
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/eviction"
        try:
            self._api.request("POST", path, body=body)
        except ApiRefused as refused:
            # 429: its budget does not allow it now. 404, 409: it has gone, or another has its name.
            if refused.code not in (404, 409, 429):
                raise _unavailable(refused) from None
        except PluginError as error:
            raise _unavailable(error) from None

    def _list(self, path: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        more = {"limit": str(_PAGE), **query}
        while True:
            answer = self._ask("GET", path, query=more) or {}
            items = answer.get("items")
            if not isinstance(items, list):
                raise ClusterUnavailable(
                    f"The cluster answered {path} with something that is no list.",
                    next_step="look at its API server; nothing is drained meanwhile.",
                )
            found += items
            token = (answer.get("metadata") or {}).get("continue")
            if not token:
                return found
            more = {**more, "continue": token}

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        apply: bool = False,
        gone_is_fine: bool = False,
    ) -> dict[str, Any] | None:
        try:
            return self._api.request(method, path, query=query, body=body, apply=apply)
        except ApiRefused as refused:
            if gone_is_fine and refused.is_gone:
                return None
            raise _unavailable(refused) from None
        except PluginError as error:
            raise _unavailable(error) from None


def _unavailable(error: PluginError) -> ClusterUnavailable:
    return ClusterUnavailable(
        f"The cluster did not do what the scaler asked: {error}",
        next_step="look whether its API runs and lets the scaler list pods, evict them and change nodes.",
    )


def _gpus_of(pod: Mapping[str, Any]) -> int:
    """GPUs that the pod asks for: what its containers want together, or the largest first one."""
    spec = pod.get("spec", {})

    def wanted(containers: Iterable[Mapping[str, Any]]) -> list[int]:
        limits = ((row.get("resources") or {}).get("limits") or {} for row in containers)
        return [int(one.get(GPU_RESOURCE, 0)) for one in limits]

    return max(sum(wanted(spec.get("containers") or ())), *wanted(spec.get("initContainers") or ()), 0)


def _is_unschedulable(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(
        (row.get("type"), row.get("status"), row.get("reason")) == ("PodScheduled", "False", "Unschedulable")
        for row in conditions
    )


def _is_ready(node: Mapping[str, Any]) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any((row.get("type"), row.get("status")) == ("Ready", "True") for row in conditions)


def _has_to_move(pod: Mapping[str, Any]) -> bool:
    """As `provider.node_retirement` has it: not a node's own pod, and not one that has finished."""
    metadata = pod["metadata"]
    if _MIRROR in (metadata.get("annotations") or {}):
        return False
    if any(owner.get("kind") == "DaemonSet" for owner in metadata.get("ownerReferences") or ()):
        return False
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdigit() else None
