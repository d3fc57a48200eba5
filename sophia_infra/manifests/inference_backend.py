"""A row with `vllm` as objects: command, environment and memory follow from what it serves and its GPU."""

from __future__ import annotations

import math

from sophia_infra.manifests.keda import waiting_calls
from sophia_infra.manifests.objects import Manifest
from sophia_infra.manifests.workload import workload
from sophia_infra.model.gateway import GatewayConfig
from sophia_infra.model.kubernetes import KubernetesConfig, Placement, VllmConfig, WorkloadConfig

__all__ = ["inference_backend", "served", "vllm_arguments", "vllm_environment"]

_CACHE = "/tmp/vllm"  # noqa: S108 - a folder inside the container


def inference_backend(
    name: str,
    row: WorkloadConfig,
    kube: KubernetesConfig,
    placement: Placement,
    secret_checksum: str | None,
    gateway: GatewayConfig | None = None,
) -> list[Manifest]:
    """Every object of one vLLM server.

    Args:
        gateway: whose queue for this server it is scaled by; None: the queue for all of them.
    """
    backends = gateway.backends.items() if gateway is not None else ()
    own = tuple(backend for backend, config in backends if config.workload == name)
    return workload(name, served(row, kube), kube, placement, secret_checksum, waiting=waiting_calls(own))


def served(row: WorkloadConfig, kube: KubernetesConfig) -> WorkloadConfig:
    """The row with what its `vllm` says as command, arguments and environment; unchanged without one."""
    if row.vllm is None:
        return row
    gpus = row.gpu.count if row.gpu is not None else 1
    sharing = kube.gpu_sharing.get(row.gpu.model) if row.gpu is not None else None
    turns = (sharing.time_slicing if sharing is not None else None) or 1
    environment = vllm_environment(row.vllm, row.volumes[row.vllm.volume].mount)
    return row.model_copy(
        update={
            # Both named: the image's own entry point has changed between releases.
            "command": ("vllm", "serve"),
            "args": vllm_arguments(row.vllm, port=row.main_port, gpus=gpus, turns=turns),
            "env": {**environment, **row.env},
        }
    )


def vllm_arguments(vllm: VllmConfig, *, port: int, gpus: int, turns: int) -> tuple[str, ...]:
    """Arguments of `vllm serve`.

    Args:
        gpus: GPUs of one pod; the model is cut into as many parts.
        turns: pods that take turns on one GPU; each may take its part of the memory. vLLM counts from the
            whole GPU, also for a pod that only has its turn.
    """
    share = math.floor(vllm.gpu_memory_utilization / turns * 1000) / 1000
    stated = {
        "revision": vllm.revision,
        "served-model-name": None,
        "host": "0.0.0.0",  # noqa: S104 - inside a pod whose network policy says who may come
        "port": str(port),
        "tensor-parallel-size": str(gpus),
        "max-model-len": str(vllm.max_model_len),
        "gpu-memory-utilization": f"{share:g}",
        "dtype": vllm.dtype,
        "quantization": vllm.quantization,
    }
    arguments = [vllm.model]
    for flag, value in stated.items():
        if flag == "served-model-name":
            arguments += ["--served-model-name", *vllm.names]
        elif value is not None:
            arguments += [f"--{flag}", value]
    for flag, value in vllm.flags.items():
        if value == "false":
            arguments.append(f"--no-{flag}")
        else:
            arguments += [f"--{flag}"] if value == "true" else [f"--{flag}", value]
    return tuple(arguments)


def vllm_environment(vllm: VllmConfig, home: str) -> dict[str, str]:
    """Where vLLM keeps things, as a user whom the image does not know and on a read-only root.

    Args:
        home: mount of the volume with the weights.
    """
    folders = {
        "HF_HOME": home,
        "HOME": "/tmp",  # noqa: S108 - a folder inside the container
        # PyTorch asks for the user's name, and the image's list of users lacks ours.
        "USER": "sophia",
        "XDG_CACHE_HOME": f"{_CACHE}/cache",
        "VLLM_CACHE_ROOT": f"{_CACHE}/vllm",
        "TORCHINDUCTOR_CACHE_DIR": f"{_CACHE}/inductor",
        "TRITON_CACHE_DIR": f"{_CACHE}/triton",
    }
    quiet = {"DO_NOT_TRACK": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"} if vllm.offline else {}
    return {**folders, **quiet, **offline}
