"""The port registry: who listens where, each main port taken once in its namespace."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import Conflict
from sophia_infra.model.kubernetes.database import SENTINEL_PORT

if TYPE_CHECKING:
    from sophia_infra.model.kubernetes.config import KubernetesConfig

__all__ = ["PortEntry", "find_port_conflicts", "port_table"]


@dataclass(frozen=True, slots=True)
class PortEntry:
    """One port of one service.

    Attributes:
        section, service, name: where it is written; the port's own name.
        port, service_port: of the container; of the Service in front of it.
        is_main: the first of its service, by which people know it.
    """

    namespace: str
    section: Literal["workloads", "databases"]
    service: str
    name: str
    port: int
    service_port: int
    is_main: bool


def port_table(kube: KubernetesConfig) -> tuple[PortEntry, ...]:
    """Every port of what is enabled, by namespace, then port, then service."""
    return tuple(sorted(_entries(kube), key=lambda entry: (entry.namespace, entry.port, entry.service)))


def find_port_conflicts(kube: KubernetesConfig) -> Iterator[Conflict]:
    """Main ports that two services of a namespace claim, except those in `shared_ports`.

    Nothing in Kubernetes forbids it; people, dashboards and old registries tell services apart by port.
    """
    first_by_port: dict[tuple[str, int], PortEntry] = {}
    for entry in _entries(kube):
        if not entry.is_main or entry.port in kube.shared_ports:
            continue
        first = first_by_port.setdefault((entry.namespace, entry.port), entry)
        if first is not entry:
            refused = Refused(
                f"is the port of {first.service} in {entry.namespace} already",
                allowed=f"for example {_next_free(entry, first_by_port)}, or list it in shared_ports",
            )
            key = ("port",) if entry.section == "databases" else ("ports", entry.name)
            yield Conflict((entry.section, entry.service, *key), refused, entry.port)


def _entries(kube: KubernetesConfig) -> Iterator[PortEntry]:
    for service, row in kube.enabled_workloads().items():
        for at, (name, port) in enumerate(row.ports.items()):
            served = row.service_port(name)
            yield PortEntry(row.namespace, "workloads", service, name, port, served, at == 0)
    for service, store in kube.enabled_databases().items():
        for at, (name, port) in enumerate(store.ports.items()):
            yield PortEntry(store.namespace, "databases", service, name, port, port, at == 0)
        if store.sentinels:
            sentinel = SENTINEL_PORT
            yield PortEntry(store.namespace, "databases", service, "sentinel", sentinel, sentinel, False)


def _next_free(entry: PortEntry, taken: Collection[tuple[str, int]]) -> int:
    return next(port for port in range(entry.port + 1, 65536) if (entry.namespace, port) not in taken)
