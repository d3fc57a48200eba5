"""Rotation on a real API server: the consumer's pods restart, and the next apply is no conflict."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from sophia_infra.charts import custom_resource_definitions
from sophia_infra.kubernetes_plugin.connection import Connection
from sophia_infra.kubernetes_plugin.kubeconfig import load_kubeconfig
from sophia_infra.operations.secrets import Consumer
from sophia_infra.operations.secrets_cluster import CHECKSUM_ANNOTATION, FIELD_MANAGER, SecretsCluster
from tests.cluster.plane import Plane

EXTERNAL_SECRET: dict[str, Any] = {
    "apiVersion": "external-secrets.io/v1",
    "kind": "ExternalSecret",
    "metadata": {"name": "api"},
    "spec": {
        "secretStoreRef": {"kind": "ClusterSecretStore", "name": "pulumi-esc-store"},
        "target": {"name": "api"},
        "data": [{"secretKey": "KEY", "remoteRef": {"key": "ai.key"}}],
    },
}
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "api", "labels": {"team": "ai", "app.kubernetes.io/name": "api"}},
    "spec": {
        "replicas": 2,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "selector": {"matchLabels": {"app.kubernetes.io/name": "api"}},
        "template": {
            "metadata": {
                "labels": {"app.kubernetes.io/name": "api"},
                "annotations": {"sophia.internal/architectures": "amd64", CHECKSUM_ANNOTATION: "old"},
            },
            "spec": {
                "automountServiceAccountToken": False,
                "tolerations": [{"key": "kubernetes.io/arch", "operator": "Exists", "effect": "NoSchedule"}],
                "topologySpreadConstraints": [
                    {
                        "maxSkew": 1,
                        "topologyKey": "kubernetes.io/hostname",
                        "whenUnsatisfiable": "ScheduleAnyway",
                        "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "api"}},
                    }
                ],
                "containers": [
                    {
                        "name": "api",
                        "image": "example.test/api:1.2.3",
                        "args": ["--port", "8000", "--port", "9000"],
                        "ports": [{"name": "http", "containerPort": 8000}],
                        "env": [
                            {"name": "A", "value": "1"},
                            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "api", "key": "KEY"}}},
                        ],
                        "resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "1Gi"}},
                        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
                    }
                ],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            },
        },
    },
}


def deployment(checksum: str) -> dict[str, Any]:
    body = copy.deepcopy(DEPLOYMENT)
    body["spec"]["template"]["metadata"]["annotations"][CHECKSUM_ANNOTATION] = checksum
    return body


def pods(plane: Plane, namespace: str, checksum: str) -> list[str]:
    """Names of the running pods of that checksum."""
    found = plane.request("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
    return [
        pod["metadata"]["name"]
        for pod in found
        if pod["metadata"]["annotations"].get(CHECKSUM_ANNOTATION) == checksum
        and pod["status"].get("phase") == "Running"
        and "deletionTimestamp" not in pod["metadata"]
    ]


@pytest.fixture(scope="module")
def external_secrets(plane: Plane) -> Iterator[None]:
    """The kind is served while this module runs; no operator runs."""
    root = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    [definition] = [
        one
        for one in custom_resource_definitions("external-secrets.io")
        if one["spec"]["names"]["kind"] == "ExternalSecret"
    ]
    path = f"{root}/{definition['metadata']['name']}"
    plane.apply(path, definition)
    plane.wait_for(lambda: _condition(plane.request("GET", path), "Established"))
    yield
    plane.request("DELETE", path)
    plane.wait_for(lambda: path.rpartition("/")[2] not in str(plane.request("GET", root)["items"]))


def _condition(body: dict[str, Any], kind: str) -> bool:
    rows = body.get("status", {}).get("conditions") or ()
    return any(row["type"] == kind and row["status"] == "True" for row in rows)


@pytest.fixture
def cluster(plane: Plane) -> SecretsCluster:
    connection = Connection(load_kubeconfig(str(plane.kubeconfig)))
    return SecretsCluster(connection, monotonic=time.monotonic, sleep=time.sleep)


def test_a_new_checksum_restarts_the_consumer_and_the_next_apply_of_the_program_is_no_conflict(
    plane: Plane, namespace: str, cluster: SecretsCluster
) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/api"
    patch = {"content_type": "application/apply-patch+yaml", "fieldManager": FIELD_MANAGER}
    plane.request("PATCH", path, deployment("old"), **patch)
    plane.wait_for(lambda: len(pods(plane, namespace, "old")) == 2)
    before = plane.request("GET", path)
    consumer = Consumer("api", "Deployment", namespace, ("ai.key",))

    assert cluster.mark(consumer, "new", dry_run=True).outcome == "restarts"
    assert plane.request("GET", path)["metadata"]["generation"] == before["metadata"]["generation"]
    assert cluster.mark(consumer, "new").outcome == "restarts"

    plane.wait_for(lambda: len(pods(plane, namespace, "new")) == 2 and not pods(plane, namespace, "old"))
    after = plane.request("GET", path)
    after["spec"]["template"]["metadata"]["annotations"][CHECKSUM_ANNOTATION] = "old"
    assert after["spec"] == before["spec"]
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    assert cluster.mark(consumer, "new").outcome == "unchanged"

    generation = after["metadata"]["generation"]
    plane.request("PATCH", path, deployment("new"), **patch)
    assert plane.request("GET", path)["metadata"]["generation"] == generation
    plane.request("PATCH", path, deployment("newer"), **patch)
    plane.wait_for(lambda: len(pods(plane, namespace, "newer")) == 2)


@pytest.mark.usefixtures("external_secrets")
def test_the_operator_is_asked_to_read_again_and_nothing_else_changes(
    plane: Plane, namespace: str, cluster: SecretsCluster
) -> None:
    path = f"/apis/external-secrets.io/v1/namespaces/{namespace}/externalsecrets/api"
    plane.apply(path, EXTERNAL_SECRET, FIELD_MANAGER)
    before = plane.request("GET", path)
    found = cluster.external_secrets([namespace])
    assert [(one.name, one.ready) for one in found] == [("api", None)]
    cluster.force_sync(found, datetime.now(UTC))
    after = plane.request("GET", path)
    assert after["metadata"]["annotations"].keys() == {"force-sync"}
    assert after["spec"] == before["spec"]
    assert cluster.wait_for_sync(found, 0.0) == set()


def test_a_cluster_without_the_kind_has_no_external_secrets(cluster: SecretsCluster) -> None:
    assert cluster.external_secrets(["no-such-namespace"]) == []
