"""Rules about pods and what keeps them: waiting, crashing, out of memory, missing."""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Alert, RuleGroup
from sophia_infra.monitoring.rules.cluster.parts import (
    OF_THE_ROW,
    PLATFORM,
    chosen,
    with_owner,
    with_owner_of_pod,
)
from sophia_infra.monitoring.terms import Terms

__all__ = ["groups"]

_CONTAINER: Final = "namespace, pod, container"
_GPU_START_S: Final = 2700
"""A pod with a GPU may load a model for half an hour (startup_s 1800) before it is missed."""


def groups(terms: Terms) -> list[RuleGroup]:
    """Single pods, then the objects that should have them."""
    return [
        RuleGroup("sophia-pods", tuple(_pods(terms))),
        RuleGroup("sophia-replicas", tuple(_replicas(terms))),
    ]


def _pods(terms: Terms) -> list[Alert]:
    pending = (
        'sum by (namespace, pod) (kube_pod_container_resource_requests{resource="nvidia_com_gpu"})\n'
        'and on (namespace, pod) (kube_pod_status_phase{phase="Pending"} == 1)'
    )
    killed = (
        f"sum by ({_CONTAINER}) (increase(kube_pod_container_status_restarts_total[15m])) > 0\n"
        f"and on ({_CONTAINER})"
        ' (kube_pod_container_status_last_terminated_reason{reason="OOMKilled"} == 1)'
    )
    return [
        Alert(
            "PodPendingForGpu",
            with_owner_of_pod(pending, terms),
            for_s=900,
            severity="warning",
            owner=PLATFORM,
            labels=OF_THE_ROW,
            summary="{{ $labels.pod }} in {{ $labels.namespace }} has waited 15 minutes for "
            "{{ $value }} GPU(s).",
            description="No node of its GPU model has a free place. `kubectl describe pod` names the "
            "reason; the fleet needs another machine or the row fewer replicas.",
        ),
        Alert(
            "PodCrashLooping",
            with_owner_of_pod(_waiting("CrashLoopBackOff"), terms),
            for_s=900,
            severity="warning",
            owner=PLATFORM,
            labels=OF_THE_ROW,
            summary="{{ $labels.container }} of {{ $labels.pod }} in {{ $labels.namespace }} crashes again "
            "and again.",
            description="`kubectl logs --previous` has its last words.",
        ),
        Alert(
            "PodOutOfMemory",
            with_owner_of_pod(killed, terms),
            for_s=0,
            severity="warning",
            owner=PLATFORM,
            labels=OF_THE_ROW,
            summary="{{ $labels.container }} of {{ $labels.pod }} in {{ $labels.namespace }} was killed at "
            "its memory limit.",
            description="Raise memory in its row, or find the leak. It happens again under the same load.",
        ),
        Alert(
            "PodImageNotPulled",
            with_owner_of_pod(_waiting("ErrImagePull|ImagePullBackOff|InvalidImageName"), terms),
            for_s=600,
            severity="warning",
            owner=PLATFORM,
            labels=OF_THE_ROW,
            summary="The image of {{ $labels.container }} of {{ $labels.pod }} in {{ $labels.namespace }} "
            "cannot be pulled: {{ $labels.reason }}.",
            description="The tag is wrong, the registry refuses, or the image has no build for the node's "
            "CPU (GH200 is arm64).",
        ),
        Alert(
            "PodCannotBeCreated",
            with_owner_of_pod(_waiting("CreateContainerConfigError|CreateContainerError"), terms),
            for_s=600,
            severity="warning",
            owner=PLATFORM,
            labels=OF_THE_ROW,
            summary="{{ $labels.container }} of {{ $labels.pod }} in {{ $labels.namespace }} cannot be "
            "created: {{ $labels.reason }}.",
            description="Mostly a Secret that is not there yet: look at its ExternalSecret.",
        ),
    ]


def _waiting(reasons: str) -> str:
    """Containers that waited for one of these reasons in the last five minutes; it comes and goes."""
    series = f'kube_pod_container_status_waiting_reason{{reason=~"{reasons}"}}'
    return f"max by ({_CONTAINER}, reason) (max_over_time({series}[5m])) == 1"


def _replicas(terms: Terms) -> list[Alert]:
    gpu = chosen(service for service in terms.services if service.has_gpu)
    missing = (
        "max by (namespace, deployment) (kube_deployment_spec_replicas{0}"
        " - kube_deployment_status_replicas_available{0}) > 0"
    )
    made = [
        _missing("Deployment", missing.replace("{0}", f'{{deployment!~"{gpu}"}}' if gpu else ""), terms, 900),
        _missing(
            "StatefulSet",
            "max by (namespace, statefulset) "
            "(kube_statefulset_replicas - kube_statefulset_status_replicas_ready) > 0",
            terms,
            900,
        ),
        Alert(
            "DaemonSetPodsMissing",
            "max by (namespace, daemonset) (kube_daemonset_status_desired_number_scheduled"
            " - kube_daemonset_status_number_ready) > 0",
            for_s=900,
            severity="warning",
            owner=PLATFORM,
            summary="{{ $labels.daemonset }} in {{ $labels.namespace }} is missing on {{ $value }} node(s).",
            description="What it brings (GPUs, metrics, logs) is missing there too.",
        ),
    ]
    if gpu:
        made.append(_missing("Gpu", missing.replace("{0}", f'{{deployment=~"{gpu}"}}'), terms, _GPU_START_S))
    return made


def _missing(kind: str, expr: str, terms: Terms, for_s: int) -> Alert:
    label = "statefulset" if kind == "StatefulSet" else "deployment"
    return Alert(
        f"{kind}ReplicasMissing",
        with_owner(expr, terms, label),
        for_s=for_s,
        severity="warning",
        owner=PLATFORM,
        labels=OF_THE_ROW,
        summary=f"{{{{ $value }}}} pod(s) of {{{{ $labels.{label} }}}} in {{{{ $labels.namespace }}}} have "
        f"been missing for {for_s // 60} minutes.",
        description="It may still serve, without reserve. `kubectl describe` of a pod that is not ready says "
        "why.",
    )
