from __future__ import annotations

from typing import Any

import pytest

from sophia_infra.kubernetes_plugin.readiness import Progress, is_awaited, progress_of


def live(api_version: str, kind: str, spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "generation": 2}}
    return {**body, "spec": spec or {}, "status": {"observedGeneration": 2, **status}}


def condition(type_: str, status: str = "True", **further: str) -> dict[str, str]:
    return {"type": type_, "status": status, **further}


def deployment(spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    return live("apps/v1", "Deployment", {"replicas": 2} if spec is None else spec, **status)


@pytest.mark.parametrize(
    ("body", "pending"),
    [
        (deployment(updatedReplicas=2, replicas=2, availableReplicas=2), ""),
        (deployment(observedGeneration=1), "its controller has not seen it yet"),
        (deployment(updatedReplicas=1), "1 of 2 replicas are updated"),
        (deployment(updatedReplicas=2, replicas=3), "1 old replicas are not gone yet"),
        (deployment(updatedReplicas=2, replicas=2), "0 of 2 replicas are available"),
        (deployment({"replicas": 0}), ""),
        (deployment({"paused": True}), ""),
        (
            deployment(conditions=[condition("ReplicaFailure", message="exceeded quota: few")]),
            "0 of 2 replicas are updated: exceeded quota: few",
        ),
        (live("apps/v1", "StatefulSet", {"replicas": 2}, readyReplicas=1), "1 of 2 replicas are ready"),
        (
            live("apps/v1", "StatefulSet", {}, readyReplicas=1, currentRevision="a", updateRevision="b"),
            "0 of 1 replicas are updated",
        ),
        (live("apps/v1", "StatefulSet", {"updateStrategy": {"type": "OnDelete"}}), ""),
        (
            live("apps/v1", "DaemonSet", desiredNumberScheduled=2, updatedNumberScheduled=2),
            "0 of 2 pods are available",
        ),
        (live("apps/v1", "DaemonSet", desiredNumberScheduled=0), ""),
        (live("batch/v1", "Job", active=1), "0 of 1 completions, 1 active"),
        (live("batch/v1", "Job", conditions=[condition("Complete")]), ""),
        (live("batch/v1", "Job", {"suspend": True}), ""),
        (live("v1", "Pod", phase="Pending"), "the pod is Pending"),
        (live("v1", "Pod", phase="Running", conditions=[condition("Ready")]), ""),
        (live("v1", "Pod", phase="Succeeded"), ""),
        (live("v1", "Namespace", phase="Active"), ""),
        (live("v1", "Namespace", phase="Terminating"), "the namespace is Terminating"),
        (live("v1", "PersistentVolumeClaim", phase="Pending"), "the claim is Pending"),
        (live("v1", "PersistentVolumeClaim", phase="Bound"), ""),
        (live("apiextensions.k8s.io/v1", "CustomResourceDefinition"), "it is not established"),
        (
            live(
                "apiextensions.k8s.io/v1", "CustomResourceDefinition", conditions=[condition("Established")]
            ),
            "",
        ),
        (
            live(
                "apiregistration.k8s.io/v1",
                "APIService",
                conditions=[condition("Available", "False", message="m")],
            ),
            "m",
        ),
        (live("v1", "Service"), ""),
        (live("example.com/v1", "Deployment"), ""),
    ],
)
def test_what_is_missing(body: dict[str, Any], pending: str) -> None:
    assert progress_of(body) == Progress(pending)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            deployment(
                conditions=[
                    condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="late")
                ]
            ),
            "late",
        ),
        (live("batch/v1", "Job", conditions=[condition("Failed", message="too many")]), "too many"),
        (live("v1", "Pod", phase="Failed", reason="Evicted"), "Evicted"),
        (live("v1", "PersistentVolumeClaim", phase="Lost"), "the claim has lost its volume"),
        (
            live(
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                conditions=[condition("NamesAccepted", "False", message="taken")],
            ),
            "taken",
        ),
    ],
)
def test_what_will_not_get_better(body: dict[str, Any], reason: str) -> None:
    assert progress_of(body) == Progress(reason, failed=True)


def test_kinds_without_a_rule_are_not_awaited() -> None:
    assert is_awaited(deployment())
    assert not is_awaited(live("v1", "ConfigMap"))
