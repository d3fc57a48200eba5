"""HorizontalPodAutoscalers whose pace fits what they scale: a GPU pod takes minutes to load its model."""

from __future__ import annotations

from typing import Any

from sophia_infra.manifests.objects import Manifest, build_metadata
from sophia_infra.model.kubernetes import WorkloadConfig

__all__ = ["GPU_METRIC", "autoscaler", "scaling_behavior"]

GPU_METRIC = "gpu_utilization"
"""Percent by pod, from the recording rule of the same name; served by prometheus-adapter."""

_GPU_BEHAVIOR: dict[str, Any] = {
    "scaleUp": {
        "stabilizationWindowSeconds": 30,
        "selectPolicy": "Max",
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
    },
    "scaleDown": {
        "stabilizationWindowSeconds": 900,
        "selectPolicy": "Max",
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 300}],
    },
}
_PLAIN_BEHAVIOR: dict[str, Any] = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [
            {"type": "Percent", "value": 100, "periodSeconds": 60},
            {"type": "Pods", "value": 2, "periodSeconds": 60},
        ],
    },
    "scaleDown": {
        "stabilizationWindowSeconds": 300,
        "selectPolicy": "Max",
        "policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}],
    },
}


def autoscaler(
    name: str, workload: WorkloadConfig, max_replicas: int, after: tuple[str, ...]
) -> list[Manifest]:
    """The workload's autoscaler, `autoscaling/v2`; nothing where none is configured.

    Args:
        max_replicas: what the GPUs of the fleet can carry; it may be below the configured maximum.
    """
    config = workload.autoscale
    if config is None:
        return []
    metrics = [
        _resource_metric(resource, percent)
        for resource, percent in (("cpu", config.cpu), ("memory", config.memory))
        if percent is not None
    ]
    if config.gpu_utilization is not None:
        target = {"type": "AverageValue", "averageValue": str(config.gpu_utilization)}
        metrics.append({"type": "Pods", "pods": {"metric": {"name": GPU_METRIC}, "target": target}})
    body = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": build_metadata(config.object_name(name), workload.namespace),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": min(config.min, max_replicas),
            "maxReplicas": max_replicas,
            "metrics": metrics,
            "behavior": scaling_behavior(workload),
        },
    }
    return [Manifest(f"{name}-autoscaler", body, after)]


def scaling_behavior(workload: WorkloadConfig) -> dict[str, Any]:
    """How fast pods come and go."""
    has_gpu = workload.gpu is not None and workload.gpu.count > 0
    return _GPU_BEHAVIOR if has_gpu else _PLAIN_BEHAVIOR


def _resource_metric(resource: str, percent: int) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": resource, "target": target}}
