"""One row of the workload table: a service that runs as a Deployment."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sophia_infra.model.forms import ClosedModel, ConflictsFound, choice_form, text_form, whole_number_form
from sophia_infra.model.kubernetes.autoscaling import AutoscaleConfig
from sophia_infra.model.kubernetes.gpus import GpuRequest
from sophia_infra.model.kubernetes.monitoring import METRICS_PORT, MetricsConfig, MetricsFamily
from sophia_infra.model.kubernetes.quantity import Bytes, Cpu, Memory
from sophia_infra.model.kubernetes.texts import (
    AbsolutePath,
    EnvName,
    EnvValue,
    HealthPath,
    HostLabel,
    ImageText,
    PortName,
    PortNumber,
    SecretPath,
    UserId,
)
from sophia_infra.model.kubernetes.vllm import VllmConfig
from sophia_infra.model.kubernetes.workload_rules import find_workload_conflicts
from sophia_infra.model.value_types import DnsName, YesNo

__all__ = [
    "DEFAULT_NAMESPACE",
    "Architecture",
    "HealthConfig",
    "Priority",
    "RouteConfig",
    "VolumeConfig",
    "WorkloadConfig",
]

DEFAULT_NAMESPACE = "sophia-ai-prod"

Architecture = Literal["amd64", "arm64"]
Priority = Literal["gpu-critical", "high", "standard"]
Access = Literal["ReadWriteOnce", "ReadWriteMany"]

ArchitectureName = Annotated[Architecture, choice_form("an architecture of images", ("amd64", "arm64"))]
Argument = Annotated[str, text_form("an argument", max_characters=1000)]


class HealthConfig(ClosedModel):
    """How Kubernetes learns whether a pod is ready and alive."""

    path: HealthPath = Field(
        default="/health", description="HTTP path that answers 2xx or 3xx. Default /health; unused with tcp."
    )
    ready_path: HealthPath | None = Field(
        default=None,
        description="HTTP path that says whether calls may come. Default: path, which then says both.",
    )
    port: PortName | None = Field(
        default=None, description="Name of the port that answers, from ports. Default: the first port."
    )
    tcp: YesNo = Field(
        default=False,
        description="true asks only for an open connection. Default false: a hung process still accepts "
        "connections.",
    )
    startup_s: Annotated[int, whole_number_form(5, 3600)] = Field(
        default=60,
        description="Seconds that a start may take before the pod counts as failed, 5 to 3600. Default 60; "
        "loading a model takes minutes.",
    )
    liveness_period_s: Annotated[int, whole_number_form(1, 600)] = Field(
        default=10, description="Seconds between two questions, 1 to 600. Default 10, as in Kubernetes."
    )


class VolumeConfig(ClosedModel):
    """A folder that a pod can write to: a claim that outlives the pod, or a cache that does not."""

    mount: AbsolutePath = Field(description="Absolute path in the container. No default.")
    size: Bytes = Field(description="Size, for example 100Gi. No default: disks cost money and are finite.")
    access: Annotated[Access, choice_form("an access mode", ("ReadWriteOnce", "ReadWriteMany"))] = Field(
        default="ReadWriteOnce",
        description="ReadWriteOnce (pods of one node) or ReadWriteMany (pods of every node). Default "
        "ReadWriteOnce: the storage of k3s can do no more.",
    )
    storage_class: DnsName | None = Field(
        default=None,
        description="StorageClass of the claim; ReadWriteMany needs one from shared_storage_classes. "
        "Default: that of storage_class.",
    )
    cache: YesNo = Field(
        default=False,
        description="true makes it an emptyDir of that size, gone with the pod. Default false: kept.",
    )


class RouteConfig(ClosedModel):
    """Where the workload is reached from outside the cluster, by TLS."""

    host: HostLabel = Field(
        description="Label in front of the domain of ingress: app makes app.<domain>. No default."
    )
    path: HealthPath = Field(default="/", description="Path prefix. Default /: the whole host.")


class WorkloadConfig(ClosedModel):
    """One service: Deployment, Service, disruption budget and what it asks for beside them."""

    enabled: YesNo = Field(
        default=True,
        description="false leaves the row out. Default true; of the gateway's row: whether the stack has "
        "sophia:gateway.",
    )
    namespace: DnsName = Field(
        default=DEFAULT_NAMESPACE,
        description="Namespace, one of namespaces. Default sophia-ai-prod, as in the plan.",
    )
    image: ImageText = Field(
        description="Image with a fixed tag or digest, never latest. No default; images.digests may pin it."
    )
    architectures: tuple[ArchitectureName, ...] = Field(
        default=("amd64",),
        description="CPU architectures the image exists for: amd64, arm64. Default amd64; GH200 needs arm64.",
    )
    replicas: Annotated[int, whole_number_form(1, 1000)] = Field(
        default=1,
        description="Pods, 1 to 1000; with autoscale those of the start. Default 1. All of them have to find "
        "a place.",
    )
    ports: dict[PortName, PortNumber] = Field(
        description="Name -> port of the container; the first is the main one. No default, at least one: "
        "probes ask it."
    )
    service_ports: dict[PortName, PortNumber] = Field(
        default_factory=dict,
        description="Name -> port of the Service, where it differs from the container's. Default: the same.",
    )
    health: HealthConfig = Field(
        default_factory=HealthConfig,
        description="Probes. Default: GET /health on the first port, 60 s to start.",
    )
    cpu: Cpu = Field(description='Cores, request..limit as in "0.25..0.5"; one amount is both. No default.')
    memory: Memory = Field(
        description='Bytes, request..limit as in "512Mi..1Gi"; one amount is both. No default.'
    )
    gpu: GpuRequest | None = Field(
        default=None, description="GPU model and places of one pod. Default none: any amd64 machine will do."
    )
    shm: Bytes | None = Field(
        default=None,
        description="Size of /dev/shm, counted as memory. Default none: the 64 MiB of the runtime.",
    )
    volumes: dict[DnsName, VolumeConfig] = Field(
        default_factory=dict, description="Name -> folder to write to. Default none: the root is read-only."
    )
    env: dict[EnvName, EnvValue] = Field(
        default_factory=dict,
        description="Environment variables in plain text. Default none; secrets belong into secret_env.",
    )
    secret_env: dict[EnvName, SecretPath] = Field(
        default_factory=dict,
        description="Environment variable -> path in the ESC environment of secrets, never the value. "
        "Default none.",
    )
    command: tuple[Argument, ...] = Field(
        default=(), description="Command instead of the image's own. Default: the image's."
    )
    args: tuple[Argument, ...] = Field(default=(), description="Arguments. Default: the image's.")
    vllm: VllmConfig | None = Field(
        default=None,
        description="The model it serves as a vLLM server; command and args follow. Default none.",
    )
    gateway: YesNo = Field(
        default=False,
        description="true makes it the inference gateway: its configuration is sophia:gateway, command and "
        "args follow. Default false; at most one row of a stack.",
    )
    metrics: MetricsConfig = Field(
        default_factory=MetricsConfig,
        description="What it says about itself to Prometheus. Default: http at /metrics of the port metrics, "
        "else of the first.",
    )
    ingress: RouteConfig | None = Field(
        default=None, description="How it is reached from outside. Default none: only inside the cluster."
    )
    autoscale: AutoscaleConfig | None = Field(
        default=None, description="Pods by load. Default none: always replicas."
    )
    max_unavailable: Annotated[int, whole_number_form(1, 100)] = Field(
        default=1,
        description="Pods that may be gone at once during updates and drains, 1 to 100. Default 1.",
    )
    grace_s: Annotated[int, whole_number_form(1, 3600)] = Field(
        default=30, description="Seconds to end in order, 1 to 3600. Default 30, as in Kubernetes."
    )
    user_id: UserId = Field(default=10001, description="Numeric user of the process, never 0. Default 10001.")
    team: DnsName = Field(default="platform", description="Who pays for it: label team. Default platform.")
    priority: Annotated[Priority, choice_form("a priority", ("gpu-critical", "high", "standard"))] = Field(
        default="standard",
        description="PriorityClass: gpu-critical, high or standard. Default standard: it yields to others.",
    )
    talks_to: tuple[DnsName, ...] = Field(
        default=(),
        description="Workloads and databases it may connect to. Default none: the network denies the rest.",
    )
    internet: YesNo = Field(
        default=False, description="true lets it reach addresses outside the cluster. Default false."
    )
    swarm_service: DnsName | None = Field(
        default=None,
        description="Service of the old Docker Swarm stack whose peer it is. Default none.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        conflicts = find_workload_conflicts(self)
        if conflicts:
            raise ConflictsFound(conflicts)
        return self

    @property
    def main_port(self) -> int:
        """Port of the container that is named first."""
        return next(iter(self.ports.values()))

    @property
    def metrics_family(self) -> MetricsFamily:
        """Which names its metrics have; those of the server where the row is one."""
        if self.vllm is not None:
            return "vllm"
        return "gateway" if self.gateway else self.metrics.family

    @property
    def metrics_port(self) -> str:
        """Name of the port that Prometheus asks."""
        named = METRICS_PORT if METRICS_PORT in self.ports else next(iter(self.ports))
        return self.metrics.port or named

    @property
    def most_replicas(self) -> int:
        """Pods at most as written, before anything is cut off."""
        return self.autoscale.max if self.autoscale else self.replicas

    def service_port(self, name: str) -> int:
        """Port of the Service for a port name."""
        return self.service_ports.get(name, self.ports[name])
