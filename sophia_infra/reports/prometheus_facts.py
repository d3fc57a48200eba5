"""What Prometheus knows now beside inference: the month's dollars, GPUs, and active alerts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sophia_infra.metrics_client.prometheus import ActiveAlert, PrometheusApi
from sophia_infra.reports.figures import Figure, known, unknown, utc_text

__all__ = [
    "NO_GPU_SERIES",
    "SEVERITIES",
    "Alert",
    "GpuUse",
    "Month",
    "gpu_busy",
    "read_alerts",
    "read_gpus",
    "read_month",
]

NO_GPU_SERIES: Final = "Prometheus has no series of dcgm-exporter: no GPU node is scraped"
SEVERITIES: Final = ("critical", "warning", "info")
"""The most urgent first."""

_ALWAYS_THERE: Final = frozenset({"Watchdog", "InfoInhibitor"})
"""Alarms by which monitoring shows that it lives, or holds others back: nothing is wrong."""

_GPU: Final = "node, gpu, UUID"
_OLD_S: Final = 300
_CENT: Final = Decimal("0.01")
_OURS: Final = ("stack", "orphan")
"""Owners whose dollars are the stack's: what it launched and lost is still its money."""


@dataclass(frozen=True, slots=True)
class Month:
    """Dollars of the stack since the first of the month (UTC), lost machines of it included.

    Attributes:
        is_complete: whether all machines of the month were seen, ended ones too; else it is at least `usd`.
    """

    usd: Decimal
    is_complete: bool

    def as_json(self) -> dict[str, Any]:
        return {"usd": str(self.usd), "is_complete": self.is_complete}


@dataclass(frozen=True, slots=True)
class GpuUse:
    """One GPU over the last 5 minutes.

    Attributes:
        gpu: its number in the node.
        percent: share of time in which anything ran on it.
        memory_percent: of its memory in use now; None when that is not exported.
        pods: "namespace/name" of the pods that hold it; several where it is shared.
    """

    node: str
    gpu: str
    model: str
    percent: float
    memory_percent: float | None
    pods: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.node} GPU {self.gpu}"

    def as_json(self) -> dict[str, Any]:
        memory = self.memory_percent
        return {
            "node": self.node,
            "gpu": self.gpu,
            "model": self.model,
            "utilisation_percent": round(self.percent, 1),
            "memory_percent": None if memory is None else round(memory, 1),
            "pods": list(self.pods),
        }


@dataclass(frozen=True, slots=True)
class Alert:
    """One alarm. `severity` is one of SEVERITIES; one of another system keeps its word."""

    name: str
    severity: str
    state: str
    owner: str
    summary: str
    since: str
    runbook_url: str

    @property
    def is_firing(self) -> bool:
        return self.state == "firing"

    def as_json(self) -> dict[str, str]:
        return {
            "name": self.name,
            "severity": self.severity,
            "state": self.state,
            "owner": self.owner,
            "summary": self.summary,
            "since": self.since,
            "runbook_url": self.runbook_url,
        }


def read_month(api: PrometheusApi) -> Figure[Month]:
    """From `sophia exporter`. Raises SourceError."""
    # Two exporters, during a rollout, watch the same account: the larger figure, not the sum.
    rows = api.query("max by (owner) (lambda_cloud_month_spent_usd)")
    usd = [row.value for row in rows if row.labels.get("owner") in _OURS and math.isfinite(row.value)]
    if not usd:
        return unknown("Prometheus has no series lambda_cloud_month_spent_usd of sophia exporter", api.source)
    complete = api.query("max(lambda_cloud_month_spent_complete)")
    read = api.query("max(lambda_cloud_last_success_timestamp_seconds)")
    spent = sum((Decimal(str(value)) for value in usd), Decimal(0)).quantize(_CENT)
    source = f"sophia exporter, by {api.source}"
    # It counts on at the last rate while the account does not answer.
    if read and rows[0].at_s - read[0].value > _OLD_S:
        source += f", which last read the account at {utc_text(read[0].value)}"
    return known(Month(spent, bool(complete) and complete[0].value == 1), source, rows[0].at_s)


def read_gpus(api: PrometheusApi) -> Figure[tuple[GpuUse, ...]]:
    """Every GPU that dcgm-exporter shows, by node. Raises SourceError."""
    used = api.query(gpu_busy("5m"))
    source = f"dcgm-exporter, by {api.source}, over 5m"
    if not used:
        return unknown(NO_GPU_SERIES, source)
    memory_of = {
        _gpu_key(row.labels): row.value * 100
        for row in api.query(
            f"avg by ({_GPU}) (DCGM_FI_DEV_FB_USED) / "
            f"(avg by ({_GPU}) (DCGM_FI_DEV_FB_USED) + avg by ({_GPU}) (DCGM_FI_DEV_FB_FREE))"
        )
        if math.isfinite(row.value)
    }
    pods: dict[tuple[str, ...], set[str]] = {}
    for row in api.query(f'count by ({_GPU}, namespace, pod) (DCGM_FI_DEV_FB_USED{{pod!=""}})'):
        pod = f"{row.labels.get('namespace', '?')}/{row.labels.get('pod', '?')}"
        pods.setdefault(_gpu_key(row.labels), set()).add(pod)
    rows = [
        GpuUse(
            node=row.labels.get("node", "?"),
            gpu=row.labels.get("gpu", "?"),
            model=row.labels.get("modelName", "?"),
            percent=row.value,
            memory_percent=memory_of.get(_gpu_key(row.labels)),
            pods=tuple(sorted(pods.get(_gpu_key(row.labels), ()))),
        )
        for row in used
    ]
    return known(tuple(sorted(rows, key=lambda row: (row.node, row.gpu))), source, used[0].at_s)


def gpu_busy(window: str) -> str:
    """PromQL: percent of time in which each GPU had work. Under MIG only the second series is there."""
    by = f"avg by ({_GPU}, modelName)"
    return (
        f"{by} (avg_over_time(DCGM_FI_DEV_GPU_UTIL[{window}])) or "
        f"{by} (100 * avg_over_time(DCGM_FI_PROF_GR_ENGINE_ACTIVE[{window}]))"
    )


def read_alerts(api: PrometheusApi, now_s: float) -> Figure[tuple[Alert, ...]]:
    """Active alerts, firing and urgent ones first; without those that fire on purpose. Raises SourceError."""
    return known(sorted_alerts(api.alerts()), api.source, now_s)


def sorted_alerts(found: Iterable[ActiveAlert]) -> tuple[Alert, ...]:
    """In the order in which somebody should look at them."""
    alerts = [
        Alert(
            name=row.name,
            severity=row.labels.get("severity", ""),
            state=row.state,
            owner=row.labels.get("owner", ""),
            summary=row.annotations.get("summary") or row.annotations.get("description", ""),
            since=row.since,
            runbook_url=row.annotations.get("runbook_url", ""),
        )
        for row in found
        if row.name not in _ALWAYS_THERE
    ]
    return tuple(
        sorted(alerts, key=lambda row: (not row.is_firing, _urgency(row.severity), row.name, row.summary))
    )


def _urgency(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def _gpu_key(labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(labels.get(name, "?") for name in ("node", "gpu", "UUID"))
