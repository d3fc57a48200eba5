"""What is waited for, how a wait ends, and that the next run goes on where this one stopped."""

from __future__ import annotations

import threading
import time

import pytest

from sophia_infra.engine.cancellation import Cancellation
from sophia_infra.engine.errors import UpdateCancelled, UpdateFailed
from sophia_infra.engine.events import Event, ResourceStarted
from tests.cluster.plane import Plane
from tests.cluster.plugin_fixtures import config_map, deployment, engine, stack
from tests.cluster.plugin_project import PluginProject, row

__all__ = ["engine", "stack"]

pytestmark = pytest.mark.engine

NOWHERE = {"nodeSelector": {"sophia.internal/gpu": "none-such"}}


def test_a_pod_that_fits_no_node_says_why_and_the_next_run_finishes(
    stack: PluginProject, plane: Plane, namespace: str
) -> None:
    stack.write(row("apps/v1:Deployment", "web", deployment(namespace, pod=NOWHERE), timeout="4s"))
    text = stack.refused()
    assert "not ready after 4 s: 0 of 2 replicas are available" in text
    assert "0/5 nodes are available" in text
    assert stack.resources()["web"]["id"] == f"{namespace}/web"  # recorded, with its errors
    assert stack.resources()["web"]["initErrors"]

    stack.write(row("apps/v1:Deployment", "web", deployment(namespace), timeout="60s"))
    assert stack.up().changes["update"] == 1
    assert stack.up(expect_no_changes=True)


def test_kinds_that_settle_by_themselves(stack: PluginProject, plane: Plane, namespace: str) -> None:
    container = {"name": "main", "image": "registry.example/job:1"}
    labels = {"app": "db"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    stateful = {
        "metadata": {"name": "db", "namespace": namespace},
        "spec": {
            "serviceName": "db",
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": template,
        },
    }
    daemon = {
        "metadata": {"name": "agent", "namespace": namespace},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    claim = {
        "metadata": {"name": "data", "namespace": namespace},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": f"later-{namespace}",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    storage = {
        "metadata": {"name": f"later-{namespace}"},
        "provisioner": "example.com/none",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    suspended = {
        "metadata": {"name": "train", "namespace": namespace},
        "spec": {
            "suspend": True,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }
    stack.write(
        row("storage.k8s.io/v1:StorageClass", "later", storage),
        row("core/v1:PersistentVolumeClaim", "data", claim, after=["later"], timeout="20s"),
        row("apps/v1:StatefulSet", "db", stateful, timeout="60s"),
        row("apps/v1:DaemonSet", "agent", daemon, timeout="60s"),
        row("batch/v1:Job", "train", suspended, timeout="20s"),
    )
    stack.up()
    assert (
        plane.request("GET", f"/apis/apps/v1/namespaces/{namespace}/statefulsets/db")["status"][
            "readyReplicas"
        ]
        == 2
    )
    assert stack.up(expect_no_changes=True)


def test_a_definition_and_its_objects_come_in_one_run(
    stack: PluginProject, plane: Plane, namespace: str
) -> None:
    group = f"{namespace}.example.com"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    definition = {
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            ],
        },
    }
    thing = {"metadata": {"name": "one", "namespace": namespace}, "spec": {"size": 3}}
    stack.write(
        row("apiextensions.k8s.io/v1:CustomResourceDefinition", "definition", definition),
        row(f"{group}/v1:Thing", "one", thing, after=["definition"]),
    )
    assert {step.op for step in stack.preview()} == {"create"}
    stack.up()
    assert plane.request("GET", f"/apis/{group}/v1/namespaces/{namespace}/things/one")["spec"] == {"size": 3}
    assert stack.up(expect_no_changes=True)
    stack.destroy()


def test_skip_await_and_the_annotation_for_the_timeout(stack: PluginProject, namespace: str) -> None:
    skipping, hasty = (
        deployment(namespace, "skipping", pod=NOWHERE),
        deployment(namespace, "hasty", pod=NOWHERE),
    )
    skipping["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    hasty["metadata"]["annotations"] = {"pulumi.com/timeoutSeconds": "3"}
    stack.write(row("apps/v1:Deployment", "skipping", skipping), row("apps/v1:Deployment", "hasty", hasty))
    text = stack.refused()
    assert "not ready after 3 s" in text
    assert "skipping" not in text


def test_a_stopped_run_ends_its_waits_and_is_finished_by_the_next(
    stack: PluginProject, plane: Plane, namespace: str
) -> None:
    stack.write(row("apps/v1:Deployment", "web", deployment(namespace, pod=NOWHERE)))
    cancellation = Cancellation()

    def stop_when_waiting(event: Event) -> None:
        if isinstance(event, ResourceStarted) and event.step.name == "web":
            threading.Timer(2.0, cancellation.request).start()

    started = time.monotonic()
    with pytest.raises((UpdateCancelled, UpdateFailed)):
        stack.run("up", on_event=stop_when_waiting, cancellation=cancellation)
    assert time.monotonic() - started < 60  # and not the ten minutes of the wait
    stack.write(row("apps/v1:Deployment", "web", deployment(namespace)))
    stack.up()
    assert stack.up(expect_no_changes=True)


def test_a_run_that_was_killed_after_the_request_finds_its_object_again(
    stack: PluginProject, plane: Plane, namespace: str
) -> None:
    """As if the engine died between the server's answer and its own record: the state forgets the object."""
    stack.write(row("core/v1:ConfigMap", "settings", config_map(namespace)))
    stack.up()
    uid = plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/settings")["metadata"]["uid"]
    for file in (stack.home.state / ".pulumi" / "stacks").rglob("local.json*"):
        file.unlink()
    stack.up()
    assert (
        plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/settings")["metadata"]["uid"] == uid
    )


def test_deletion_that_hangs_says_on_what(stack: PluginProject, plane: Plane, namespace: str) -> None:
    stuck = config_map(namespace)
    stuck["metadata"]["finalizers"] = ["example.com/keep"]
    stack.write(row("core/v1:ConfigMap", "settings", stuck, timeout="3s"))
    stack.up()
    text = stack.refused("destroy")
    assert "configmaps settings is still there 3 s after its deletion: finalizers example.com/keep" in text
    plane.kubectl(
        "patch",
        "configmap",
        "settings",
        "-n",
        namespace,
        "--type=json",
        '-p=[{"op":"remove","path":"/metadata/finalizers"}]',
    )
    stack.destroy()
