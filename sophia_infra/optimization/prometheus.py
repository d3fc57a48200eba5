"""Usage and health by Prometheus: a few range queries, and one question for alerts. Nothing is written.

The series are those of dcgm-exporter, node-exporter, kube-state-metrics and `sophia exporter`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from sophia_infra.model.loopback import is_loopback
from sophia_infra.optimization.errors import SourceRefused, SourceUnavailable
from sophia_infra.optimization.health import Health
from sophia_infra.optimization.usage import MachineTracks, Recorded, Track

__all__ = ["QUERIES", "TOKEN_VARIABLE", "Prometheus", "PrometheusGate", "PrometheusUsage"]

TOKEN_VARIABLE: Final = "PROMETHEUS_TOKEN"  # noqa: S105 (its name)

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

_TIMEOUTS_S: Final = (5.0, 60.0)
_SHOWN_CHARACTERS: Final = 200
_Rows = list[tuple[Mapping[str, str], list[tuple[float, float]]]]


class Prometheus:
    """One server, asked by its HTTP API.

    Args:
        url: http or https, with its path prefix if it has one.
        token: sent as a Bearer token, never over http to another machine. None: that of PROMETHEUS_TOKEN.

    Raises:
        SourceRefused: no address, or the token would be readable on the way.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._token = os.environ.get(TOKEN_VARIABLE, "").strip() if token is None else token
        try:
            parts = urlsplit(self.url)
            host = parts.hostname or ""
        except ValueError:
            parts, host = None, ""
        if parts is None or parts.scheme not in ("http", "https") or not host:
            raise SourceRefused(
                f"{url!r} is no address of Prometheus.",
                next_step="give http://host:port or https://host, with its path prefix if it has one.",
            )
        if self._token and parts.scheme == "http" and not is_loopback(host):
            raise SourceRefused(
                f"The token of {TOKEN_VARIABLE} would cross the network to {host} in plain text.",
                next_step="use https, or a tunnel to this machine.",
            )

    def query(self, expr: str) -> _Rows:
        """The vector of `expr` now: (labels, one point) each. Raises SourceUnavailable, SourceRefused."""
        data = self._ask("/api/v1/query", {"query": expr})
        return [(labels, [_pair(row["value"])]) for labels, row in self._rows(data, "vector")]

    def query_range(self, expr: str, start_s: float, end_s: float, step_s: int) -> _Rows:
        """The series of `expr`, NaN left out. Raises as `query`."""
        question = {"query": expr, "start": f"{start_s:.0f}", "end": f"{end_s:.0f}", "step": str(step_s)}
        data = self._ask("/api/v1/query_range", question)
        found = []
        for labels, row in self._rows(data, "matrix"):
            points = [_pair(one) for one in row["values"]]
            found.append((labels, [one for one in points if math.isfinite(one[1])]))
        return found

    def _rows(self, data: Any, kind: str) -> Iterator[tuple[Mapping[str, str], Any]]:
        try:
            if data["resultType"] != kind:
                raise self._other()
            for row in data["result"]:
                yield {str(name): str(value) for name, value in row["metric"].items()}, row
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._other() from None

    def _ask(self, path: str, question: dict[str, str]) -> Any:
        import requests

        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            answer = requests.post(
                f"{self.url}{path}",
                data=question,
                headers=headers,
                timeout=_TIMEOUTS_S,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise SourceUnavailable(
                f"Prometheus at {self.url} does not answer ({type(error).__name__}).",
                next_step="look whether it runs; nothing is concluded or done until it answers.",
            ) from None
        try:
            document = answer.json()
        except ValueError:
            document = None
        said = str(document.get("error", "")) if isinstance(document, dict) else ""
        what = f"HTTP {answer.status_code} {said[:_SHOWN_CHARACTERS]}".strip()
        if answer.status_code >= 500 or answer.status_code == 429:
            raise SourceUnavailable(
                f"Prometheus at {self.url} failed: {what}.", next_step="run this again in a while."
            )
        if not isinstance(document, dict) or document.get("status") != "success":
            raise SourceRefused(
                f"Prometheus at {self.url} answered {what}.",
                next_step=f"check the address and {TOKEN_VARIABLE}.",
            )
        return document.get("data")

    def _other(self) -> SourceRefused:
        return SourceRefused(
            f"What answers at {self.url} is not Prometheus.",
            next_step="give the address of Prometheus itself.",
        )


class PrometheusUsage:
    """A `UsageSource`. A sample at a moment stands for the step that ends then."""

    def __init__(self, server: Prometheus) -> None:
        self._server = server

    def read(self, start_s: int, end_s: int, step_s: int) -> Recorded:
        """See `UsageSource`. Machines are those that `sophia exporter` names as nodes now."""
        ids: dict[str, str] = {}
        read_at_s = float(end_s)
        for labels, points in self._server.query(_NODES):
            ids[labels.get("node", "")] = labels.get("instance_id", "")
            read_at_s = points[0][0]
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
            source=f"Prometheus at {self._server.url}",
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
            for labels, points in self._server.query_range(expr, begin_s, ends_s, step_s):
                key = tuple(labels.get(name, "") for name in by)
                track = values.setdefault(key, [None] * steps)
                for at_s, value in points:
                    place = round((at_s - start_s) / step_s) - 1
                    if 0 <= place < steps:
                        track[place] = value
        return {key: Track(start_s, step_s, tuple(track)) for key, track in values.items()}


class PrometheusGate:
    """A `HealthGate`: well while no critical alert fires."""

    def __init__(self, server: Prometheus) -> None:
        self._server = server

    def look(self) -> Health:
        """Now; a server that does not answer is not well."""
        try:
            # A server without any series answers an empty vector too: `up` tells the two apart.
            if not self._server.query("count(up)"):
                return Health(is_well=False, reason=f"Prometheus at {self._server.url} scrapes nothing")
            firing = sorted(labels.get("alertname", "?") for labels, _ in self._server.query(_ALERTS))
        except (SourceUnavailable, SourceRefused) as error:
            return Health(is_well=False, reason=error.message)
        if firing:
            return Health(is_well=False, reason=f"critical alerts fire: {', '.join(firing)}")
        return Health(is_well=True)


def _pair(row: Any) -> tuple[float, float]:
    return float(row[0]), float(row[1])
