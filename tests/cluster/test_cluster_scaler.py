"""The node scaler on a real API server: its look, drains within budgets, the lease of two processes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

import pytest

from sophia_infra.control_plane.errors import RequestRefused
from sophia_infra.control_plane.nodes import NodeSpec, build_node, build_node_status
from sophia_infra.kubernetes_plugin.kubeconfig import load_kubeconfig
from sophia_infra.model.scaled_tags import SCALED_NODE_LABEL
from sophia_infra.scaling.nodes.cluster import ClusterNodes, connect
from sophia_infra.scaling.nodes.lease import KubernetesLease
from tests.cluster.plane import Plane

NAME = "gpu-scaled-1"
OTHER = "not-the-scalers"


@pytest.fixture
def keeper(plane: Plane) -> Iterator[ClusterNodes]:
    """One node of the scaler with a GPU, one of somebody else."""
    for name, labels in ((NAME, {SCALED_NODE_LABEL: "gpu"}), (OTHER, {"test/other": "yes"})):
        spec = NodeSpec(name, labels=labels, capacity={"cpu": "8", "memory": "16Gi", "nvidia.com/gpu": "1"})
        plane.apply(f"/api/v1/nodes/{name}", build_node(spec, []))
        plane.apply(f"/api/v1/nodes/{name}/status", build_node_status(spec))
    made = ClusterNodes(connect(load_kubeconfig(str(plane.kubeconfig))))
    plane.wait_for(lambda: NAME in made.look().nodes and made.look().nodes[NAME].is_ready)
    yield made
    for name in (NAME, OTHER):
        try:
            plane.request("DELETE", f"/api/v1/nodes/{name}")
        except RequestRefused:
            continue  # the scaler deleted it


def deploy(plane: Plane, namespace: str, replicas: int, min_available: int) -> None:
    labels = {"app": "model"}
    container = {
        "name": "main",
        "image": "example.test/a:1",
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
    }
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "nodeSelector": {SCALED_NODE_LABEL: "gpu"},
            "containers": [container],
            "terminationGracePeriodSeconds": 1,
        },
    }
    selector = {"matchLabels": labels}
    spec = {"replicas": replicas, "selector": selector, "template": template}
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    plane.request("POST", path, {"metadata": {"name": "model"}, "spec": spec})
    budget = {"metadata": {"name": "model"}, "spec": {"minAvailable": min_available, "selector": selector}}
    plane.request("POST", budgets(namespace), budget)


def budgets(namespace: str) -> str:
    return f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"


def test_a_look_a_drain_that_its_budget_holds_and_the_end_of_a_node(
    plane: Plane, namespace: str, keeper: ClusterNodes
) -> None:
    deploy(plane, namespace, replicas=2, min_available=1)
    plane.wait_for(lambda: keeper.look().nodes[NAME].gpu_pods == 1)
    plane.wait_for(lambda: [one.gpus for one in keeper.look().pending] == [1])
    assert set(keeper.look().nodes) == {NAME}, "other nodes are not seen at all"

    plane.wait_for(
        lambda: plane.request("GET", f"{budgets(namespace)}/model")["status"].get("currentHealthy") == 1
    )
    keeper.begin_drain(NAME, 1_790_000_000.0)
    assert keeper.look().nodes[NAME].draining_since_s == 1_790_000_000.0
    node = plane.request("GET", f"/api/v1/nodes/{NAME}")
    assert node["spec"]["unschedulable"] is True
    began_s = time.monotonic()
    [left] = keeper.drain(NAME)
    assert left.startswith(f"{namespace}/model-")
    assert time.monotonic() - began_s < 3, "a budget that refuses is no reason to wait"
    keeper.end_drain(NAME)
    assert keeper.look().nodes[NAME].draining_since_s is None
    assert "unschedulable" not in plane.request("GET", f"/api/v1/nodes/{NAME}")["spec"]

    plane.request("DELETE", f"{budgets(namespace)}/model")
    keeper.begin_drain(NAME, 1_790_000_000.0)
    plane.wait_for(lambda: not keeper.drain(NAME))
    keeper.delete(NAME)
    keeper.delete(NAME)
    assert NAME not in keeper.look().nodes


def test_a_node_of_others_is_never_changed(plane: Plane, keeper: ClusterNodes) -> None:
    before = plane.request("GET", f"/api/v1/nodes/{OTHER}")["spec"]
    keeper.begin_drain(OTHER, 1.0)
    assert keeper.drain(OTHER) == []
    keeper.delete(OTHER)
    assert plane.request("GET", f"/api/v1/nodes/{OTHER}")["spec"] == before


def test_two_processes_and_one_lease(plane: Plane) -> None:
    name = f"scaler-{secrets.token_hex(4)}"
    now_s = 0.0

    def lease(identity: str) -> KubernetesLease:
        api = connect(load_kubeconfig(str(plane.kubeconfig)))
        return KubernetesLease(api, name=name, namespace="kube-system", identity=identity, now=lambda: now_s)

    one, two = lease("one"), lease("two")
    try:
        assert one.take()
        assert not two.take()
        now_s = 30.0
        one.ensure()
        now_s = 60.0
        assert not two.take(), "it was renewed since"
        now_s = 119.0
        assert not two.take()
        now_s = 120.0
        assert two.take()
        assert not one.take()
        assert one.holder == "two"
        two.give_up()
        assert one.take()
        assert one.term == 2
    finally:
        plane.request("DELETE", f"/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{name}")
