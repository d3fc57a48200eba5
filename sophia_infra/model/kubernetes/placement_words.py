"""What placement says: demand, supply, and what to change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sophia_infra.model.kubernetes.packing import GIB, Pod, Room

if TYPE_CHECKING:
    from sophia_infra.model.kubernetes.config import KubernetesConfig

__all__ = ["cut_note", "unplaced_message"]


def unplaced_message(
    pod: Pod, replicas: int, placed: int, cluster: str, rooms: Sequence[Room], kube: KubernetesConfig
) -> str:
    """Why not all of `replicas` find a place: a predicate that follows the name of the row.

    Args:
        placed: how many of them do.
        cluster: where most of them do; "" when no cluster may be tried.
        rooms: what the others left over there.
    """
    demand = f"asks for {_count(replicas, 'pod')} of {_size(pod)}{' each' if replicas > 1 else ''}"
    if pod.gpu_model is not None and not rooms:
        return (
            f"{demand}, and no machine that joins a cluster has {pod.gpu_model}: add one to sophia:fleet, "
            "or choose another gpu.model"
        )
    welcoming = [room for room in rooms if room.welcomes(pod)]
    if not welcoming:
        return f"{demand}, and no machine may take them: {_why_unwelcome(pod, rooms)}"
    found = f"{placed or 'none'} of them {'finds' if placed < 2 else 'find'} a place"
    places = sum(room.node.places for room in welcoming)
    free = sum(room.places for room in welcoming)
    if pod.gpus and sum(room.places // pod.gpus for room in welcoming) < replicas:
        others = f", {places - free} of them taken by others" if places > free else ""
        supply = f"cluster {cluster} has {_count(places, 'place')} for {pod.gpu_model}{others}"
        return f"{demand}; {supply}, and {found}: {_gpu_remedy(pod, placed, kube)}"
    together = " on one machine, since they share a ReadWriteOnce volume" if pod.stays_together else ""
    cpu, memory = max(room.cpu for room in welcoming), max(room.memory for room in welcoming)
    return (
        f"{demand}{together}; the machines of cluster {cluster} that may take them have at most "
        f"{_cores(cpu)} CPU and {memory / GIB:.3g}Gi left on one, and {found}: lower replicas, cpu or "
        "memory, or add a machine to sophia:fleet"
    )


def cut_note(name: str, pod: Pod, kube: KubernetesConfig, cluster: str, places: int, most: int) -> str:
    """An autoscaler's maximum that the GPUs cannot carry."""
    wanted = kube.workloads[name].most_replicas
    return (
        f"sophia:kubernetes.workloads.{name}.autoscale.max: {wanted} is cut to {most}: cluster {cluster} has "
        f"{_count(places, 'place')} for {pod.gpu_model}"
    )


def _why_unwelcome(pod: Pod, rooms: Sequence[Room]) -> str:
    if not rooms:
        return "there is none"
    if any(room.node.architecture == "arm64" for room in rooms):
        return (
            f"the image exists for {', '.join(pod.architectures)}, and arm64 machines take only pods that "
            "choose their GPU and list arm64"
        )
    return f"the image exists for {', '.join(pod.architectures)}, and the machines are x86_64"


def _gpu_remedy(pod: Pod, placed: int, kube: KubernetesConfig) -> str:
    ways = [f"lower replicas to {placed}"] if placed else []
    if pod.gpu_model not in kube.gpu_sharing:
        ways.append(f"share it in gpu_sharing.{pod.gpu_model}")
    return ", or ".join([*ways, f"add a machine with {pod.gpu_model} to sophia:fleet"])


def _size(pod: Pod) -> str:
    gpu = f"{pod.gpus} {pod.gpu_model}, " if pod.gpus else ""
    near = f" on a machine with {pod.gpu_model}" if pod.gpu_model and not pod.gpus else ""
    return f"{gpu}{_cores(pod.cpu)} CPU and {pod.memory / GIB:.3g}Gi{near}"


def _cores(millicores: int) -> str:
    return f"{millicores / 1000:.3g}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
