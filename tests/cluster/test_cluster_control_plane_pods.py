"""What the simulated machines do with pods: the scheduler, the controllers and admission are real."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sophia_infra.control_plane.api_client import MERGE
from sophia_infra.control_plane.components import LEASE_DURATION_S
from sophia_infra.control_plane.errors import RequestRefused
from tests.cluster.plane import Plane


def deployment(name: str, **pod: Any) -> dict[str, Any]:
    labels = {"app": name}
    annotations = pod.pop("annotations", {})
    container = {"name": "main", "image": "example.test/a:1", **pod.pop("container", {})}
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {"containers": [container], **pod},
            },
        },
    }


def available(plane: Plane, namespace: str, name: str) -> bool:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    return bool(plane.request("GET", path)["status"].get("availableReplicas"))


def pods(plane: Plane, namespace: str) -> list[dict[str, Any]]:
    return list(plane.request("GET", f"/api/v1/namespaces/{namespace}/pods")["items"])


def test_a_deployment_with_probes_becomes_available(plane: Plane, namespace: str) -> None:
    probe = {"httpGet": {"path": "/health", "port": 8000}}
    container = {"startupProbe": probe, "readinessProbe": probe, "livenessProbe": probe}
    body = deployment(
        "web", container=container, initContainers=[{"name": "first", "image": "example.test/b:1"}]
    )
    plane.request("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", body)
    plane.wait_for(lambda: available(plane, namespace, "web"))
    (pod,) = pods(plane, namespace)
    (status,) = pod["status"]["containerStatuses"]
    assert (status["ready"], status["started"], status["restartCount"]) == (True, True, 0)
    assert pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    assert {row["type"]: row["status"] for row in pod["status"]["conditions"]} == {
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "Ready": "True",
        "ContainersReady": "True",
        "PodScheduled": "True",
    }
    assert pod["status"]["podIP"].startswith("10.244.")


def simulated(how: str) -> dict[str, str]:
    return {"sophia.internal/simulate": how}


def create_job(plane: Plane, namespace: str, name: str, annotations: dict[str, str]) -> str:
    container = {"name": "main", "image": "example.test/a:1"}
    template = {
        "metadata": {"annotations": annotations},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
    body = {"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": template}}
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    plane.request("POST", path, body)
    return f"{path}/{name}"


def test_a_job_succeeds_fails_or_runs_as_its_annotation_says(plane: Plane, namespace: str) -> None:
    path = create_job(plane, namespace, "good", {})
    failing = create_job(plane, namespace, "bad", simulated("crash"))
    running = create_job(plane, namespace, "long", simulated("hold"))
    plane.wait_for(lambda: plane.request("GET", path)["status"].get("succeeded") == 1)
    plane.wait_for(lambda: plane.request("GET", failing)["status"].get("failed") == 1)
    plane.wait_for(lambda: plane.request("GET", running)["status"].get("ready") == 1)
    assert "succeeded" not in plane.request("GET", running)["status"]
    kinds = {row["type"] for row in plane.request("GET", path)["status"]["conditions"]}
    assert "Complete" in kinds


def test_a_pod_that_shall_not_get_ready_keeps_its_deployment_waiting(plane: Plane, namespace: str) -> None:
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    plane.request("POST", deployments, deployment("slow", annotations=simulated("never-ready")))
    plane.request("POST", deployments, deployment("broken", annotations=simulated("crash")))
    plane.wait_for(lambda: sum(pod["status"]["phase"] == "Running" for pod in pods(plane, namespace)) == 2)
    states = {
        pod["metadata"]["labels"]["app"]: pod["status"]["containerStatuses"][0]
        for pod in pods(plane, namespace)
    }
    assert states["broken"]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert states["slow"]["state"]["running"]
    assert not available(plane, namespace, "slow")
    assert not available(plane, namespace, "broken")


def test_a_deleted_pod_goes_and_another_comes(plane: Plane, namespace: str) -> None:
    plane.request("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment("web"))
    plane.wait_for(lambda: available(plane, namespace, "web"))
    (before,) = pods(plane, namespace)
    plane.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/{before['metadata']['name']}")
    plane.wait_for(
        lambda: (
            [pod["metadata"]["uid"] for pod in pods(plane, namespace)] != [before["metadata"]["uid"]]
            and available(plane, namespace, "web")
        )
    )


def test_gpus_and_architecture_decide_where_a_pod_lands(plane: Plane, namespace: str) -> None:
    def place(name: str, gpu: str, **pod: Any) -> None:
        container = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
        body = deployment(name, container=container, nodeSelector={"sophia.internal/gpu": gpu}, **pod)
        plane.request("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", body)

    tolerated = [{"key": "kubernetes.io/arch", "operator": "Equal", "value": "arm64", "effect": "NoSchedule"}]
    place("arm", "gh200", tolerations=tolerated)
    place("amd", "a100")
    place("refused", "gh200")
    plane.wait_for(lambda: available(plane, namespace, "arm") and available(plane, namespace, "amd"))

    def why_pending() -> str | None:
        for pod in pods(plane, namespace):
            for row in pod["status"].get("conditions", ()):
                if pod["metadata"]["labels"]["app"] == "refused" and row["type"] == "PodScheduled":
                    return str(row["message"])
        return None

    message = plane.wait_for(why_pending)
    assert "had untolerated taint(s)" in message
    where = {pod["metadata"]["labels"]["app"]: pod["spec"].get("nodeName") for pod in pods(plane, namespace)}
    assert where == {"arm": "sophia-ai-core", "amd": "sophia-data-pipeline", "refused": None}


def test_quota_and_pod_security_are_the_real_ones(plane: Plane, namespace: str) -> None:
    quota = {"metadata": {"name": "gpus"}, "spec": {"hard": {"requests.nvidia.com/gpu": "1"}}}
    plane.request("POST", f"/api/v1/namespaces/{namespace}/resourcequotas", quota)
    resources = {"limits": {"nvidia.com/gpu": "2"}, "requests": {"nvidia.com/gpu": "2"}}
    pod = {
        "metadata": {"name": "greedy"},
        "spec": {"containers": [{"name": "main", "image": "example.test/a:1", "resources": resources}]},
    }
    path = f"/api/v1/namespaces/{namespace}/pods"
    quotas = f"/api/v1/namespaces/{namespace}/resourcequotas/gpus"
    plane.wait_for(lambda: plane.request("GET", quotas).get("status", {}).get("hard"))
    said = plane.wait_for(lambda: _refusal(plane, path, pod))
    assert "exceeded quota: gpus, requested: requests.nvidia.com/gpu=2" in said
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    plane.request("PATCH", f"/api/v1/namespaces/{namespace}", label, content_type=MERGE)
    pod["spec"] = {"containers": [{"name": "main", "image": "example.test/a:1"}]}
    said = plane.wait_for(lambda: _refusal(plane, path, pod))
    assert 'violates PodSecurity "restricted:latest"' in said


def _refusal(plane: Plane, path: str, pod: Mapping[str, Any]) -> str | None:
    """What admission says: it hears of a new quota or label a moment after the server has it."""
    try:
        plane.request("POST", path, pod, dryRun="All")
    except RequestRefused as error:
        return str(error)
    return None


def create_claim(plane: Plane, namespace: str, reclaim: str, modes: list[str]) -> str:
    """A StorageClass of the namespace's own, a claim of it, and a pod that mounts the claim."""
    storage_class = {
        "metadata": {"name": namespace},
        "provisioner": "rancher.io/local-path",
        "reclaimPolicy": reclaim,
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    plane.request("POST", "/apis/storage.k8s.io/v1/storageclasses", storage_class)
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "storageClassName": namespace,
            "accessModes": modes,
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    plane.request("POST", claims, claim)
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    mounts = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    body = deployment("db", container=mounts, volumes=volumes)
    plane.request("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", body)
    return f"{claims}/data"


@pytest.mark.parametrize(("reclaim", "left"), [("Delete", []), ("Retain", ["Released"])])
def test_a_claim_is_bound_on_the_node_of_its_pod(
    plane: Plane, namespace: str, reclaim: str, left: list[str]
) -> None:
    path = create_claim(plane, namespace, reclaim, ["ReadWriteOnce"])
    plane.wait_for(lambda: available(plane, namespace, "db"))
    claim = plane.request("GET", path)
    assert claim["status"]["phase"] == "Bound"
    assert claim["status"]["capacity"] == {"storage": "1Gi"}
    name = claim["spec"]["volumeName"]
    (pod,) = pods(plane, namespace)
    (term,) = volume_of(plane, name)[0]["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0]["values"] == [pod["spec"]["nodeName"]]
    plane.request(
        "DELETE", f"/apis/apps/v1/namespaces/{namespace}/deployments/db", propagationPolicy="Foreground"
    )
    plane.request("DELETE", path)
    plane.wait_for(lambda: [row["status"]["phase"] for row in volume_of(plane, name)] == left)
    for row in volume_of(plane, name):
        plane.request("DELETE", f"/api/v1/persistentvolumes/{row['metadata']['name']}")
    plane.request("DELETE", f"/apis/storage.k8s.io/v1/storageclasses/{namespace}")


def test_a_claim_for_many_nodes_stays_pending_with_an_event(plane: Plane, namespace: str) -> None:
    path = create_claim(plane, namespace, "Delete", ["ReadWriteMany"])
    events = f"/api/v1/namespaces/{namespace}/events"

    def refused() -> list[str]:
        rows = plane.request("GET", events)["items"]
        return [row["message"] for row in rows if row["reason"] == "ProvisioningFailed"]

    (message,) = plane.wait_for(refused)
    assert message == "rancher.io/local-path has ReadWriteOnce and ReadWriteOncePod, not ReadWriteMany"
    assert plane.request("GET", path)["status"]["phase"] == "Pending"
    plane.request("DELETE", f"/apis/storage.k8s.io/v1/storageclasses/{namespace}")


def volume_of(plane: Plane, name: str) -> list[dict[str, Any]]:
    rows = plane.request("GET", "/api/v1/persistentvolumes")["items"]
    return [row for row in rows if row["metadata"]["name"] == name]


def test_heartbeats_keep_nodes_alive(plane: Plane) -> None:
    path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/sophia-ai-core"
    first = plane.wait_for(lambda: plane.request("GET", path)["spec"]["renewTime"])
    plane.wait_for(lambda: plane.request("GET", path)["spec"]["renewTime"] != first)
    assert plane.request("GET", path)["spec"]["leaseDurationSeconds"] == LEASE_DURATION_S
