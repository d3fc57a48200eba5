"""Autoscalers before the real API server and its controller: what they compute, and the adapter's rights."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.manifests.autoscaling import autoscaler
from tests.cluster.custom_metrics import serving_custom_metrics
from tests.cluster.manifest_probes import apply
from tests.cluster.plane import Plane
from tests.unit.manifests.sites import Site, site_of
from tests.unit.manifests.test_manifest_prometheus_adapter import PLAN_METRICS, section

ROW = "sophia-ai-core"
HPA = "sophia-ai-hpa"
AUTHORITIES = "extension-apiserver-authentication"
TWO_SYNCS_S = 60.0
"""The controller looks every 15 s, and learns of a new API in as many."""


@pytest.fixture(scope="module")
def site() -> Site:
    return site_of(section())


def deployment(namespace: str) -> dict[str, Any]:
    """Pods that kwok calls running, under the name of the row."""
    labels = {"app.kubernetes.io/name": ROW}
    container = {"name": "a", "image": "a/b:1", "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": ROW, "namespace": namespace},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def plans_hpa(site: Site, namespace: str) -> dict[str, Any]:
    """The object as the stack has it, where the fleet has four such GPUs; without the wait of 30 s."""
    (made,) = autoscaler(ROW, site.kube.workloads[ROW], 4, ())
    body = copy.deepcopy(made.body)
    assert body["metadata"]["name"] == HPA
    assert body["spec"]["metrics"] == PLAN_METRICS
    body["metadata"]["namespace"] = namespace
    body["spec"]["behavior"]["scaleUp"]["stabilizationWindowSeconds"] = 0
    return body


def test_the_plans_autoscaler_adds_a_pod_by_the_gpu_use_that_the_cluster_serves(
    plane: Plane, namespace: str, tmp_path: Path, site: Site
) -> None:
    pods_path = f"/api/v1/namespaces/{namespace}/pods"

    def pod_names() -> list[str]:
        rows = plane.request("GET", pods_path)["items"]
        return [row["metadata"]["name"] for row in rows if row["status"]["phase"] == "Running"]

    apply(plane, [deployment(namespace)])
    plane.wait_for(lambda: len(pod_names()) == 2)
    path = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers/{HPA}"
    with serving_custom_metrics(plane, namespace, tmp_path, lambda: dict.fromkeys(pod_names(), 95)):
        apply(plane, [plans_hpa(site, namespace)])
        plane.wait_for(partial(_asks_for, plane, path, 3), TWO_SYNCS_S)
        status = plane.request("GET", path)["status"]
        (current,) = status["currentMetrics"]
        assert current["pods"]["metric"]["name"] == "gpu_utilization"
        assert current["pods"]["current"]["averageValue"] == "95"
        plane.wait_for(lambda: len(pod_names()) == 3)


def _asks_for(plane: Plane, path: str, pods: int) -> bool:
    return bool(plane.request("GET", path).get("status", {}).get("desiredReplicas") == pods)


@pytest.mark.parametrize(
    ("verb", "resource", "further", "may"),
    [
        ("list", "pods", {"namespace": "sophia-ai-prod"}, True),
        ("create", "subjectaccessreviews", {"group": "authorization.k8s.io"}, True),
        ("create", "tokenreviews", {"group": "authentication.k8s.io"}, True),
        ("get", "configmaps", {"namespace": "kube-system", "name": AUTHORITIES}, True),
        ("get", "configmaps", {"namespace": "sophia-ai-prod"}, False),
        ("list", "secrets", {"namespace": "sophia-ai-prod"}, False),
        ("delete", "pods", {"namespace": "sophia-ai-prod"}, False),
        ("create", "pods", {"namespace": "sophia-ai-prod", "subresource": "exec"}, False),
        ("update", "deployments", {"namespace": "sophia-ai-prod", "group": "apps"}, False),
    ],
)
def test_the_adapter_may_do_what_it_needs_and_no_more(
    with_rights: Plane, verb: str, resource: str, further: dict[str, str], may: bool
) -> None:
    spec = {
        "user": "system:serviceaccount:prometheus-adapter:prometheus-adapter",
        "groups": ["system:serviceaccounts", "system:authenticated"],
        "resourceAttributes": {"verb": verb, "resource": resource, **further},
    }
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    assert with_rights.request("POST", path, body)["status"]["allowed"] is may


@pytest.fixture(scope="module")
def with_rights(plane: Plane, site: Site) -> Plane:
    kinds = ("ClusterRole", "ClusterRoleBinding", "RoleBinding")
    bodies = [body for kind in kinds for body in site.of(kind) if "adapter" in body["metadata"]["name"]]
    assert len(bodies) == 4
    apply(plane, bodies)
    return plane
