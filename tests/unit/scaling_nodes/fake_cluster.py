"""A cluster in memory: nodes, pods, budgets and leases, as the scaler asks for them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from sophia_infra.kubernetes_plugin.errors import ApiRefused, ClusterUnreachable
from sophia_infra.model.scaled_tags import SCALED_NODE_LABEL


@dataclass
class FakeCluster:
    """An API server in memory: nodes, pods, one lease. `Connection` speaks to a real one in tests/cluster."""

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    leases: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_down: bool = False
    stuck: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    before: Callable[[str, str], None] = lambda _method, _path: None
    after: Callable[[str, str], None] = lambda _method, _path: None
    _versions: Any = field(default_factory=lambda: itertools.count(1))

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        apply: bool = False,
    ) -> dict[str, Any]:
        self.before(method, path)
        if self.is_down:
            raise ClusterUnreachable("The API server does not answer.")
        self.asked.append(f"{method} {path}")
        answer = self._answer(method, path, dict(query or {}), body)
        self.after(method, path)
        return answer

    def _answer(self, method: str, path: str, query: dict[str, str], body: Any) -> dict[str, Any]:
        if path == "/api/v1/nodes":
            assert query["labelSelector"] == SCALED_NODE_LABEL
            rows = [one for one in self.nodes.values() if SCALED_NODE_LABEL in one["metadata"]["labels"]]
            return {"items": rows, "metadata": {}}
        if path.startswith("/api/v1/nodes/"):
            return self._node(method, path.rpartition("/")[2], body)
        if path == "/api/v1/pods":
            where = query["fieldSelector"].removeprefix("spec.nodeName=")
            rows = list(self.pods.values())
            if where != query["fieldSelector"]:
                rows = [one for one in rows if one["spec"].get("nodeName") == where]
            return {"items": rows, "metadata": {}}
        if path.endswith("/eviction"):
            return self._evict(path.split("/")[-2], body)
        assert "/leases" in path, path
        return self._lease(method, path, body)

    def _node(self, method: str, name: str, body: Any) -> dict[str, Any]:
        node = self.nodes.get(name)
        if node is None:
            raise ApiRefused("not found", code=404)
        if method == "DELETE":
            del self.nodes[name]
        if method == "PATCH":
            node["metadata"]["annotations"] = dict(body["metadata"].get("annotations", {}))
            node["spec"] = dict(body["spec"])
        return node

    def _evict(self, name: str, body: Any) -> dict[str, Any]:
        pod = self.pods.get(name)
        if pod is None:
            raise ApiRefused("not found", code=404)
        assert self.nodes[pod["spec"]["nodeName"]]["spec"].get("unschedulable"), "cordoned first"
        if name in self.stuck:
            raise ApiRefused("Cannot evict pod as it would violate its disruption budget.", code=429)
        assert body["deleteOptions"]["preconditions"]["uid"] == f"uid-{name}"
        pod["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:00Z"
        return {}

    def _lease(self, method: str, path: str, body: Any) -> dict[str, Any]:
        if method == "POST":
            name = body["metadata"]["name"]
            if name in self.leases:
                raise ApiRefused("exists", code=409)
        else:
            name = path.rpartition("/")[2]
            if name not in self.leases:
                raise ApiRefused("not found", code=404)
        if method == "GET":
            return cast("dict[str, Any]", _copy(self.leases[name]))
        if method == "PUT":
            version = self.leases[name]["metadata"]["resourceVersion"]
            if body["metadata"]["resourceVersion"] != version:
                raise ApiRefused("the object has been modified", code=409)
        stored = _copy(body)
        stored["metadata"]["resourceVersion"] = str(next(self._versions))
        self.leases[name] = stored
        return cast("dict[str, Any]", _copy(stored))

    # What happens in it

    def join(self, name: str, pool_name: str) -> None:
        self.nodes[name] = {
            "metadata": {"name": name, "labels": {SCALED_NODE_LABEL: pool_name}, "annotations": {}},
            "spec": {},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }

    def place(self, name: str, node: str, gpus: int = 1, **metadata: Any) -> None:
        limits = {"resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}
        self.pods[name] = {
            "metadata": {"name": name, "namespace": "apps", "uid": f"uid-{name}", **metadata},
            "spec": {"nodeName": node, "containers": [limits]},
            "status": {"phase": "Running"},
        }

    def on_node(self, node: str) -> list[str]:
        return [name for name, pod in self.pods.items() if pod["spec"].get("nodeName") == node]

    def settle(self) -> None:
        """Evicted pods end."""
        gone = [name for name, pod in self.pods.items() if pod["metadata"].get("deletionTimestamp")]
        for name in gone:
            del self.pods[name]


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value
