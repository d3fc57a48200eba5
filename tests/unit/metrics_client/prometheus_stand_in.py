"""A real HTTP service that answers like Prometheus: for each query the rows whose key is part of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.unit.lambda_cloud.service import Asked, Reply, ScriptedService

AT_S = 1_795_000_000.0

Row = tuple[dict[str, str], float | str]


class PrometheusStandIn(ScriptedService):
    """What is scripted by path wins; else queries are answered by `vectors`."""

    def __init__(self) -> None:
        super().__init__()
        self.vectors: dict[str, list[Row]] = {}
        self.alert_rows: list[dict[str, Any]] = []

    def take(self, asked: Asked) -> Reply:
        if self._scripts.get(f"{asked.method} {asked.path}"):
            return super().take(asked)
        with self._lock:
            self.asked.append(asked)
        if asked.path == "/api/v1/query":
            return vector(self._rows(asked.query["query"][0]))
        if asked.path == "/api/v1/alerts":
            return success({"alerts": self.alert_rows})
        return Reply(404, b"404 page not found", {"Content-Type": "text/plain"})

    def _rows(self, expr: str) -> Sequence[Row]:
        return next((rows for part, rows in self.vectors.items() if part in expr), ())


def success(data: object) -> Reply:
    """As Prometheus 2.42 wraps it."""
    return Reply(200, {"status": "success", "data": data})


def vector(rows: Sequence[Row]) -> Reply:
    """An instant vector."""
    result = [{"metric": labels, "value": [AT_S, str(value)]} for labels, value in rows]
    return success({"resultType": "vector", "result": result})


def failure(status: int, kind: str, text: str) -> Reply:
    """A refusal of Prometheus, as 2.42 words it."""
    return Reply(status, {"status": "error", "errorType": kind, "error": text})


def alert(name: str, severity: str, state: str = "firing", **annotations: str) -> dict[str, Any]:
    """One row of /api/v1/alerts, as recorded from 2.42."""
    return {
        "labels": {"alertname": name, "severity": severity, "owner": "platform"},
        "annotations": annotations,
        "state": state,
        "activeAt": "2026-11-28T09:30:00.123456789Z",
        "value": "1e+00",
    }
