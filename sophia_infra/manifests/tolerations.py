"""Which taints a pod tolerates. Kept in one place: a toleration too many is an image on the wrong CPU."""

from __future__ import annotations

from sophia_infra.manifests.names import ARM64_TAINT, GPU_RESOURCE
from sophia_infra.model.kubernetes import ARM64_GPU_MODELS, GpuRequest

__all__ = ["ARM64_TOLERATION", "GPU_TOLERATION", "pod_tolerations"]

ARM64_TOLERATION: dict[str, str] = {
    "key": ARM64_TAINT["key"],
    "operator": "Equal",
    "value": ARM64_TAINT["value"],
    "effect": ARM64_TAINT["effect"],
}
GPU_TOLERATION: dict[str, str] = {"key": GPU_RESOURCE, "operator": "Exists", "effect": "NoSchedule"}


def pod_tolerations(gpu: GpuRequest | None) -> list[dict[str, str]]:
    """Tolerations of a pod of ours.

    arm64 is tolerated only by pods that choose a GPU whose machines are arm64.
    """
    if gpu is None:
        return []
    chosen = [GPU_TOLERATION, ARM64_TOLERATION] if gpu.model in ARM64_GPU_MODELS else [GPU_TOLERATION]
    return [dict(toleration) for toleration in chosen]
