"""What cannot go together in one workload. Pure: a workload in, conflicts out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sophia_infra.model.errors import Refused, did_you_mean
from sophia_infra.model.forms import Conflict
from sophia_infra.model.kubernetes.gpus import ARM64_GPU_MODELS
from sophia_infra.model.kubernetes.literal_secrets import find_literal_secrets
from sophia_infra.model.kubernetes.quantity import bytes_of
from sophia_infra.model.kubernetes.server_rules import find_server_conflicts

if TYPE_CHECKING:
    from sophia_infra.model.kubernetes.autoscaling import AutoscaleConfig
    from sophia_infra.model.kubernetes.workload import WorkloadConfig

__all__ = ["find_autoscale_conflicts", "find_workload_conflicts"]

_MEASURES = "cpu, memory, gpu_utilization (percent), queue, rps, tokens_per_s"


def find_autoscale_conflicts(autoscale: AutoscaleConfig) -> list[Conflict]:
    """All conflicts of an autoscaler, with paths relative to it."""
    found: list[Conflict] = []
    if autoscale.min > autoscale.max:
        refused = Refused(f"is below min, which is {autoscale.min}", allowed=f"{autoscale.min} or more")
        found.append(Conflict(("max",), refused, autoscale.max))
    if not autoscale.is_measured:
        if autoscale.forecast is None:
            refused = Refused("has no measure to scale by", allowed=f"{_MEASURES}, forecast")
            found.append(Conflict((), refused))
        else:
            refused = Refused(
                "is the only measure, and where a forecast fails the pods would go: add one of what is",
                allowed=_MEASURES,
            )
            found.append(Conflict(("forecast",), refused, autoscale.forecast))
    return found


def find_workload_conflicts(workload: WorkloadConfig) -> list[Conflict]:
    """All conflicts inside one workload, with paths relative to it."""
    return [
        *_find_wrong_counts(workload),
        *_find_wrong_ports(workload),
        *_find_images_that_do_not_run(workload),
        *_find_wrong_volumes(workload),
        *_find_wrong_environment(workload),
        *find_server_conflicts(workload),
    ]


def _find_wrong_counts(workload: WorkloadConfig) -> Iterator[Conflict]:
    scale, replicas = workload.autoscale, workload.replicas
    if scale and scale.min <= scale.max and not scale.min <= replicas <= scale.max:
        refused = Refused(
            "is outside autoscale", allowed=f"{scale.min} to {scale.max}, as autoscale.min and max say"
        )
        yield Conflict(("replicas",), refused, replicas)
    if scale and scale.gpu_utilization and (workload.gpu is None or workload.gpu.count == 0):
        refused = Refused("needs a GPU of its own: set gpu with a count of 1 or more, or scale by cpu")
        yield Conflict(("autoscale", "gpu_utilization"), refused, scale.gpu_utilization)
    if replicas > 1 and workload.max_unavailable >= replicas:
        refused = Refused(
            f"lets all {replicas} pods be gone at once", allowed=f"at most {replicas - 1}, below replicas"
        )
        yield Conflict(("max_unavailable",), refused, workload.max_unavailable)


def _find_wrong_ports(workload: WorkloadConfig) -> Iterator[Conflict]:
    ports = workload.ports
    if not ports:
        yield Conflict(("ports",), Refused("is empty; probes ask a port", allowed="http: 8000"))
        return
    first_by_number: dict[int, str] = {}
    for name, number in ports.items():
        first = first_by_number.setdefault(number, name)
        if first != name:
            yield Conflict(("ports", name), Refused(f"is the port {first} already"), number)
    for name, number in workload.service_ports.items():
        if name not in ports:
            yield Conflict(("service_ports", name), _no_port(name, workload), number)
    first_by_number = {}
    for name in ports:
        number = workload.service_port(name)
        first = first_by_number.setdefault(number, name)
        if first != name and workload.service_ports:
            own, other = (name, first) if name in workload.service_ports else (first, name)
            yield Conflict(("service_ports", own), Refused(f"is the port of {other} already"), number)
    for key, port in (("health", workload.health.port), ("metrics", workload.metrics.port)):
        if port is not None and port not in ports:
            yield Conflict((key, "port"), _no_port(port, workload), port)


def _no_port(name: str, workload: WorkloadConfig) -> Refused:
    return Refused(f"is not in ports{did_you_mean(name, workload.ports)}", allowed=", ".join(workload.ports))


def _find_images_that_do_not_run(workload: WorkloadConfig) -> Iterator[Conflict]:
    wanted = "arm64" if workload.gpu and workload.gpu.model in ARM64_GPU_MODELS else "amd64"
    if wanted in workload.architectures:
        return
    where = f"machines with {workload.gpu.model}" if workload.gpu else "machines without a chosen GPU"
    refused = Refused(
        f"lacks {wanted}, the architecture of {where}: build the image for it and list it",
        allowed=", ".join(sorted({*workload.architectures, wanted})),
    )
    yield Conflict(("architectures",), refused)


def _find_wrong_volumes(workload: WorkloadConfig) -> Iterator[Conflict]:
    mounts: dict[str, str] = {"/dev/shm": "shm"} if workload.shm else {}  # noqa: S108, a mount point in a pod
    for name, volume in workload.volumes.items():
        first = mounts.setdefault(volume.mount, name)
        if first != name:
            yield Conflict(("volumes", name, "mount"), Refused(f"is where {first} is mounted"), volume.mount)
        if volume.cache:
            for key, default in (("access", "ReadWriteOnce"), ("storage_class", None)):
                if getattr(volume, key) != default:
                    refused = Refused("does not go with cache, which is a folder of the node")
                    yield Conflict(("volumes", name, key), refused, getattr(volume, key))
    if workload.shm and bytes_of(workload.shm) > workload.memory.limit_bytes:
        refused = Refused(
            "is more than the memory limit, which it counts against",
            allowed=f"up to {workload.memory.limit}",
        )
        yield Conflict(("shm",), refused, workload.shm)


def _find_wrong_environment(workload: WorkloadConfig) -> Iterator[Conflict]:
    yield from find_literal_secrets("env", workload.env)
    for name in workload.secret_env:
        if name in workload.env:
            yield Conflict(("secret_env", name), Refused("is in env as well; keep one of them"))
    for key in ("command", "args"):
        for at, text in enumerate(getattr(workload, key)):
            for conflict in find_literal_secrets(key, {"": text}):
                yield Conflict((key, at), conflict.refused, text)
