"""How a pod has to be written: resources, user, root filesystem, probes, disruption, GPU requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sophia_policies.kubernetes import (
    GPU_RESOURCES,
    Container,
    containers,
    has_pods,
    is_kind,
    kind_of,
    max_replicas,
    namespace_of,
    pod_template,
)
from sophia_policies.plain import UNKNOWN, Resource, is_unknown, read
from sophia_policies.rule import Finding, ResourceRule, Setting, Situation, StackRule, cannot_tell, violation

__all__ = ["RULES"]

_SERVING = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


def _serves(resource: Resource) -> bool:
    kind = kind_of(resource)
    return has_pods(resource) and kind is not None and kind.name in _SERVING


def _known(resource: Resource) -> Iterator[Container | Finding]:
    """The containers that are known, and a finding for each that is not."""
    template = pod_template(resource)
    if is_unknown(template.spec):
        yield cannot_tell("its pod template is not known")
        return
    for container in containers(template):
        yield cannot_tell("its containers are not known") if is_unknown(container.spec) else container


def _check_resources(resource: Resource, situation: Situation) -> Iterator[Finding]:
    for container in _known(resource):
        if isinstance(container, Finding):
            yield container
            continue
        for part in ("requests", "limits"):
            for name in situation.settings[part]:
                value = read(container.spec, "resources", part, name)
                if is_unknown(value):
                    yield cannot_tell(f"container {container.name}: {part} of {name} is not known")
                elif value is None:
                    yield violation(f"container {container.name} has no {part} of {name}")


def _check_gpu_requests(resource: Resource, _situation: Situation) -> Iterator[Finding]:
    for container in _known(resource):
        if isinstance(container, Finding):
            yield container
            continue
        for gpu in GPU_RESOURCES:
            limit, request = (read(container.spec, "resources", part, gpu) for part in ("limits", "requests"))
            if is_unknown(limit) or is_unknown(request):
                yield cannot_tell(f"container {container.name}: its {gpu} is not known")
                continue
            for value in {str(value): value for value in (limit, request) if value is not None}.values():
                if not str(value).isdigit():
                    yield violation(f"container {container.name}: {gpu} is {value}; GPUs are whole")
            if request is not None and limit is None:
                yield violation(
                    f"container {container.name}: {gpu} has a request and no limit; Kubernetes wants both"
                )
            elif request is not None and str(request) != str(limit):
                yield violation(
                    f"container {container.name}: {gpu} request {request} is not its limit {limit}"
                )


def _setting_of(container: Container, pod: Any, name: str) -> Any:
    """A security setting of a container, else that of its pod."""
    own = read(container.spec, "securityContext", name)
    return read(pod, "securityContext", name) if own is None else own


def _check_non_root(resource: Resource, _situation: Situation) -> Iterator[Finding]:
    pod = pod_template(resource).spec
    for container in _known(resource):
        if isinstance(container, Finding):
            yield container
            continue
        user = _setting_of(container, pod, "runAsUser")
        non_root = _setting_of(container, pod, "runAsNonRoot")
        if not is_unknown(user) and user == 0:
            yield violation(f"container {container.name} runs as root (runAsUser 0)")
        elif is_unknown(non_root) or is_unknown(user):
            yield cannot_tell(f"container {container.name}: its user is not known")
        elif non_root is not True and not user:
            yield violation(f"container {container.name} may run as root: runAsNonRoot is not set")


def _check_read_only(resource: Resource, _situation: Situation) -> Iterator[Finding]:
    for container in _known(resource):
        if isinstance(container, Finding):
            yield container
            continue
        value = read(container.spec, "securityContext", "readOnlyRootFilesystem")
        if is_unknown(value):
            yield cannot_tell(f"container {container.name}: readOnlyRootFilesystem is not known")
        elif value is not True:
            yield violation(f"container {container.name} can write to its root filesystem")


def _check_probes(resource: Resource, situation: Situation) -> Iterator[Finding]:
    for container in _known(resource):
        if isinstance(container, Finding):
            yield container
            continue
        if container.is_init:
            continue
        for probe in situation.settings["probes"]:
            value = read(container.spec, probe)
            if is_unknown(value):
                yield cannot_tell(f"container {container.name}: {probe} is not known")
            elif value is None:
                yield violation(f"container {container.name} has no {probe}")


def _check_disruption(resources: Sequence[Resource], _situation: Situation) -> Iterator[Finding]:
    limits = max_replicas(resources)
    budgets = [
        (namespace_of(resource), read(resource.props, "spec", "selector", "matchLabels"))
        for resource in resources
        if is_kind(resource, "policy", "PodDisruptionBudget")
    ]
    for resource in resources:
        kind = kind_of(resource)
        if kind is None or kind.group != "apps" or kind.name not in ("Deployment", "StatefulSet"):
            continue
        template = pod_template(resource)
        most = limits.get(template.key, template.replicas)
        if is_unknown(most):
            yield cannot_tell(f"the replicas of {resource.name} are not known", resource)
            continue
        if most <= 1:
            continue
        covered = _is_covered(template.namespace, template.labels, budgets)
        if is_unknown(covered):
            yield cannot_tell(f"whether a PodDisruptionBudget covers {resource.name} is not known", resource)
        elif not covered:
            yield violation(f"{resource.name} has up to {most} replicas and no PodDisruptionBudget", resource)


def _is_covered(namespace: str, labels: Any, budgets: Sequence[tuple[str, Any]]) -> Any:
    is_uncertain = False
    for own_namespace, selector in budgets:
        if own_namespace != namespace:
            continue
        if is_unknown(selector) or is_unknown(labels):
            is_uncertain = True
        elif isinstance(selector, Mapping) and isinstance(labels, Mapping):
            pairs = [(labels.get(key), value) for key, value in selector.items()]
            if any(is_unknown(own) or is_unknown(wanted) for own, wanted in pairs):
                is_uncertain = True
            elif all(own == wanted for own, wanted in pairs):
                return True
    return UNKNOWN if is_uncertain else False


def _names_setting(default: Sequence[str], meaning: str) -> Setting:
    return Setting({"type": "array", "items": {"type": "string"}}, list(default), meaning)


RULES: Iterable[ResourceRule | StackRule] = (
    ResourceRule(
        name="requests-and-limits",
        level="mandatory",
        summary="Every container has requests and limits of cpu and memory.",
        reason="Without requests the scheduler overfills a node; without limits one pod takes it all.",
        fix="Set `resources.requests` and `resources.limits`.",
        settings={
            "requests": _names_setting(("cpu", "memory"), "resources that need a request"),
            "limits": _names_setting(("cpu", "memory"), "resources that need a limit"),
        },
        applies=has_pods,
        check=_check_resources,
    ),
    ResourceRule(
        name="gpu-requests",
        level="mandatory",
        summary="GPUs are asked for in whole numbers, and a request equals its limit.",
        reason="Kubernetes knows no fraction of an extended resource and refuses the pod, but not "
        "its Deployment.",
        fix="Ask for 1 or more; share a GPU by time-slicing or MIG on the node.",
        applies=has_pods,
        check=_check_gpu_requests,
    ),
    ResourceRule(
        name="non-root",
        level="mandatory",
        summary="No container runs as root.",
        reason="Root in a container with a GPU device is one driver bug away from root on the machine.",
        fix="Set `securityContext.runAsNonRoot: true` and a numeric `runAsUser`, for the pod or the "
        "container.",
        applies=has_pods,
        check=_check_non_root,
    ),
    ResourceRule(
        name="read-only-root",
        level="advisory",
        summary="No container can write to its root filesystem.",
        reason="What cannot be written cannot be planted; and a full disk of a node is shared by "
        "all its pods.",
        fix="Set `securityContext.readOnlyRootFilesystem: true` and mount an emptyDir where it has to write.",
        applies=has_pods,
        check=_check_read_only,
    ),
    ResourceRule(
        name="probes",
        level="advisory",
        summary="Containers of Deployments, StatefulSets and DaemonSets have readiness and liveness probes.",
        reason="Loading a model takes minutes; without a probe requests go to a pod that cannot answer.",
        fix="Add `readinessProbe` and `livenessProbe`.",
        settings={"probes": _names_setting(("readinessProbe", "livenessProbe"), "that have to be there")},
        applies=_serves,
        check=_check_probes,
    ),
    StackRule(
        name="disruption-budget",
        level="advisory",
        summary="A Deployment or StatefulSet with more than one replica, or that may be scaled to, "
        "has a budget.",
        reason="Draining a node may otherwise end all replicas at once.",
        fix="Add a PodDisruptionBudget whose `matchLabels` are labels of the pods, in the same namespace.",
        check=_check_disruption,
    ),
)
