"""When an object counts as ready, by kind. Pure: the object in, one `Progress` out.

The rules are those of `kubectl rollout status` and `kubectl wait`. Kinds that are not listed are ready when
they exist: Service, Ingress, HorizontalPodAutoscaler and custom resources among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sophia_infra.kubernetes_plugin.tokens import group_of


@dataclass(frozen=True, slots=True)
class Progress:
    """`pending` says what is missing; empty means ready. `failed` says that waiting longer is no use."""

    pending: str = ""
    failed: bool = False

    @property
    def ready(self) -> bool:
        return not self.pending


READY = Progress()

Rule = Callable[[Mapping[str, Any]], Progress]


def progress_of(live: Mapping[str, Any]) -> Progress:
    """How far an object is."""
    rule = _rule(live)
    return rule(live) if rule else READY


def is_awaited(live: Mapping[str, Any]) -> bool:
    """Whether this kind can be there and not ready."""
    return _rule(live) is not None


def condition(live: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    """A condition out of the status; empty when the object has none of this type."""
    for row in (live.get("status") or {}).get("conditions") or ():
        if row.get("type") == type_:
            return dict(row)
    return {}


def _rule(live: Mapping[str, Any]) -> Rule | None:
    return _RULES.get((group_of(str(live.get("apiVersion"))), str(live.get("kind"))))


def _deployment(live: Mapping[str, Any]) -> Progress:
    spec, status = live.get("spec") or {}, live.get("status") or {}
    if spec.get("paused"):
        return READY
    if not _observed(live):
        return Progress("its controller has not seen it yet")
    progressing = condition(live, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Progress(str(progressing.get("message") or "its progress deadline has passed"), failed=True)
    wanted = spec.get("replicas", 1)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < wanted:
        return Progress(f"{updated} of {wanted} replicas are updated{_refusal(live)}")
    if status.get("replicas", 0) > updated:
        return Progress(f"{status['replicas'] - updated} old replicas are not gone yet")
    if available < updated:
        return Progress(f"{available} of {updated} replicas are available{_refusal(live)}")
    return READY


def _stateful_set(live: Mapping[str, Any]) -> Progress:
    spec, status = live.get("spec") or {}, live.get("status") or {}
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return READY
    if not _observed(live):
        return Progress("its controller has not seen it yet")
    wanted = spec.get("replicas", 1)
    ready = status.get("readyReplicas", 0)
    if ready < wanted:
        return Progress(f"{ready} of {wanted} replicas are ready")
    partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    updated = status.get("updatedReplicas", 0)
    if status.get("currentRevision") != status.get("updateRevision") and updated < wanted - partition:
        return Progress(f"{updated} of {wanted - partition} replicas are updated")
    return READY


def _daemon_set(live: Mapping[str, Any]) -> Progress:
    spec, status = live.get("spec") or {}, live.get("status") or {}
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        return READY
    if not _observed(live):
        return Progress("its controller has not seen it yet")
    wanted = status.get("desiredNumberScheduled", 0)
    for key, word in (("updatedNumberScheduled", "updated"), ("numberAvailable", "available")):
        count = status.get(key, 0)
        if count < wanted:
            return Progress(f"{count} of {wanted} pods are {word}")
    return READY


def _job(live: Mapping[str, Any]) -> Progress:
    failed = condition(live, "Failed")
    if failed.get("status") == "True":
        return Progress(str(failed.get("message") or "the job failed"), failed=True)
    if condition(live, "Complete").get("status") == "True" or (live.get("spec") or {}).get("suspend"):
        return READY  # a suspended job belongs to a queue, which starts it when there is room
    status = live.get("status") or {}
    wanted = (live.get("spec") or {}).get("completions", 1)
    return Progress(f"{status.get('succeeded', 0)} of {wanted} completions, {status.get('active', 0)} active")


def _pod(live: Mapping[str, Any]) -> Progress:
    status = live.get("status") or {}
    phase = status.get("phase", "Pending")
    if phase == "Failed":
        return Progress(str(status.get("message") or status.get("reason") or "the pod failed"), failed=True)
    if phase == "Succeeded" or condition(live, "Ready").get("status") == "True":
        return READY
    return Progress(f"the pod is {phase}")


def _namespace(live: Mapping[str, Any]) -> Progress:
    phase = (live.get("status") or {}).get("phase", "not active yet")
    return READY if phase == "Active" else Progress(f"the namespace is {phase}")


def _claim(live: Mapping[str, Any]) -> Progress:
    phase = (live.get("status") or {}).get("phase", "Pending")
    if phase == "Lost":
        return Progress("the claim has lost its volume", failed=True)
    return READY if phase == "Bound" else Progress(f"the claim is {phase}")


def _custom_resource_definition(live: Mapping[str, Any]) -> Progress:
    names = condition(live, "NamesAccepted")
    if names.get("status") == "False":
        return Progress(str(names.get("message") or "its names are not accepted"), failed=True)
    established = condition(live, "Established")
    if established.get("status") == "True":
        return READY
    return Progress(str(established.get("message") or "it is not established"))


def _api_service(live: Mapping[str, Any]) -> Progress:
    available = condition(live, "Available")
    if available.get("status") == "True":
        return READY
    return Progress(str(available.get("message") or "it is not available"))


def _observed(live: Mapping[str, Any]) -> bool:
    generation = live["metadata"].get("generation", 0)
    return bool((live.get("status") or {}).get("observedGeneration", 0) >= generation)


def _refusal(live: Mapping[str, Any]) -> str:
    """What an API server said to the controller that wanted to make pods: quota, admission, no account."""
    message = condition(live, "ReplicaFailure").get("message")
    return f": {message}" if message else ""


_RULES: Mapping[tuple[str, str], Rule] = {
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("batch", "Job"): _job,
    ("", "Namespace"): _namespace,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Pod"): _pod,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _custom_resource_definition,
    ("apiregistration.k8s.io", "APIService"): _api_service,
}
