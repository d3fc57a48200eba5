"""What does not go together in a row that is a vLLM server or the gateway. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sophia_infra.model.errors import Refused, did_you_mean
from sophia_infra.model.forms import Conflict
from sophia_infra.model.kubernetes.vllm import API_KEY_VARIABLE, VLLM_GPU_COUNTS, VLLM_MIN_STARTUP_S

if TYPE_CHECKING:
    from sophia_infra.model.kubernetes.vllm import VllmConfig
    from sophia_infra.model.kubernetes.workload import WorkloadConfig

__all__ = ["find_server_conflicts"]


def find_server_conflicts(workload: WorkloadConfig) -> Iterator[Conflict]:
    """All conflicts of what the row serves, with paths relative to it."""
    if workload.vllm is not None:
        yield from _find_wrong_vllm(workload, workload.vllm)
    if workload.vllm is not None and workload.gateway:
        yield Conflict(("gateway",), Refused("does not go with vllm: they are two servers"), True)
    for key in ("command", "args") if workload.vllm is not None or workload.gateway else ():
        if getattr(workload, key):
            source = "sophia:gateway" if workload.gateway else "vllm; further ones go into vllm.flags"
            yield Conflict((key,), Refused(f"is given, and it follows from {source}"))
    if workload.autoscale is None:
        return
    has_model, either = workload.vllm is not None, "vllm or gateway: true"
    for key, is_right, wanted in (
        ("queue", has_model, "vllm"),
        ("rps", workload.gateway, "gateway: true"),
        ("tokens_per_s", has_model or workload.gateway, either),
        ("forecast", has_model or workload.gateway, either),
    ):
        measure = getattr(workload.autoscale, key)
        if measure is not None and not is_right:
            refused = Refused(f"is counted by the gateway for rows with {wanted}: scale by cpu or memory")
            yield Conflict(("autoscale", key), refused, measure)


def _find_wrong_vllm(workload: WorkloadConfig, vllm: VllmConfig) -> Iterator[Conflict]:
    if not vllm.names:
        yield Conflict(("vllm", "names"), Refused("is empty: name at least one model"), [])
    gpus = workload.gpu.count if workload.gpu else 0
    if gpus not in VLLM_GPU_COUNTS:
        loc = ("gpu", "count") if workload.gpu else ("gpu",)
        refused = Refused(
            "does not serve a model: vLLM divides one evenly among the GPUs of a pod",
            allowed=f"count: {', '.join(map(str, VLLM_GPU_COUNTS))}",
        )
        yield Conflict(loc, refused, gpus)
    yield from _find_wrong_weights(workload, vllm)
    if workload.shm is None:
        refused = Refused("is missing: the processes of vLLM talk through it", allowed="4Gi, as in the table")
        yield Conflict(("shm",), refused)
    if workload.health.startup_s < VLLM_MIN_STARTUP_S:
        refused = Refused(
            "ends a pod that is still loading its model", allowed=f"{VLLM_MIN_STARTUP_S} to 3600"
        )
        yield Conflict(("health", "startup_s"), refused, workload.health.startup_s)
    if API_KEY_VARIABLE not in workload.secret_env:
        refused = Refused(
            f"lacks {API_KEY_VARIABLE}: without a key whoever reaches the port uses the GPU unbooked",
            allowed=f"{API_KEY_VARIABLE}: inference.vllm_api_key",
        )
        yield Conflict(("secret_env",), refused)


def _find_wrong_weights(workload: WorkloadConfig, vllm: VllmConfig) -> Iterator[Conflict]:
    volume = workload.volumes.get(vllm.volume)
    if volume is None:
        hint = did_you_mean(vllm.volume, workload.volumes)
        refused = Refused(
            f"is not in volumes{hint}: weights need a place that outlives the pod",
            allowed=", ".join(workload.volumes) or "nothing: volumes is empty",
        )
        yield Conflict(("vllm", "volume"), refused, vllm.volume)
    elif volume.cache:
        refused = Refused("is a cache, gone with the pod: each start would load everything anew")
        yield Conflict(("volumes", vllm.volume, "cache"), refused, True)
    if not vllm.offline and not vllm.model.startswith("/") and not workload.internet:
        refused = Refused(
            "keeps the first start from loading the model", allowed="true, or vllm.offline: true"
        )
        yield Conflict(("internet",), refused, False)
