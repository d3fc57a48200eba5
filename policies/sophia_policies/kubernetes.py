"""Kubernetes resources as rules see them: kinds, pod templates, containers, GPU requests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sophia_infra.model.catalogue import CATALOGUE
from sophia_policies.plain import UNKNOWN, Resource, entries, is_unknown, read, text_of

__all__ = [
    "ARCHITECTURES_ANNOTATION",
    "GPU_RESOURCES",
    "MAX_USD_ANNOTATION",
    "Container",
    "Kind",
    "PodTemplate",
    "containers",
    "gpu_model_in",
    "gpus_of",
    "has_pods",
    "is_kind",
    "kind_of",
    "max_replicas",
    "namespace_of",
    "pod_template",
    "selector_values",
]

ARCHITECTURES_ANNOTATION = "sophia.internal/architectures"
"""On a pod template: the CPU architectures its images exist for, for example `amd64,arm64`."""
MAX_USD_ANNOTATION = "sophia.internal/max-usd"
"""On a training job: what it may cost at most, in dollars."""

GPU_RESOURCES = ("nvidia.com/gpu", "nvidia.com/gpu.shared")
KEDA_DEFAULT_MAX_REPLICAS = 100

_POD_SPEC_PATHS: Mapping[str, tuple[str, ...]] = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
_POD_GROUPS = frozenset({"core", "apps", "batch"})
_MODELS = sorted({row.gpu_model for row in CATALOGUE.values() if row.gpu_model}, key=len, reverse=True)


@dataclass(frozen=True, slots=True)
class Kind:
    """`kubernetes:apps/v1:Deployment` -> group `apps`, version `v1`, name `Deployment`."""

    group: str
    version: str
    name: str


def kind_of(resource: Resource) -> Kind | None:
    """The kind of a Kubernetes resource; None for others and for Patch and List resources."""
    match = re.fullmatch(r"kubernetes:([^/:]+)/([^:]+):(\w+)", resource.type)
    if match is None or match[3].endswith(("Patch", "List")):
        return None
    return Kind(*match.groups())


def is_kind(resource: Resource, group: str, name: str) -> bool:
    """Whether `resource` is of this kind, in any version."""
    kind = kind_of(resource)
    return kind is not None and (kind.group, kind.name) == (group, name)


def has_pods(resource: Resource) -> bool:
    """Whether `resource` makes pods: Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob."""
    kind = kind_of(resource)
    return kind is not None and kind.group in _POD_GROUPS and kind.name in _POD_SPEC_PATHS


def namespace_of(resource: Resource) -> str:
    """Namespace as declared; `default` when none is. An unknown one is `(unknown)`."""
    value = read(resource.props, "metadata", "namespace")
    return "(unknown)" if is_unknown(value) else text_of(value) or "default"


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """The pods that one resource makes. `spec`, `labels` and `annotations` may be or hold UNKNOWN."""

    resource: Resource
    kind: str
    spec: Any
    labels: Any
    annotations: Any

    @property
    def namespace(self) -> str:
        return namespace_of(self.resource)

    @property
    def key(self) -> tuple[str, str, str]:
        """Namespace, kind and object name, by which an autoscaler or a budget finds it."""
        return (self.namespace, self.kind, object_name(self.resource))

    @property
    def replicas(self) -> Any:
        """Pods at the same time as declared, or UNKNOWN; a DaemonSet counts 1 here."""
        props = self.resource.props
        if self.kind in ("Deployment", "StatefulSet", "ReplicaSet"):
            value = read(props, "spec", "replicas")
        elif self.kind in ("Job", "CronJob"):
            path = ("spec",) if self.kind == "Job" else ("spec", "jobTemplate", "spec")
            value = read(props, *path, "parallelism")
        else:
            return 1
        return 1 if value is None else value


def object_name(resource: Resource) -> str:
    """`metadata.name`, or the logical name where the engine makes the name up or does not know it yet."""
    return text_of(read(resource.props, "metadata", "name")) or resource.name


def pod_template(resource: Resource) -> PodTemplate:
    """The pod template of a resource that `has_pods`."""
    kind = kind_of(resource)
    if kind is None or kind.name not in _POD_SPEC_PATHS:
        raise ValueError(f"{resource.type} makes no pods")
    template = read(resource.props, *_POD_SPEC_PATHS[kind.name])
    return PodTemplate(
        resource=resource,
        kind=kind.name,
        spec=read(template, "spec"),
        labels=read(template, "metadata", "labels"),
        annotations=read(template, "metadata", "annotations"),
    )


@dataclass(frozen=True, slots=True)
class Container:
    """One container; `spec` may be UNKNOWN. Init containers have their own probes rule: none."""

    name: str
    spec: Any
    is_init: bool


def containers(template: PodTemplate) -> Iterator[Container]:
    """Containers, then init containers. A list that is unknown is one container called `(unknown)`."""
    for part, is_init in (("containers", False), ("initContainers", True)):
        for spec in entries(read(template.spec, part)):
            name = "(unknown)" if is_unknown(spec) else text_of(read(spec, "name")) or "(unnamed)"
            yield Container(name, spec, is_init)
    if is_unknown(template.spec):
        return


def gpus_of(template: PodTemplate) -> Any:
    """GPUs that one pod asks for (0 without any), or UNKNOWN. Init containers do not add up: the largest."""
    running: Any = 0
    largest_init: Any = 0
    for container in containers(template):
        asked = _gpus_of_container(container)
        if is_unknown(asked):
            return UNKNOWN
        if container.is_init:
            largest_init = max(largest_init, asked)
        else:
            running += asked
    return max(running, largest_init)


def _gpus_of_container(container: Container) -> Any:
    total: Any = 0
    for resource in GPU_RESOURCES:
        for part in ("limits", "requests"):
            value = read(container.spec, "resources", part, resource)
            if is_unknown(value):
                return UNKNOWN
            if value is not None:
                total += _whole(value)
                break
    return total


def _whole(value: Any) -> int:
    """A GPU count; a fraction counts as the next whole GPU, and `gpu-requests` objects to it."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 1
    return max(0, -int(-number // 1))


def selector_values(template: PodTemplate) -> Iterator[tuple[str, Any]]:
    """(label, value) pairs that a node must have: nodeSelector, and `In` terms of required affinity."""
    selector = read(template.spec, "nodeSelector")
    if is_unknown(selector):
        yield ("(unknown)", UNKNOWN)
    elif isinstance(selector, Mapping):
        yield from selector.items()
    terms = read(
        template.spec,
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
    )
    for term in entries(terms):
        for expression in entries(read(term, "matchExpressions")):
            if read(expression, "operator") == "In":
                for value in entries(read(expression, "values")):
                    yield (text_of(read(expression, "key")), value)


def gpu_model_in(value: str) -> str | None:
    """The GPU model that a label value names: `gh200`, `NVIDIA-A100-SXM4-40GB`, `gpu_1x_a10`; None if none.

    The longest name wins, because `A10` stands in `A100`.
    """
    folded = re.sub(r"[^a-z0-9]", "", value.lower())
    return next((model for model in _MODELS if model.lower() in folded), None)


def max_replicas(resources: Sequence[Resource]) -> dict[tuple[str, str, str], Any]:
    """(namespace, kind, name) of each autoscaled workload -> the most replicas it may get, or UNKNOWN.

    From HorizontalPodAutoscaler (`maxReplicas`) and KEDA's ScaledObject (`maxReplicaCount`, default 100).
    """
    found: dict[tuple[str, str, str], Any] = {}
    for resource in resources:
        if is_kind(resource, "autoscaling", "HorizontalPodAutoscaler"):
            limit = read(resource.props, "spec", "maxReplicas")
        elif is_kind(resource, "keda.sh", "ScaledObject"):
            limit = read(resource.props, "spec", "maxReplicaCount")
            limit = KEDA_DEFAULT_MAX_REPLICAS if limit is None else limit
        else:
            continue
        target = read(resource.props, "spec", "scaleTargetRef")
        kind = text_of(read(target, "kind")) or "Deployment"
        found[(namespace_of(resource), kind, text_of(read(target, "name")))] = (
            limit if isinstance(limit, int) else UNKNOWN
        )
    return found
