"""Who measures what: every service and every part of the platform, by the four golden signals.

A service that nobody measures looks healthy until somebody complains, so an empty cell fails the build.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sophia_infra.monitoring.coverage_cells import (
    CONTAINERS,
    GPU_MEMORY,
    OF_KIND,
    OF_ROUTE,
    PLATFORM,
    SIGNALS,
    VOLUME,
    Cell,
    Signal,
)
from sophia_infra.monitoring.rules import all_alerts
from sophia_infra.monitoring.rules.cluster.services import down_alert, slow_alert
from sophia_infra.monitoring.terms import Service, Terms

__all__ = ["SIGNALS", "Cell", "Row", "Signal", "coverage", "render_markdown", "uncovered"]


@dataclass(frozen=True, slots=True)
class Row:
    """A service, or a part of the platform.

    Attributes:
        owner: team.
        kind: family of its metrics; "platform" for what is no row of the table.
        cells: signal -> who measures it; a signal that nobody does is not in it.
    """

    name: str
    owner: str
    kind: str
    cells: Mapping[Signal, Cell]

    @property
    def missing(self) -> tuple[Signal, ...]:
        return tuple(signal for signal in SIGNALS if signal not in self.cells)


def coverage(terms: Terms) -> tuple[Row, ...]:
    """The table: services in their order, then the platform's own parts. Alerts that a stack lacks are left
    out."""
    there = all_alerts(terms)
    rows = (*map(_row_of, terms.services), *_platform(terms))
    return tuple(
        Row(row.name, row.owner, row.kind, MappingProxyType(_only_alerts_of(row.cells, frozenset(there))))
        for row in rows
    )


def uncovered(terms: Terms) -> tuple[str, ...]:
    """A sentence for every row with an empty cell: whose it is, and the key to change."""
    sentences = []
    workloads = {service.name for service in terms.services if service.is_workload}
    for row in coverage(terms):
        if not row.missing:
            continue
        signals = " and ".join(filter(None, (", ".join(row.missing[:-1]), row.missing[-1])))
        remedy = (
            f"set workloads.{row.name}.metrics.family to what its image exports (http, vllm, gateway, n8n), "
            f"or give it a route by workloads.{row.name}.ingress"
            if row.name in workloads
            else "give it an exporter in monitoring/coverage.py"
        )
        sentences.append(f"Nobody measures {signals} of {row.name} (team {row.owner}): {remedy}.")
    return tuple(sentences)


def render_markdown(rows: Iterable[Row]) -> str:
    """The table for the docs; the same rows give the same text."""
    lines = [
        f"| service | owner | {' | '.join(SIGNALS)} |",
        f"|---|---|{'---|' * len(SIGNALS)}",
    ]
    for row in rows:
        cells = (_shown(row.cells.get(signal)) for signal in SIGNALS)
        lines.append(f"| {row.name} | {row.owner} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _shown(cell: Cell | None) -> str:
    if cell is None:
        return "nobody"
    metrics = ", ".join(f"`{name}`" for name in cell.metrics)
    return f"{metrics} ({', '.join(cell.exporters)}): {', '.join(cell.alerts) or 'dashboards'}"


def _only_alerts_of(cells: Mapping[Signal, Cell], there: frozenset[str]) -> dict[Signal, Cell]:
    return {
        signal: Cell(cell.metrics, tuple(name for name in cell.alerts if name in there))
        for signal, cell in cells.items()
    }


def _row_of(service: Service) -> Row:
    """Its own figures first, then what others see of it: the ingress controller and the kubelet."""
    cells = dict(OF_KIND[service.kind])
    if service.kind == "http":
        _add(cells, {"latency": Cell((), (slow_alert(service),))})
    if service.has_route:
        _add(cells, OF_ROUTE)
    _add(cells, {"saturation": CONTAINERS})
    if service.has_gpu and service.kind != "vllm":
        _add(cells, {"saturation": GPU_MEMORY})
    if not service.is_workload:
        _add(cells, {"saturation": VOLUME})
    if "errors" in cells:
        _add(cells, {"errors": _down(service)})
    return Row(service.name, service.team, service.kind, cells)


def _down(service: Service) -> Cell:
    ready = (
        "deployment_status_replicas_available" if service.is_workload else "statefulset_status_replicas_ready"
    )
    return Cell((f"kube_{ready}",), (down_alert(service),))


def _add(cells: dict[Signal, Cell], more: Mapping[Signal, Cell]) -> None:
    for signal, cell in more.items():
        own = cells.get(signal, Cell(()))
        cells[signal] = Cell(
            tuple(dict.fromkeys(own.metrics + cell.metrics)), tuple(dict.fromkeys(own.alerts + cell.alerts))
        )


def _platform(terms: Terms) -> list[Row]:
    parts = dict(PLATFORM)
    if not terms.has_exporter:
        del parts["sophia exporter"]
    if not terms.has_certificates:
        del parts["ingress"]
    return [Row(name, "platform", "platform", cells) for name, cells in parts.items()]
