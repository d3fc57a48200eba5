"""A node that goes, on a real API server: real evictions, a real disruption budget, a real scheduler."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest
import yaml

from sophia_infra.control_plane.api_client import MERGE, ApiClient
from sophia_infra.control_plane.errors import RequestRefused
from sophia_infra.control_plane.nodes import NodeSpec, build_node, build_node_status
from sophia_infra.lambda_cloud import LambdaCloud
from sophia_infra.model.clock import SystemClock
from sophia_infra.provider.cluster_ready import ClusterReadyKind
from sophia_infra.provider.journal import Journal
from sophia_infra.provider.kubernetes_api import Answer, ApiAccess, Verb, send_api
from sophia_infra.provider.session import Session, Waits
from tests.cluster.plane import MACHINES, Plane

POOL = "test/pool"
OLD, NEW = "retired", "retired-2"


@dataclass
class Sending:
    """The real calls; the first eviction that is refused makes room elsewhere, where `room` says how."""

    room: Any = None
    calls: list[tuple[str, str, str]] = field(default_factory=list)

    def __call__(
        self, access: ApiAccess, verb: Verb, path: str, body: Mapping[str, Any] | None = None, /
    ) -> Answer:
        answer = send_api(access, verb, path, body)
        self.calls.append((verb, path, answer.kind))
        if answer.kind == "later" and self.room is not None:
            self.room()
            self.room = None
        return answer

    def kinds(self, verb: str) -> list[str]:
        return [kind for own, _, kind in self.calls if own == verb]


@pytest.fixture
def machines(plane: Plane) -> Iterator[None]:
    """The old machine and the one that takes its place, both ready; the new one takes no pods yet."""
    for name in (OLD, NEW):
        labels = {"sophia.internal/instance": OLD, POOL: "retirement"}
        spec = NodeSpec(name, labels=labels, capacity={"cpu": "8", "memory": "16Gi"})
        plane.apply(f"/api/v1/nodes/{name}", build_node(spec, []))
        plane.apply(f"/api/v1/nodes/{name}/status", build_node_status(spec))
    cordon(plane, NEW, True)
    plane.wait_for(lambda: {OLD, NEW} <= ready_nodes(plane))
    yield
    for name in (OLD, NEW):
        try:
            plane.request("DELETE", f"/api/v1/nodes/{name}")
        except RequestRefused:
            continue  # it was retired


def cordon(plane: Plane, node: str, on: bool) -> None:
    body = {"spec": {"unschedulable": on}}
    plane.request("PATCH", f"/api/v1/nodes/{node}", body, content_type=MERGE)


def ready_nodes(plane: Plane) -> set[str]:
    return {
        node["metadata"]["name"]
        for node in plane.request("GET", "/api/v1/nodes")["items"]
        for row in node.get("status", {}).get("conditions", ())
        if (row["type"], row["status"]) == ("Ready", "True")
    }


def deploy(plane: Plane, namespace: str, *, min_available: int) -> None:
    """Two pods on the old machine with a budget, and a DaemonSet's pod beside them."""
    labels = {"app": "web"}
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "nodeSelector": {POOL: "retirement"},
            "containers": [{"name": "main", "image": "example.test/a:1"}],
            "terminationGracePeriodSeconds": 1,
        },
    }
    selector = {"matchLabels": labels}
    apps = f"/apis/apps/v1/namespaces/{namespace}"
    body = {"metadata": {"name": "web"}, "spec": {"replicas": 2, "selector": selector, "template": template}}
    plane.request("POST", f"{apps}/deployments", body)
    own = {"app": "agent"}
    agent = {**template, "metadata": {"labels": own}}
    daemons = {"metadata": {"name": "agent"}, "spec": {"selector": {"matchLabels": own}, "template": agent}}
    plane.request("POST", f"{apps}/daemonsets", daemons)
    budget = {"metadata": {"name": "web"}, "spec": {"minAvailable": min_available, "selector": selector}}
    plane.request("POST", budgets_of(namespace), budget)
    plane.wait_for(lambda: pods_on(plane, namespace, "web") == [OLD, OLD])
    plane.wait_for(lambda: budget_of(plane.client, namespace)["status"].get("currentHealthy") == 2)


def pods_on(plane: Plane, namespace: str, app: str) -> list[str]:
    """The nodes of the ready pods of `app`, sorted."""
    pods = plane.request("GET", f"/api/v1/namespaces/{namespace}/pods", labelSelector=f"app={app}")["items"]
    return sorted(
        pod["spec"].get("nodeName", "")
        for pod in pods
        for row in pod["status"].get("conditions", ())
        if (row["type"], row["status"]) == ("Ready", "True") and "deletionTimestamp" not in pod["metadata"]
    )


def budgets_of(namespace: str) -> str:
    return f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"


def budget_of(client: ApiClient, namespace: str) -> dict[str, Any]:
    return dict(client.request("GET", f"{budgets_of(namespace)}/web"))


@contextmanager
def watched_budget(plane: Plane, namespace: str) -> Iterator[list[tuple[int, int]]]:
    """(healthy, needed) of the budget, looked at all the time."""
    seen: list[tuple[int, int]] = []
    done = threading.Event()

    def look() -> None:
        with ApiClient(plane.kubeconfig) as client:
            while not done.wait(0.01):
                status = budget_of(client, namespace)["status"]
                seen.append((status["currentHealthy"], status["desiredHealthy"]))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def settle(plane: Plane, folder: Path, send: Sending, **changes: Any) -> list[str]:
    """What the engine has ClusterReady do after the new machine was launched; what it said."""
    config = yaml.safe_load(plane.kubeconfig.read_text(encoding="utf-8"))
    [cluster], [user] = config["clusters"], config["users"]

    def pem(row: Mapping[str, str], key: str) -> str:
        if f"{key}-data" in row:
            return base64.b64decode(row[f"{key}-data"]).decode()
        return Path(row[key]).read_text(encoding="ascii")

    news = {
        "stack": "sophia-infra/test",
        "cluster": "sophia",
        "server_url": cluster["cluster"]["server"],
        "ca_certificate": pem(cluster["cluster"], "certificate-authority"),
        "client_certificate": pem(user["user"], "client-certificate"),
        "client_key": pem(user["user"], "client-key"),
        "nodes": [*(node.name for node in MACHINES), NEW],
        "timeout_minutes": 1,
        **changes,
    }
    said: list[str] = []
    cloud = cast(LambdaCloud, Mock(spec=LambdaCloud))
    session = Session(cloud, SystemClock(), Journal(folder), waits=Waits(poll_s=0.1), say=said.append)
    ClusterReadyKind(session, send=send).create(news)
    return said


def test_pods_move_within_their_budget_before_the_node_goes(
    plane: Plane, namespace: str, machines: None, tmp_path: Path
) -> None:
    deploy(plane, namespace, min_available=1)
    send = Sending(room=lambda: cordon(plane, NEW, False))
    with watched_budget(plane, namespace) as seen:
        said = settle(plane, tmp_path, send)
    assert OLD not in ready_nodes(plane)
    assert {NEW, *(node.name for node in MACHINES)} <= ready_nodes(plane)
    plane.wait_for(lambda: pods_on(plane, namespace, "web") == [NEW, NEW])
    assert len(seen) > 10
    assert all(healthy >= needed for healthy, needed in seen), seen
    assert min(seen) == (1, 1), "one at a time was away"
    evictions = send.kinds("POST")
    assert evictions.count("ok") == 2, "the DaemonSet's pod was not asked to go"
    assert "later" in evictions, "the second had to wait until the first ran elsewhere"
    assert send.calls[0] == ("PATCH", f"/api/v1/nodes/{OLD}", "ok")
    assert send.calls[-1] == ("DELETE", f"/api/v1/nodes/{OLD}", "ok")
    assert said[-1].endswith(f"to move off {OLD}")
    again = Sending()
    assert settle(plane, tmp_path, again) == []
    assert again.calls == []


def test_a_budget_that_never_allows_it_costs_its_limit_and_no_more(
    plane: Plane, namespace: str, machines: None, tmp_path: Path
) -> None:
    deploy(plane, namespace, min_available=2)
    send = Sending()
    said = settle(plane, tmp_path, send, drain_timeout_minutes=0.02)
    assert OLD not in ready_nodes(plane)
    assert set(send.kinds("POST")) == {"later"}
    assert said[-1].startswith(f"sophia: 2 pods did not move off {OLD} within 0.02 min: {namespace}/web-")
    assert "would violate the pod's disruption budget" in said[-1]
