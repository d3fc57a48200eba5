"""ResourceQuota, LimitRange and autoscalers where GPUs are concerned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sophia_policies.gpu_capacity import FLEET_SETTINGS, supply_of
from sophia_policies.kubernetes import GPU_RESOURCES, is_kind, namespace_of
from sophia_policies.plain import Resource, entries, is_unknown, read
from sophia_policies.rule import Finding, ResourceRule, Situation, StackRule, cannot_tell, violation

__all__ = ["RULES"]


def _is_quota(resource: Resource) -> bool:
    return is_kind(resource, "core", "ResourceQuota")


def _check_quota_sum(resources: Sequence[Resource], situation: Situation) -> Iterator[Finding]:
    total = 0
    parts: list[str] = []
    for resource in filter(_is_quota, resources):
        hard = read(resource.props, "spec", "hard")
        if is_unknown(hard):
            yield cannot_tell(f"the quota {resource.name} is not known; it is not counted", resource)
            continue
        for gpu in GPU_RESOURCES:
            value = read(hard, f"requests.{gpu}")
            if is_unknown(value):
                yield cannot_tell(
                    f"the GPU quota of {resource.name} is not known; it is not counted", resource
                )
            elif value is not None and str(value).isdigit():
                total += int(value)
                parts.append(f"{namespace_of(resource)} {value}")
    if not total:
        return
    supply = supply_of(resources, situation)
    if supply is None:
        yield cannot_tell(
            f"quotas grant {total} GPUs, and this stack has no machines; set `fleet` of this rule"
        )
        return
    if supply.uncertain:
        yield cannot_tell(f"the GPUs of {', '.join(supply.uncertain)} are not known; they count as none")
    if total > supply.total:
        yield violation(f"quotas grant {total} GPUs ({', '.join(parts)}), and the fleet has {supply.total}")


def _check_limits_key(resource: Resource, _situation: Situation) -> Iterator[Finding]:
    hard = read(resource.props, "spec", "hard")
    if is_unknown(hard):
        yield cannot_tell("the quota is not known")
        return
    for key in hard if isinstance(hard, Mapping) else ():
        if key.startswith("limits.") and key.removeprefix("limits.") in GPU_RESOURCES:
            yield violation(f"{key} is accepted by Kubernetes and never counts: used stays 0")


def _is_limit_range(resource: Resource) -> bool:
    return is_kind(resource, "core", "LimitRange")


def _check_limit_range(resource: Resource, _situation: Situation) -> Iterator[Finding]:
    for limit in entries(read(resource.props, "spec", "limits")):
        if is_unknown(limit):
            yield cannot_tell("its limits are not known")
            continue
        for part in ("default", "defaultRequest", "min"):
            for gpu in GPU_RESOURCES:
                value = read(limit, part, gpu)
                if is_unknown(value):
                    yield cannot_tell(f"{part} of {gpu} is not known")
                elif value is not None and str(value) != "0":
                    yield violation(
                        f"{part} of {gpu} is {value}: every container of the namespace would ask for it"
                    )


def _is_autoscaler(resource: Resource) -> bool:
    return is_kind(resource, "autoscaling", "HorizontalPodAutoscaler")


def _check_autoscaler_metric(resource: Resource, _situation: Situation) -> Iterator[Finding]:
    for metric in entries(read(resource.props, "spec", "metrics")):
        if is_unknown(metric):
            yield cannot_tell("its metrics are not known")
            continue
        name = read(metric, "resource", "name")
        container_name = read(metric, "containerResource", "name")
        for value in (name, container_name):
            if is_unknown(value):
                yield cannot_tell("the name of a metric is not known")
            elif value in GPU_RESOURCES:
                yield violation(
                    f"metric {value} is never served, so it never scales: use the Pods metric gpu_utilization"
                )


RULES: Iterable[ResourceRule | StackRule] = (
    StackRule(
        name="gpu-quota",
        level="mandatory",
        summary="GPU quotas of all namespaces together grant no more GPUs than the fleet has.",
        reason="A quota above the fleet promises what cannot be scheduled.",
        fix="Derive the quotas from the fleet: lower `requests.nvidia.com/gpu`.",
        settings=FLEET_SETTINGS,
        check=_check_quota_sum,
    ),
    ResourceRule(
        name="quota-gpu-limits",
        level="mandatory",
        summary="A ResourceQuota limits GPUs by `requests.nvidia.com/gpu`, never by `limits.nvidia.com/gpu`.",
        reason="Kubernetes 1.36 accepts the limits form, never counts it, and so protects nothing.",
        fix="Write `requests.nvidia.com/gpu`.",
        applies=_is_quota,
        check=_check_limits_key,
    ),
    ResourceRule(
        name="limit-range-gpu",
        level="mandatory",
        summary="No LimitRange gives GPUs to containers that ask for none.",
        reason="A default of one GPU takes the fleet with a handful of sidecars; a fraction is "
        "refused by Kubernetes.",
        fix="Take nvidia.com/gpu out of `default`, `defaultRequest` and `min`.",
        applies=_is_limit_range,
        check=_check_limit_range,
    ),
    ResourceRule(
        name="autoscaler-gpu-metric",
        level="mandatory",
        summary="No HorizontalPodAutoscaler scales on the resource metric nvidia.com/gpu.",
        reason="The metrics server serves only cpu and memory, so such an autoscaler never acts.",
        fix="Scale on the Pods metric `gpu_utilization`.",
        applies=_is_autoscaler,
        check=_check_autoscaler_metric,
    ),
)
