"""Cases of the rules about GPUs in the cluster. The fleet of the plan: one GPU each of five models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sophia_policies.plain import Resource

from tests.unit.policies.policy_cases import UNKNOWN, Aspect, Case, container, gpu, kube, machine, workload

FLEET = (
    machine("core", "gpu_1x_gh200", "us-east-3"),
    machine("mcp", "gpu_1x_a6000", "us-south-1"),
    machine("etl", "gpu_1x_a100", "us-south-1"),
    machine("prod", "gpu_1x_rtx6000", "us-south-1"),
    machine("dev", "gpu_1x_a10"),
)
TWO = machine("two", "gpu_2x_a6000", "us-south-1")
EIGHT = machine("h", "gpu_8x_h100_sxm5")


def pods(name: str = "llm", count: Any = 1, replicas: Any = 1, **more: Any) -> Resource:
    return workload(name, [container(resources=gpu(count))], replicas=replicas, **more)


def hpa(name: str = "llm", most: Any = 4, metrics: Any = None) -> Resource:
    return kube(
        "autoscaling/v2:HorizontalPodAutoscaler",
        f"{name}-hpa",
        spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "maxReplicas": most,
            "metrics": [] if metrics is None else metrics,
        },
    )


def keda(name: str = "llm", most: Any = None) -> Resource:
    spec: dict[str, Any] = {"scaleTargetRef": {"name": name}}
    if most is not None:
        spec["maxReplicaCount"] = most
    return kube("keda.sh/v1alpha1:ScaledObject", f"{name}-keda", spec=spec)


def quota(hard: Any, namespace: str = "apps") -> Resource:
    return kube("core/v1:ResourceQuota", f"quota-{namespace}", namespace=namespace, spec={"hard": hard})


def limit_range(limits: Any) -> Resource:
    return kube("core/v1:LimitRange", "r", spec={"limits": limits})


Row = tuple[Aspect, str, Any, Sequence[tuple[str, str]]]

LIMIT_RANGES: tuple[Row, ...] = (
    ("pass", "cpu only", [{"type": "Container", "default": {"cpu": "1"}}], ()),
    ("fail", "one GPU for all", [{"default": {"nvidia.com/gpu": "1"}}], [("violation", "every container")]),
    ("fail", "a fraction", [{"min": {"nvidia.com/gpu": "0.1"}}], [("violation", "0.1")]),
    ("boundary", "zero is none", [{"defaultRequest": {"nvidia.com/gpu": 0}}], ()),
    ("boundary", "a maximum is fine", [{"max": {"nvidia.com/gpu": 1}}], ()),
    ("unknown", "unknown", UNKNOWN, [("cannot_tell", "limits")]),
)
METRICS: tuple[Row, ...] = (
    ("pass", "cpu", [{"type": "Resource", "resource": {"name": "cpu"}}], ()),
    ("boundary", "the Pods metric", [{"pods": {"metric": {"name": "gpu_utilization"}}}], ()),
    ("fail", "the GPU", [{"resource": {"name": "nvidia.com/gpu"}}], [("violation", "never served")]),
    ("unknown", "all", UNKNOWN, [("cannot_tell", "metrics")]),
    ("unknown", "a name", [{"resource": {"name": UNKNOWN}}], [("cannot_tell", "name of a metric")]),
)

CASES = (
    Case("gpu-capacity", "pass", "no GPU asked for", [workload()]),
    Case("gpu-capacity", "boundary", "as many pods as GPUs", [*FLEET, pods(replicas=5)]),
    Case(
        "gpu-capacity",
        "boundary",
        "one pod more",
        [*FLEET, pods(replicas=6)],
        [("violation", "6 pods of 1 GPU each cannot all be placed: the fleet has 5 GPUs, and 5 of them")],
    ),
    Case(
        "gpu-capacity",
        "fail",
        "the plan's core: a second replica on the one GH200",
        [*FLEET, pods("ai", nodeSelector={"gpu": "gh200"}), hpa("ai", 4)],
        [("violation", "4 pods of 1 GH200 GPU each, which its autoscaler may ask for,")],
    ),
    Case(
        "gpu-capacity",
        "fail",
        "KEDA without a maximum may ask for 100",
        [*FLEET, pods(), keda()],
        [("violation", "100 pods")],
    ),
    Case("gpu-capacity", "boundary", "KEDA with a maximum that fits", [*FLEET, pods(), keda(most=5)]),
    Case(
        "gpu-capacity",
        "fail",
        "two GPUs in one pod fit no machine, though the fleet has five",
        [*FLEET, pods(count=2)],
        [("violation", "1 pod of 2 GPU each")],
    ),
    Case(
        "gpu-capacity", "pass", "two GPUs in one pod fit an 8-GPU machine", [EIGHT, pods(count=2, replicas=4)]
    ),
    Case(
        "gpu-capacity",
        "boundary",
        "pods bound to a model are placed first, whatever their order",
        [*FLEET, pods("any", replicas=4), pods("bound", nodeSelector={"gpu": "a10"})],
    ),
    Case(
        "gpu-capacity",
        "boundary",
        "large pods are placed first, so that small ones do not stand in their way",
        [TWO, FLEET[1], pods("small"), pods("large", count=2)],
    ),
    Case(
        "gpu-capacity",
        "boundary",
        "time-slicing gives more places",
        [*FLEET, pods(replicas=4, nodeSelector={"gpu": "a6000"})],
        settings={"shares": {"A6000": 4}},
    ),
    Case(
        "gpu-capacity",
        "boundary",
        "a DaemonSet asks once on each fitting machine",
        [*FLEET, pods(kind="DaemonSet")],
    ),
    Case(
        "gpu-capacity",
        "fail",
        "an init container counts by the largest, not on top",
        [
            FLEET[0],
            workload(
                containers=[container(resources=gpu(1))], initContainers=[container("load", resources=gpu(2))]
            ),
        ],
        [("violation", "1 pod of 2 GPU each")],
    ),
    Case(
        "gpu-capacity",
        "unknown",
        "unknown replicas count as one",
        [*FLEET, pods(replicas=UNKNOWN)],
        [("cannot_tell", "the replicas of llm are not known; counted as 1")],
    ),
    Case(
        "gpu-capacity",
        "unknown",
        "an unknown GPU request counts as one",
        [*FLEET, pods(count=UNKNOWN, replicas=6)],
        [("cannot_tell", "the GPU request of llm"), ("violation", "6 pods of 1 GPU")],
    ),
    Case(
        "gpu-capacity",
        "unknown",
        "an unknown machine counts as none",
        [machine("x", UNKNOWN), pods()],
        [("cannot_tell", "the GPUs of x"), ("violation", "the fleet has 0 GPUs")],
    ),
    Case("gpu-capacity", "unknown", "no machines in this stack", [pods()], [("cannot_tell", "set `fleet`")]),
    Case("gpu-capacity", "pass", "a cluster from another stack", [pods()], settings={"fleet": {"A100": 1}}),
    Case("gpu-quota", "boundary", "exactly the fleet", [*FLEET, quota({"requests.nvidia.com/gpu": "5"})]),
    Case("gpu-quota", "pass", "no GPU in the quota", [*FLEET, quota({"cpu": "10"})]),
    Case(
        "gpu-quota",
        "fail",
        "the plan's quota of 10 on 5 GPUs",
        [*FLEET, quota({"requests.nvidia.com/gpu": 10})],
        [("violation", "quotas grant 10 GPUs (apps 10), and the fleet has 5")],
    ),
    Case(
        "gpu-quota",
        "boundary",
        "namespaces add up",
        [*FLEET, quota({"requests.nvidia.com/gpu": "3"}), quota({"requests.nvidia.com/gpu": "3"}, "b")],
        [("violation", "quotas grant 6 GPUs (apps 3, b 3)")],
    ),
    Case("gpu-quota", "unknown", "unknown quota", [*FLEET, quota(UNKNOWN)], [("cannot_tell", "quota")]),
    Case(
        "gpu-quota",
        "unknown",
        "no machines",
        [quota({"requests.nvidia.com/gpu": "3"})],
        [("cannot_tell", "quotas grant 3 GPUs")],
    ),
    Case("quota-gpu-limits", "pass", "by requests", [quota({"requests.nvidia.com/gpu": "5"})]),
    Case(
        "quota-gpu-limits",
        "fail",
        "by limits",
        [quota({"limits.nvidia.com/gpu": "5"})],
        [("violation", "never counts")],
    ),
    Case("quota-gpu-limits", "boundary", "limits of cpu are fine", [quota({"limits.cpu": "5"})]),
    Case("quota-gpu-limits", "unknown", "unknown", [quota(UNKNOWN)], [("cannot_tell", "quota")]),
    *(
        Case("limit-range-gpu", aspect, says, [limit_range(limits)], expect)
        for aspect, says, limits, expect in LIMIT_RANGES
    ),
    *(
        Case("autoscaler-gpu-metric", aspect, says, [hpa(metrics=metrics)], expect)
        for aspect, says, metrics, expect in METRICS
    ),
)
