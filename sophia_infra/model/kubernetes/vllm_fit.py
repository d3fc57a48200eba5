"""Whether a served model fits the GPU memory of its pods. Pure; only what a row states is counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import Conflict

if TYPE_CHECKING:
    from sophia_infra.model.instance import InstanceConfig
    from sophia_infra.model.kubernetes.config import KubernetesConfig
    from sophia_infra.model.kubernetes.gpus import GpuSharing
    from sophia_infra.model.kubernetes.vllm import VllmConfig

__all__ = ["RUNTIME_GIB", "find_models_that_do_not_fit", "place_memory_gib"]

RUNTIME_GIB = 2.0
"""GiB on each GPU for CUDA, its graphs and activations beside weights and cache. An assumption, on the safe
side for models of tens of billions of parameters with the default batch; measure it on the real GPU."""

_KIB_PER_GIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Memory:
    """What one pod may use in GiB, and how that came about in words."""

    gib: float
    runtime_gib: float
    words: str


def place_memory_gib(gpu_memory_gib: int, sharing: GpuSharing | None) -> float:
    """GiB of one place of a GPU: a slice of MIG has its own memory, turns share the whole evenly."""
    if sharing is None:
        return float(gpu_memory_gib)
    if sharing.mig is not None:
        return float(sharing.mig.rpartition(".")[2].removesuffix("gb"))
    return gpu_memory_gib / (sharing.time_slicing or 1)


def find_models_that_do_not_fit(
    kube: KubernetesConfig, fleet: Mapping[str, InstanceConfig]
) -> Iterator[Conflict]:
    """Rows whose weights, or one longest call beside them, are more than the smallest GPU of their model."""
    for name, row in kube.enabled_workloads().items():
        if row.vllm is None or row.vllm.weights_gib is None or row.gpu is None:
            continue
        sizes = [
            CATALOGUE[machine.type].gpu_memory_gib or 0
            for machine in fleet.values()
            if CATALOGUE[machine.type].gpu_model == row.gpu.model
        ]
        if sizes:
            memory = _memory(row.vllm, row.gpu.model, row.gpu.count, min(sizes), kube)
            for conflict in _compare(row.vllm, row.vllm.weights_gib, memory):
                loc = ("kubernetes", "workloads", name, "vllm", *conflict.loc)
                yield Conflict(loc, conflict.refused, conflict.value)


def _memory(vllm: VllmConfig, model: str, count: int, size: int, kube: KubernetesConfig) -> _Memory:
    sharing = kube.gpu_sharing.get(model)
    place = place_memory_gib(size, sharing)
    total = count * place * vllm.gpu_memory_utilization
    if sharing is None:
        source = f"{model} of {size} GiB"
    elif sharing.mig is not None:
        source = f"{model} slice of {place:g} GiB"
    else:
        source = f"share of {place:g} GiB of a {model} of {size} GiB"
    times = f"{count} x " if count > 1 else ""
    words = f"{total:.1f} GiB ({times}{source}, x {vllm.gpu_memory_utilization:g})"
    return _Memory(total, RUNTIME_GIB * count, words)


def _compare(vllm: VllmConfig, weights_gib: float, memory: _Memory) -> Iterator[Conflict]:
    left = memory.gib - memory.runtime_gib - weights_gib
    if left <= 0:
        most = max(0.0, memory.gib - memory.runtime_gib)
        refused = Refused(
            f"does not fit {memory.words}, of which {memory.runtime_gib:g} GiB are for CUDA itself",
            allowed=f"below {most:.1f}: a smaller model or quantization, or a larger GPU",
        )
        yield Conflict(("weights_gib",), refused, weights_gib)
        return
    if vllm.kv_kib_per_token is None:
        return
    tokens = int(left * _KIB_PER_GIB / vllm.kv_kib_per_token)
    if tokens < vllm.max_model_len:
        refused = Refused(
            f"needs {vllm.max_model_len * vllm.kv_kib_per_token / _KIB_PER_GIB:.1f} GiB of KV cache, and "
            f"{left:.1f} GiB are left of {memory.words} beside weights and CUDA",
            allowed=f"at most {tokens}",
        )
        yield Conflict(("max_model_len",), refused, vllm.max_model_len)
