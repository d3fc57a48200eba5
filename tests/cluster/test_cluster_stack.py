"""The whole platform, as a user brings it up: what was made, where it runs, what the server refuses.

The tests of this file tell one story on one cluster, in order. Bringing it up costs half a minute; that
buys the real engine, the real admission, the real scheduler and the real controllers for every question.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sophia_infra.control_plane.errors import RequestRefused
from sophia_infra.model.kubernetes import place
from tests.cluster.leftovers import settled_leftovers
from tests.cluster.whole_stack import NAMESPACE, WholeStack, whole_stack

pytestmark = pytest.mark.engine

GPU = "nvidia.com/gpu"
GPU_LABEL = "sophia.internal/gpu"
CHECKSUM = "sophia.internal/secret-checksum"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeStack]:
    """The stack, up: nothing that the API server refused, or `up` would have failed."""
    with whole_stack(tmp_path_factory.mktemp("stack")) as made:
        up = made.sophia("up", "--cluster", "--json")
        assert up.code == 0, up.said
        document = up.json()
        assert document["kubernetes"]["mode"] == "cluster"
        assert document["usd_per_hour"] == "7.35"
        yield made


def test_every_service_of_the_table_runs(stack: WholeStack) -> None:
    kube = stack.config.kubernetes
    assert kube is not None
    wanted = {*kube.enabled_workloads(), *kube.enabled_databases(), "redis-sentinel"}

    def running() -> set[str]:
        found = set()
        for plural in ("deployments", "statefulsets"):
            for item in stack.plane.request("GET", f"/apis/apps/v1/{plural}")["items"]:
                if item["status"].get("readyReplicas", 0) >= item["spec"]["replicas"]:
                    found.add(item["metadata"]["name"])
        return found

    stack.plane.wait_for(lambda: wanted <= running())


def test_a_second_up_changes_nothing(stack: WholeStack) -> None:
    again = stack.sophia("up", "--json")
    assert again.code == 0, again.said
    changes = again.json()["changes"]
    assert set(changes) == {"same"}
    assert changes["same"] > 200


def test_gpu_pods_are_on_nodes_of_their_type_only(stack: WholeStack) -> None:
    labels = stack.node_labels()
    kube = stack.config.kubernetes
    assert kube is not None
    seen = set()
    for pod in stack.pods():
        limits = [part["resources"].get("limits", {}) for part in pod["spec"]["containers"]]
        if not any(GPU in limit for limit in limits):
            continue
        service = pod["metadata"]["labels"]["app.kubernetes.io/name"]
        row = kube.workloads[service]
        assert row.gpu is not None
        assert labels[pod["spec"]["nodeName"]][GPU_LABEL] == row.gpu.model.lower()
        seen.add(service)
    assert seen == {"sophia-ai-core", "lambda-inference", "sophia-data-pipeline"}


def test_only_images_for_arm64_are_on_the_arm64_node(stack: WholeStack) -> None:
    arm64 = {name for name, labels in stack.node_labels().items() if labels["kubernetes.io/arch"] == "arm64"}
    assert arm64 == {"sophia-ai-core"}
    there = [pod for pod in stack.pods() if pod["spec"].get("nodeName") in arm64]
    assert {pod["metadata"]["labels"]["app.kubernetes.io/name"] for pod in there} == {"sophia-ai-core"}
    for pod in there:
        assert "arm64" in pod["metadata"]["annotations"]["sophia.internal/architectures"].split(",")


def test_roles_are_labels_of_the_nodes(stack: WholeStack) -> None:
    labels = stack.node_labels()
    assert labels["sophia-ai-core"]["workload.sophia.internal/large-inference"] == "true"
    assert labels["sophia-data-pipeline"]["workload.sophia.internal/training"] == "true"
    assert "nvidia.com/device-plugin.config" not in labels["sophia-mcp-orchestrator"]  # a whole GPU
    assert {row[GPU_LABEL] for row in labels.values()} == {"gh200", "a6000", "a100", "rtx6000", "a10"}


def test_the_pod_over_quota_is_refused_by_the_quota(stack: WholeStack) -> None:
    """Three places are granted to the namespace, and its services hold all three."""
    stack.plane.wait_for(lambda: _used_gpus(stack) == "3")
    with pytest.raises(RequestRefused) as refused:
        stack.plane.request("POST", f"/api/v1/namespaces/{NAMESPACE}/pods", _gpu_pod("one-too-many", "a100"))
    text = str(refused.value)
    assert "exceeded quota: gpu-quota" in text
    assert "requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=3" in text
    assert "limited: requests.nvidia.com/gpu=3" in text


def test_quotas_grant_no_more_gpus_than_the_fleet_has(stack: WholeStack) -> None:
    quotas = stack.plane.request("GET", "/api/v1/resourcequotas")["items"]
    granted = sum(int(quota["spec"]["hard"].get("requests.nvidia.com/gpu", 0)) for quota in quotas)
    assert granted == sum(place(stack.config).gpu_places.values()) == 5


def test_a_gpu_without_a_type_and_a_privileged_pod_are_refused(stack: WholeStack) -> None:
    untyped = _gpu_pod("untyped", None)
    with pytest.raises(RequestRefused, match=GPU_LABEL):
        stack.plane.request("POST", f"/api/v1/namespaces/{NAMESPACE}/pods", untyped)
    root = _gpu_pod("root", "a100")
    root["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    with pytest.raises(RequestRefused, match="violates PodSecurity"):
        stack.plane.request("POST", f"/api/v1/namespaces/{NAMESPACE}/pods", root)


def test_a_drain_keeps_the_budgets_and_moves_every_pod(stack: WholeStack) -> None:
    _wait_until_placed(stack)
    node = _drainable(stack)
    try:
        words = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s")
        said = stack.plane.kubectl("drain", node, *words)
        assert "drained" in said
        assert _on(stack, node) == []
        stack.plane.wait_for(lambda: _budgets_hold(stack))
    finally:
        stack.plane.kubectl("uncordon", node)
    _wait_until_placed(stack)


def test_an_eviction_that_would_break_a_budget_is_refused(stack: WholeStack) -> None:
    nodes = list(stack.node_labels())
    stack.plane.wait_for(lambda: len(_ready(stack, "mcp-gong")) == 2)
    first, second = (pod["metadata"]["name"] for pod in _ready(stack, "mcp-gong"))
    stack.plane.kubectl("cordon", *nodes)
    try:
        _evict(stack, first)
        stack.plane.wait_for(lambda: len(_ready(stack, "mcp-gong")) == 1)
        with pytest.raises(RequestRefused, match="would violate the pod's disruption budget"):
            _evict(stack, second)
        assert [pod["metadata"]["name"] for pod in _ready(stack, "mcp-gong")] == [second]
    finally:
        stack.plane.kubectl("uncordon", *nodes)
    stack.plane.wait_for(lambda: len(_ready(stack, "mcp-gong")) == 2)


def test_a_rotated_secret_restarts_its_consumers_and_nobody_else(stack: WholeStack) -> None:
    before = _checksums(stack)
    names = {name: {pod["metadata"]["name"] for pod in stack.pods_of(name)} for name in before}
    rotated = stack.sophia("secrets", "rotate", "automation.n8n_encryption_key", "--json")
    assert rotated.code == 0, rotated.said
    up = stack.sophia("up", "--json")
    assert up.code == 0, up.said
    assert up.json()["changes"]["update"] == 2
    after = _checksums(stack)
    changed = {name for name, checksum in before.items() if after[name] != checksum}
    assert changed == {"n8n-main", "n8n-worker"}

    def pods_are_new() -> bool:
        pods = stack.pods_of("n8n-main")
        return len(pods) == 2 and not {pod["metadata"]["name"] for pod in pods} & names["n8n-main"]

    stack.plane.wait_for(pods_are_new)
    assert {pod["metadata"]["name"] for pod in stack.pods_of("mcp-slack")} == names["mcp-slack"]


def test_down_leaves_nothing_in_the_cluster(stack: WholeStack) -> None:
    down = stack.sophia("down", "--yes", "--keep-emulator", "--json")
    assert down.code == 0, down.said
    assert settled_leftovers(stack.plane, stack.before) == set()
    assert all(
        not any(key.startswith("workload.sophia.internal/") for key in labels)
        for labels in stack.node_labels().values()
    )


def _gpu_pod(name: str, gpu: str | None) -> dict[str, Any]:
    """A pod that keeps every rule, with one GPU of the type `gpu`."""
    return {
        "metadata": {"name": name, "labels": {"team": "test"}},
        "spec": {
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "nodeSelector": {GPU_LABEL: gpu} if gpu else {},
            "containers": [
                {
                    "name": "main",
                    "image": "sophia/test:1.0.0",
                    "resources": {
                        "requests": {"cpu": "100m", "memory": "64Mi", GPU: "1"},
                        "limits": {"cpu": "100m", "memory": "64Mi", GPU: "1"},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }


def _used_gpus(stack: WholeStack) -> str:
    quota = stack.plane.request("GET", f"/api/v1/namespaces/{NAMESPACE}/resourcequotas/gpu-quota")
    return str(quota["status"]["used"]["requests.nvidia.com/gpu"])


def _on(stack: WholeStack, node: str) -> list[dict[str, Any]]:
    return [pod for pod in stack.pods() if pod["spec"].get("nodeName") == node]


def _wait_until_placed(stack: WholeStack) -> None:
    stack.plane.wait_for(lambda: all(pod["spec"].get("nodeName") for pod in stack.pods()))


def _drainable(stack: WholeStack) -> str:
    """The busiest node without a Deployment's disk: local storage moves with no pod, so such a pod waits."""
    by_node: dict[str, list[dict[str, Any]]] = {}
    for pod in stack.pods():
        by_node.setdefault(pod["spec"]["nodeName"], []).append(pod)
    fit = {
        node: len(pods)
        for node, pods in by_node.items()
        if not any(
            "persistentVolumeClaim" in volume
            for pod in pods
            if "statefulset.kubernetes.io/pod-name" not in pod["metadata"]["labels"]
            for volume in pod["spec"]["volumes"]
        )
    }
    return max(fit, key=lambda node: fit[node])


def _ready(stack: WholeStack, service: str) -> list[dict[str, Any]]:
    return [
        pod
        for pod in stack.pods_of(service)
        if any(
            row["type"] == "Ready" and row["status"] == "True" for row in pod["status"].get("conditions", [])
        )
    ]


def _evict(stack: WholeStack, pod: str) -> None:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": NAMESPACE}}
    stack.plane.request("POST", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction", body)


def _budgets_hold(stack: WholeStack) -> bool:
    budgets = stack.plane.request("GET", "/apis/policy/v1/poddisruptionbudgets")["items"]
    return all(row["status"]["currentHealthy"] >= row["status"]["desiredHealthy"] for row in budgets)


def _checksums(stack: WholeStack) -> dict[str, str]:
    found = {}
    for plural in ("deployments", "statefulsets"):
        for item in stack.plane.request("GET", f"/apis/apps/v1/{plural}")["items"]:
            checksum = item["spec"]["template"]["metadata"].get("annotations", {}).get(CHECKSUM)
            if checksum:
                found[item["metadata"]["name"]] = checksum
    return found
