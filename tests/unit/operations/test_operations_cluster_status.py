"""What runs on a cluster, from lists as the API server answers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sophia_infra.operations.cluster_status import read_cluster_status

LABEL = "app.kubernetes.io/name"


class Api:
    """Answers lists from a table, and keeps what was asked."""

    def __init__(self, **lists: list[dict[str, Any]]) -> None:
        self._lists = lists
        self.queries: dict[str, Mapping[str, str] | None] = {}

    def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        assert method == "GET"
        plural = path.rsplit("/", 1)[-1]
        self.queries[plural] = query
        return {"items": self._lists.get(plural, [])}


def workload(name: str, *, replicas: int = 2, ready: int = 2, gpus: int = 0) -> dict[str, Any]:
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    return {
        "metadata": {"namespace": "apps", "name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {LABEL: name}},
            "template": {"spec": {"containers": [{"resources": {"limits": limits}}, {}]}},
        },
        "status": {"readyReplicas": ready} if ready else {},
    }


def pod(name: str, node: str = "", **further: Any) -> dict[str, Any]:
    conditions = (
        []
        if node
        else [{"type": "PodScheduled", "status": "False", "message": "0/5 nodes are available: 5 busy."}]
    )
    return {
        "metadata": {"namespace": "apps", "labels": {LABEL: name}, **further},
        "spec": {"nodeName": node} if node else {},
        "status": {"conditions": conditions},
    }


def test_a_service_shows_its_pods_nodes_and_gpus() -> None:
    api = Api(deployments=[workload("web", gpus=1)], pods=[pod("web", "b"), pod("web", "a"), pod("web", "a")])
    (row,) = read_cluster_status("sophia", api).rows
    assert (row.name, row.kind, row.ready, row.wanted, row.gpus) == ("web", "Deployment", 2, 2, 1)
    assert row.nodes == ("a", "b")
    assert row.pending == ""


def test_a_pod_without_a_place_says_what_the_scheduler_said() -> None:
    api = Api(statefulsets=[workload("store", ready=0)], pods=[pod("store")])
    status = read_cluster_status("sophia", api)
    assert status.rows[0].pending == "0/5 nodes are available: 5 busy."
    assert not status.is_ready


def test_pods_of_others_and_pods_that_end_do_not_count() -> None:
    elsewhere = pod("web", "c")
    elsewhere["metadata"]["namespace"] = "other"
    pods = [
        pod("web", "a"),
        pod("api", "b"),
        pod("web", "d", deletionTimestamp="2026-11-24T00:00:00Z"),
        elsewhere,
    ]
    (row,) = read_cluster_status("sophia", Api(deployments=[workload("web")], pods=pods)).rows
    assert row.nodes == ("a",)


def test_only_objects_of_this_program_are_asked_for_and_sorted() -> None:
    api = Api(deployments=[workload("web")], statefulsets=[workload("db")])
    status = read_cluster_status("sophia", api)
    assert [row.name for row in status.rows] == ["db", "web"]
    assert status.is_ready
    assert api.queries["deployments"] == {"labelSelector": "app.kubernetes.io/part-of=sophia"}


@pytest.mark.parametrize(
    "field", ["namespace", "name", "kind", "ready", "wanted", "gpus_per_pod", "nodes", "pending"]
)
def test_a_row_is_plain_data(field: str) -> None:
    (row,) = read_cluster_status("sophia", Api(deployments=[workload("web")])).rows
    assert field in row.as_json()
