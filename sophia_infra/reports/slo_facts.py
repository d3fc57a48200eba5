"""How many calls succeeded in 30 days and how much of the error budgets is left, as the rules record it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from sophia_infra.metrics_client.prometheus import PrometheusApi, Sample
from sophia_infra.reports.figures import Figure, known, unknown

__all__ = ["ServiceSlo", "Slos", "read_slo"]

_LEFT: Final = "slo:error_budget_remaining:ratio"
_FAILED: Final = "slo:errors_per_request:ratio_rate30d"
_OBJECTIVE: Final = "slo:objective:ratio"


@dataclass(frozen=True, slots=True)
class ServiceSlo:
    """One service with an objective (sophia_infra.monitoring.slo).

    Attributes:
        slo: which kind of calls: inference, http, model-backend, lambda-cloud-api.
        success_ratio: share of calls that succeeded in 30 days, or as long as there is data, 0 to 1.
        budget_left_ratio: share of the failures allowed that is not used; below 0 when more failed.
    """

    slo: str
    namespace: str
    service: str
    success_ratio: float
    budget_left_ratio: float

    def as_json(self) -> dict[str, Any]:
        return {
            "slo": self.slo,
            "namespace": self.namespace,
            "service": self.service,
            "success_ratio": round(self.success_ratio, 8),
            "budget_left_ratio": round(self.budget_left_ratio, 6),
        }


@dataclass(frozen=True, slots=True)
class Slos:
    """All services, the least budget first. `objective_ratio`: share of calls that has to succeed, 0 to 1."""

    objective_ratio: float
    services: tuple[ServiceSlo, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "objective_ratio": self.objective_ratio,
            "services": [row.as_json() for row in self.services],
        }


def read_slo(api: PrometheusApi) -> Figure[Slos]:
    """All services that took calls. Raises SourceError."""
    source = f"{api.source}, over 30d"
    failed = {_key(row): row.value for row in api.query(_FAILED)}
    left = [row for row in api.query(_LEFT) if math.isfinite(row.value) and _key(row) in failed]
    objective = api.query(f"max({_OBJECTIVE})")
    if not left or not objective:
        return unknown(f"Prometheus has no series {_LEFT}: are the rules of this project loaded?", source)
    rows = [ServiceSlo(*_key(row), 1 - failed[_key(row)], row.value) for row in left]
    rows.sort(key=lambda row: (row.budget_left_ratio, row.slo, row.namespace, row.service))
    return known(Slos(objective[0].value, tuple(rows)), source, left[0].at_s)


def _key(row: Sample) -> tuple[str, str, str]:
    return (row.labels.get("slo", "?"), row.labels.get("namespace", "?"), row.labels.get("service", "?"))
