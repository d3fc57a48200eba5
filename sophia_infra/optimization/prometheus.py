"""Usage and health by Prometheus: a few range queries, and one question for alerts. Nothing is written.

The series are those of dcgm-exporter, node-exporter, kube-state-metrics and `sophia exporter`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from sophia_infra.metrics_client.errors import SourceError
from sophia_infra.metrics_client.prometheus import PrometheusApi
from sophia_infra.optimization.health import Health
from sophia_infra.optimization.usage import MachineTracks, Recorded, Track

__all__ = ["QUERIES", "PrometheusGate", "PrometheusUsage"]

QUERIES: Final[Mapping[str, str]] = {
    # Under MIG only the second series is there.
    "gpu_percent": "max by (node) (avg_over_time(DCGM_FI_DEV_GPU_UTIL[STEP])) "
    "or max by (node) (100 * avg_over_time(DCGM_FI_PROF_GR_ENGINE_ACTIVE[STEP]))",
    "gpu_memory_gib": "max by (node) (max_over_time(DCGM_FI_DEV_FB_USED[STEP])) / 1024",
    "cpu_percent": '100 * (1 - avg by (node) (rate(node_cpu_seconds_total{mode="idle"}[STEP])))',
    "memory_gib": "max by (node) (max_over_time(node_memory_MemTotal_bytes[STEP]) "
    "- min_over_time(node_memory_MemAvailable_bytes[STEP])) / 1073741824",
    "requests_per_s": "sum by (node) (sum by (namespace, pod) (rate(http_requests_total[STEP])) "
    "* on (namespace, pod) group_left (node) max by (namespace, pod, node) (kube_pod_info))",
}
"""Name of a track -> PromQL by node; STEP is the length of a step. FB_USED is in MiB."""

_NODES: Final = "group by (node, instance_id) (last_over_time(lambda_node_usd_per_hour[1h]))"
_CAPACITY: Final = "max by (instance_type, region) (lambda_cloud_capacity)"
_ALERTS: Final = (
    'count by (alertname) (ALERTS{alertstate="firing", severity="critical", '
    'alertname!~"Watchdog|InfoInhibitor"})'
)
_MOST_POINTS: Final = 10_000
"""Prometheus refuses more than 11,000 points of one series in an answer."""


class PrometheusUsage:
    """A `UsageSource`. A sample at a moment stands for the step that ends then."""

    def __init__(self, server: PrometheusApi) -> None:
        self._server = server

    def read(self, start_s: int, end_s: int, step_s: int) -> Recorded:
        """See `UsageSource`. Machines are those that `sophia exporter` names as nodes now."""
        ids: dict[str, str] = {}
        read_at_s = float(end_s)
        for row in self._server.query(_NODES):
            ids[row.labels.get("node", "")] = row.labels.get("instance_id", "")
            read_at_s = row.at_s
        tracks: dict[str, dict[str, Track]] = {}
        notes = [] if ids else ["no node of the stack is known: lambda_node_usd_per_hour has no series"]
        for name, expr in QUERIES.items() if ids else ():
            found = self._tracks(expr.replace("STEP", f"{step_s}s"), ("node",), start_s, end_s, step_s)
            if not found:
                notes.append(f"{name} is not recorded of any node")
            for (node,), track in found.items():
                tracks.setdefault(node, {})[name] = track
        machines = {
            ids[node]: MachineTracks(**of_node)
            for node, of_node in tracks.items()
            if ids.get(node) and "gpu_percent" in of_node
        }
        capacity = self._tracks(_CAPACITY, ("instance_type", "region"), start_s, end_s, step_s)
        return Recorded(
            source=self._server.source,
            read_at_s=read_at_s,
            machines=machines,
            capacity={(kind, region): track for (kind, region), track in capacity.items()},
            notes=tuple(notes),
        )

    def _tracks(
        self, expr: str, by: tuple[str, ...], start_s: int, end_s: int, step_s: int
    ) -> dict[tuple[str, ...], Track]:
        steps = (end_s - start_s) // step_s
        values: dict[tuple[str, ...], list[float | None]] = {}
        for first in range(0, steps, _MOST_POINTS):
            last = min(steps, first + _MOST_POINTS)
            begin_s, ends_s = start_s + (first + 1) * step_s, start_s + last * step_s
            for series in self._server.query_range(expr, begin_s, ends_s, step_s):
                key = tuple(series.labels.get(name, "") for name in by)
                track = values.setdefault(key, [None] * steps)
                for at_s, value in series.points:
                    place = round((at_s - start_s) / step_s) - 1
                    if 0 <= place < steps and math.isfinite(value):
                        track[place] = value
        return {key: Track(start_s, step_s, tuple(track)) for key, track in values.items()}


class PrometheusGate:
    """A `HealthGate`: well while no critical alert fires."""

    def __init__(self, server: PrometheusApi) -> None:
        self._server = server

    def look(self) -> Health:
        """Now; a server that does not answer is not well."""
        try:
            # A server without any series answers an empty vector too: `up` tells the two apart.
            if not self._server.query("count(up)"):
                return Health(is_well=False, reason=f"{self._server.source} scrapes nothing")
            firing = sorted(row.labels.get("alertname", "?") for row in self._server.query(_ALERTS))
        except SourceError as error:
            return Health(is_well=False, reason=error.message)
        if firing:
            return Health(is_well=False, reason=f"critical alerts fire: {', '.join(firing)}")
        return Health(is_well=True)
