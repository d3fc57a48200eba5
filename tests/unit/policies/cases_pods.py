"""Cases of the rules about how pods are written, and of the rules about waivers."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sophia_policies.plain import Resource
from sophia_policies.waivers import Waiver

from tests.unit.policies.policy_cases import TODAY, UNKNOWN, Case, container, gpu, kube, root, workload


def one(kind: str = "Deployment", **spec: Any) -> Resource:
    return workload("web", [container(**spec)], kind=kind)


def pdb(labels: Any, namespace: str = "apps") -> Resource:
    return kube(
        "policy/v1:PodDisruptionBudget",
        "pdb",
        namespace=namespace,
        spec={"selector": {"matchLabels": labels}},
    )


def hpa(most: Any) -> Resource:
    target = {"kind": "Deployment", "name": "web"}
    return kube(
        "autoscaling/v2:HorizontalPodAutoscaler", "h", spec={"scaleTargetRef": target, "maxReplicas": most}
    )


def waiver(expires: date) -> Waiver:
    return Waiver("probes", "web", "ml@example.com", "no health page yet", expires)


NO_LIMITS = {"requests": {"cpu": "1", "memory": "1Gi"}}
UNKNOWN_SPEC = workload(containers=UNKNOWN)
PODS_CANNOT_TELL = [("cannot_tell", "containers")]

RESOURCES = (
    Case("requests-and-limits", "pass", "both", [one()]),
    Case(
        "requests-and-limits",
        "fail",
        "no limits",
        [one(resources=NO_LIMITS)],
        [("violation", "no limits of cpu"), ("violation", "no limits of memory")],
    ),
    Case("requests-and-limits", "boundary", "own lists", [one(resources=NO_LIMITS)], settings={"limits": []}),
    Case(
        "requests-and-limits",
        "unknown",
        "an unknown limit",
        [one(resources={**NO_LIMITS, "limits": UNKNOWN})],
        [("cannot_tell", "limits of cpu"), ("cannot_tell", "limits of memory")],
    ),
    Case("requests-and-limits", "unknown", "unknown containers", [UNKNOWN_SPEC], PODS_CANNOT_TELL),
    Case("gpu-requests", "pass", "whole and equal", [one(resources=gpu("1"))]),
    Case("gpu-requests", "pass", "none", [one()]),
    Case(
        "gpu-requests",
        "fail",
        "a fraction",
        [one(resources=gpu("0.5"))],
        [("violation", "0.5; GPUs are whole")],
    ),
    Case(
        "gpu-requests",
        "fail",
        "request below limit",
        [one(resources={"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": 2}})],
        [("violation", "request 1 is not its limit 2")],
    ),
    Case(
        "gpu-requests",
        "boundary",
        "a limit alone is enough, as number or text",
        [
            one(resources={"limits": {"nvidia.com/gpu": 1}}),
            one(resources={"limits": {"nvidia.com/gpu": "1"}}),
        ],
    ),
    Case(
        "gpu-requests",
        "boundary",
        "a request alone is not",
        [one(resources={"requests": {"nvidia.com/gpu": 1}})],
        [("violation", "a request and no limit")],
    ),
    Case(
        "gpu-requests",
        "unknown",
        "unknown",
        [one(resources=gpu(UNKNOWN))],
        [("cannot_tell", "nvidia.com/gpu")],
    ),
)

SECURITY = (
    Case("non-root", "pass", "in the container", [one()]),
    Case(
        "non-root",
        "boundary",
        "in the pod",
        [workload("web", [container(securityContext=None)], securityContext={"runAsNonRoot": True})],
    ),
    Case("non-root", "boundary", "by a user number alone", [one(securityContext={"runAsUser": 1000})]),
    Case("non-root", "fail", "nowhere", [one(securityContext=None)], [("violation", "may run as root")]),
    Case(
        "non-root",
        "fail",
        "user 0, whatever else stands there",
        [one(securityContext={"runAsNonRoot": True, "runAsUser": 0})],
        [("violation", "runAsUser 0")],
    ),
    Case(
        "non-root",
        "unknown",
        "unknown user",
        [one(securityContext={"runAsNonRoot": True, "runAsUser": UNKNOWN})],
        [("cannot_tell", "user")],
    ),
    Case("non-root", "unknown", "unknown containers", [UNKNOWN_SPEC], PODS_CANNOT_TELL),
    Case("read-only-root", "pass", "read-only", [one()]),
    Case("read-only-root", "fail", "not set", [one(securityContext={})], [("violation", "can write")]),
    Case(
        "read-only-root",
        "boundary",
        "false",
        [one(securityContext={"readOnlyRootFilesystem": False})],
        [("violation", "can write")],
    ),
    Case(
        "read-only-root",
        "unknown",
        "unknown",
        [one(securityContext={"readOnlyRootFilesystem": UNKNOWN})],
        [("cannot_tell", "readOnlyRootFilesystem")],
    ),
    Case("probes", "pass", "both", [one()]),
    Case("probes", "fail", "no readiness", [one(readinessProbe=None)], [("violation", "no readinessProbe")]),
    Case("probes", "boundary", "a Job needs none", [one("Job", readinessProbe=None, livenessProbe=None)]),
    Case(
        "probes",
        "boundary",
        "an init container needs none",
        [workload(initContainers=[container("init", readinessProbe=None, livenessProbe=None)])],
    ),
    Case("probes", "unknown", "unknown", [one(livenessProbe=UNKNOWN)], [("cannot_tell", "livenessProbe")]),
)

AVAILABILITY = (
    Case("disruption-budget", "pass", "covered", [workload(replicas=2), pdb({"app": "web"})]),
    Case("disruption-budget", "boundary", "one replica needs none", [workload(replicas=1)]),
    Case("disruption-budget", "fail", "two", [workload(replicas=2)], [("violation", "up to 2 replicas")]),
    Case(
        "disruption-budget",
        "fail",
        "by an autoscaler",
        [workload(), hpa(3)],
        [("violation", "up to 3 replicas")],
    ),
    Case(
        "disruption-budget",
        "boundary",
        "another namespace, and labels of others, do not cover",
        [workload(replicas=2), pdb({"app": "web"}, "other"), pdb({"app": "api"})],
        [("violation", "web has up to 2")],
    ),
    Case(
        "disruption-budget",
        "unknown",
        "replicas",
        [workload(replicas=UNKNOWN)],
        [("cannot_tell", "replicas of web")],
    ),
    Case(
        "disruption-budget",
        "unknown",
        "selector",
        [workload(replicas=2), pdb(UNKNOWN)],
        [("cannot_tell", "whether a PodDisruptionBudget covers web")],
    ),
)

LABELS = (
    Case("label-values", "pass", "valid ones", [workload(nodeSelector={"gpu": "gh200"})]),
    Case(
        "label-values",
        "fail",
        "the plan's comma",
        [workload(nodeSelector={"workload": "training,large-inference"})],
        [("violation", "'training,large-inference'")],
    ),
    Case("label-values", "boundary", "63 characters", [workload(labels={"a": "x" * 63})]),
    Case(
        "label-values",
        "boundary",
        "64",
        [workload(labels={"a": "x" * 64})],
        [("violation", "labels of the pods")],
    ),
    Case("label-values", "boundary", "empty is valid", [workload(labels={"a": ""})]),
    Case(
        "label-values",
        "unknown",
        "one",
        [workload(labels={"a": UNKNOWN})],
        [("cannot_tell", "a is not known")],
    ),
    Case(
        "label-values", "unknown", "all", [workload(nodeSelector=UNKNOWN)], [("cannot_tell", "nodeSelector")]
    ),
    Case("object-names", "pass", "lower case", [kube("core/v1:Service", "web-1.a")]),
    Case("object-names", "fail", "capitals", [kube("core/v1:Service", "Web")], [("violation", "'Web'")]),
    Case(
        "object-names",
        "boundary",
        "a hyphen at the end",
        [kube("core/v1:Service", "web-")],
        [("violation", "web-")],
    ),
    Case(
        "object-names",
        "boundary",
        "a role with colons",
        [kube("rbac.authorization.k8s.io/v1:Role", "system:a")],
    ),
    Case(
        "object-names",
        "unknown",
        "made up by the engine",
        [kube("core/v1:Service", "web", metadata={"name": UNKNOWN})],
        [("cannot_tell", "name")],
    ),
    Case("cost-labels", "pass", "labelled", [workload()]),
    Case("cost-labels", "fail", "none", [workload(labels={})], [("violation", "no label team")]),
    Case(
        "cost-labels",
        "boundary",
        "an empty one is none",
        [workload(labels={"team": ""})],
        [("violation", "team")],
    ),
    Case("cost-labels", "unknown", "unknown", [workload(labels=UNKNOWN)], [("cannot_tell", "labels")]),
    Case(
        "cost-labels", "unknown", "one", [workload(labels={"team": UNKNOWN})], [("cannot_tell", "label team")]
    ),
)

# Waivers are read from a file of the checkout: nothing about them is unknown at a preview.
WAIVERS = (
    Case("waiver-expired", "pass", "none", [root()]),
    Case("waiver-expired", "boundary", "its last day is today", [root()], waivers=[waiver(TODAY)]),
    Case(
        "waiver-expired",
        "fail",
        "its last day was yesterday",
        [root()],
        [("violation", "expired on 2026-11-23: probes for web, by ml@example.com")],
        waivers=[waiver(TODAY - timedelta(days=1))],
    ),
    Case("waivers-in-force", "pass", "none", [root()]),
    Case(
        "waivers-in-force",
        "fail",
        "each is listed with its days",
        [root()],
        [("note", "active for 1 more day: probes for web")],
        waivers=[waiver(TODAY + timedelta(days=1))],
    ),
    Case(
        "waivers-in-force",
        "boundary",
        "today is still in force, yesterday is not",
        [root()],
        [("note", "active for 0 more days")],
        waivers=[waiver(TODAY), waiver(TODAY - timedelta(days=1))],
    ),
)

CASES = (*RESOURCES, *SECURITY, *AVAILABILITY, *LABELS, *WAIVERS)
