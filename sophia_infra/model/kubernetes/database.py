"""A store that keeps its data: a StatefulSet with one claim for each pod, never scaled by load."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from sophia_infra.model.forms import ClosedModel, ConflictsFound, Form, choice_form, whole_number_form
from sophia_infra.model.kubernetes.database_rules import find_database_conflicts, refuse_autoscale
from sophia_infra.model.kubernetes.quantity import Bytes, Cpu, CpuSpan, Memory, MemorySpan
from sophia_infra.model.kubernetes.texts import (
    CronSchedule,
    EnvName,
    EnvValue,
    ImageText,
    PortNumber,
    SecretPath,
    UserId,
)
from sophia_infra.model.kubernetes.workload import DEFAULT_NAMESPACE, ArchitectureName
from sophia_infra.model.value_types import DnsName, YesNo

__all__ = [
    "DATABASE_PORTS",
    "SENTINEL_CPU",
    "SENTINEL_MEMORY",
    "SENTINEL_PORT",
    "BackupConfig",
    "DatabaseConfig",
    "DatabaseKind",
]

DatabaseKind = Literal["postgres", "redis", "qdrant"]


class DatabasePorts(NamedTuple):
    """Main port of a kind, and those beside it by name."""

    name: str
    main: int
    others: tuple[tuple[str, int], ...] = ()


DATABASE_PORTS: dict[str, DatabasePorts] = {
    "postgres": DatabasePorts("postgres", 5432),
    "redis": DatabasePorts("redis", 6379),
    "qdrant": DatabasePorts("http", 6333, (("grpc", 6334),)),
}
SENTINEL_PORT = 26379
SENTINEL_CPU = CpuSpan("50m", "100m")
SENTINEL_MEMORY = MemorySpan("64Mi", "128Mi")
"""What one Redis Sentinel asks for: it only watches."""


class BackupConfig(ClosedModel):
    """When copies are made, and how long they are kept."""

    schedule: CronSchedule = Field(
        default="0 2 * * *",
        description='Cron schedule of five fields, UTC. Default "0 2 * * *": every night at two.',
    )
    keep_days: Annotated[int, whole_number_form(1, 3650)] = Field(
        default=7, description="Days to keep a copy, 1 to 3650. Default 7, as in the plan."
    )
    size: Bytes = Field(description="Size of the claim that holds the copies. No default.")


class DatabaseConfig(ClosedModel):
    """One store: StatefulSet, headless Service, disruption budget, backups."""

    enabled: YesNo = Field(default=True, description="false leaves it out. Default true.")
    kind: Annotated[DatabaseKind, choice_form("a kind of database", ("postgres", "redis", "qdrant"))] = Field(
        description="postgres, redis or qdrant. No default."
    )
    namespace: DnsName = Field(
        default=DEFAULT_NAMESPACE, description="Namespace, one of namespaces. Default sophia-ai-prod."
    )
    image: ImageText = Field(description="Image with a fixed tag or digest. No default.")
    architectures: tuple[ArchitectureName, ...] = Field(
        default=("amd64",),
        description="CPU architectures the image exists for. Default amd64: databases stay off arm64 nodes.",
    )
    replicas: Annotated[int, whole_number_form(1, 100)] = Field(
        default=1,
        description="Pods, each with its own claim, 1 to 100. Default 1; postgres stays at 1, since two "
        "servers on their own disks are two databases.",
    )
    storage: Bytes = Field(description="Size of one claim, for example 100Gi. No default.")
    cpu: Cpu = Field(description='Cores of one pod, request..limit. No default; "1..2" for example.')
    memory: Memory = Field(
        description='Bytes of one pod, request..limit. No default; "2Gi..4Gi" for example.'
    )
    port: PortNumber | None = Field(
        default=None, description="Main port. Default that of the kind: 5432, 6379 or 6333."
    )
    sentinel: YesNo = Field(
        default=False,
        description="true adds three Redis Sentinels, which elect a new leader; redis with 3 or more "
        "replicas. Default false.",
    )
    settings: dict[str, EnvValue] = Field(
        default_factory=dict,
        description="Settings of the server, as it calls them: maxmemory-policy, max_connections. "
        "Default none: its own.",
    )
    secret_env: dict[EnvName, SecretPath] = Field(
        default_factory=dict,
        description="Environment variable -> path in the ESC environment. Default none.",
    )
    autoscale: Annotated[None, Form(refuse_autoscale, {"type": "null"})] = Field(
        default=None, description="Refused: stores are not scaled by load. Default none, and nothing else."
    )
    backup: BackupConfig | None = Field(
        default=None, description="Copies on a schedule. Default none: nothing is copied unasked."
    )
    grace_s: Annotated[int, whole_number_form(1, 3600)] = Field(
        default=60, description="Seconds to end in order, 1 to 3600. Default 60: it writes to disk first."
    )
    user_id: UserId = Field(default=10001, description="Numeric user, never 0. Default 10001.")
    team: DnsName = Field(default="platform", description="Who pays for it: label team. Default platform.")
    swarm_service: DnsName | None = Field(
        default=None,
        description="Service of the old Docker Swarm stack whose peer it is. Default none.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        conflicts = find_database_conflicts(self)
        if conflicts:
            raise ConflictsFound(conflicts)
        return self

    @property
    def main_port(self) -> int:
        """`port`, or that of the kind."""
        return self.port or DATABASE_PORTS[self.kind].main

    @property
    def ports(self) -> dict[str, int]:
        """Name -> port of the store's own container; the first is the main one."""
        known = DATABASE_PORTS[self.kind]
        return {known.name: self.main_port, **dict(known.others)}

    @property
    def sentinels(self) -> int:
        """Sentinel pods beside the store's own."""
        return 3 if self.sentinel else 0
