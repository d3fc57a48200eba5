"""What cannot go together in one database. Pure: a database in, conflicts out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import Conflict
from sophia_infra.model.kubernetes.literal_secrets import find_literal_secrets

if TYPE_CHECKING:
    from sophia_infra.model.kubernetes.database import DatabaseConfig

__all__ = ["find_database_conflicts", "refuse_autoscale"]

SMALLEST_QUORUM = 3


def refuse_autoscale(value: object) -> None:
    """A store keeps its data on its own disks, so that no load may add or take away one of them."""
    if value is not None:
        raise Refused(
            "is not for databases: a new pod has an empty disk, and one that goes takes its data along; "
            "change replicas by hand"
        )


def find_database_conflicts(database: DatabaseConfig) -> list[Conflict]:
    """All conflicts inside one database, with paths relative to it."""
    return [
        *_find_wrong_replicas(database),
        *_find_wrong_ports(database),
        *find_literal_secrets("settings", database.settings),
        *_find_wrong_architectures(database),
    ]


def _find_wrong_replicas(database: DatabaseConfig) -> Iterator[Conflict]:
    kind, replicas = database.kind, database.replicas
    if kind == "postgres" and replicas > 1:
        refused = Refused(
            "makes two databases that know nothing of each other, since nothing here replicates postgres",
            allowed="1",
        )
        yield Conflict(("replicas",), refused, replicas)
    if database.sentinel and kind != "redis":
        yield Conflict(("sentinel",), Refused(f"is for redis, and this is {kind}"), database.sentinel)
    elif database.sentinel and replicas < SMALLEST_QUORUM:
        refused = Refused(
            "is too few to lose one and still elect a leader with sentinel",
            allowed=f"{SMALLEST_QUORUM} or more",
        )
        yield Conflict(("replicas",), refused, replicas)
    elif kind == "redis" and replicas > 1 and not database.sentinel:
        refused = Refused(
            "is missing: with several redis pods somebody has to choose the leader", allowed="true"
        )
        yield Conflict(("sentinel",), refused, database.sentinel)


def _find_wrong_ports(database: DatabaseConfig) -> Iterator[Conflict]:
    for name, number in list(database.ports.items())[1:]:
        if number == database.main_port:
            yield Conflict(("port",), Refused(f"is the port {name} of {database.kind}"), database.port)


def _find_wrong_architectures(database: DatabaseConfig) -> Iterator[Conflict]:
    if "amd64" not in database.architectures:
        refused = Refused(
            "lacks amd64: arm64 machines take only pods that choose their GPU", allowed="amd64, or both"
        )
        yield Conflict(("architectures",), refused)
