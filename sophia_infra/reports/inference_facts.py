"""What inference does now, from Prometheus, or from the page of one gateway."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sophia_infra.reports.figures import Figure, first_known, known, unknown
from sophia_infra.reports.quantile import bucket_quantile

if TYPE_CHECKING:
    from sophia_infra.metrics_client.prometheus import PrometheusApi
    from sophia_infra.reports.gateway_page import GatewayPage

__all__ = ["Inference", "Ready", "inference_of_page", "inference_of_prometheus", "no_inference"]

_WINDOW: Final = "5m"
_QUANTILE: Final = 0.95
_MICRO: Final = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Ready:
    """How many of the backends have a model loaded, and the names of the others."""

    ready: int
    total: int
    waiting: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"ready": self.ready, "total": self.total, "waiting": list(self.waiting)}


@dataclass(frozen=True, slots=True)
class Inference:
    """Figures of all gateways together.

    Attributes:
        calls_per_s: that reached the ledger.
        p95_s, first_token_p95_s: 95 of 100 calls took at most so long.
        usd_per_hour: booked in the ledger.
        queue_length: calls that wait for a backend.
        budget_use_ratio: share used of the fullest budget of any user, 0 to 1 and above.
    """

    calls_per_s: Figure[float]
    p95_s: Figure[float]
    first_token_p95_s: Figure[float]
    usd_per_hour: Figure[Decimal]
    queue_length: Figure[int]
    budget_use_ratio: Figure[float]
    backends: Figure[Ready]

    def or_else(self, other: Inference) -> Inference:
        """Each figure, or the other's where this one's is not known."""
        names = [field.name for field in fields(self)]
        return Inference(**{name: first_known(getattr(self, name), getattr(other, name)) for name in names})

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as decimal text."""
        return {
            "calls_per_s": self.calls_per_s.as_json(_rounded),
            "p95_s": self.p95_s.as_json(_rounded),
            "first_token_p95_s": self.first_token_p95_s.as_json(_rounded),
            "usd_per_hour": self.usd_per_hour.as_json(lambda usd: f"{usd:f}"),
            "queue_length": self.queue_length.as_json(int),
            "budget_use_ratio": self.budget_use_ratio.as_json(_rounded),
            "backends": self.backends.as_json(Ready.as_json),
        }


def no_inference(missing: str) -> Inference:
    """Nothing is known, for one reason."""
    return Inference(**{field.name: unknown(missing) for field in fields(Inference)})


def inference_of_prometheus(api: PrometheusApi) -> Inference:
    """Over the last 5 minutes, dollars over the last hour. Several gateways are added up.

    Raises:
        SourceError: Prometheus gave no result.
    """
    per_backend = api.query("max by (backend) (lambda_inference_backend_ready)")
    return Inference(
        calls_per_s=_one(api, f"sum(rate(lambda_inference_requests_total[{_WINDOW}]))", _WINDOW),
        p95_s=_quantile(api, "lambda_inference_latency_seconds", "calls"),
        first_token_p95_s=_quantile(api, "lambda_inference_first_token_seconds", "streams"),
        # Several gateways start their counters from one ledger: their increases add up, their values do not.
        usd_per_hour=_money(api, "sum(increase(lambda_inference_cost_total[1h]))"),
        queue_length=_count(api, "sum(lambda_inference_queue_length)"),
        budget_use_ratio=_one(api, "max(lambda_inference_budget_use_ratio)"),
        backends=(
            known(
                _ready({row.labels.get("backend", "?"): row.value for row in per_backend}),
                api.source,
                per_backend[0].at_s,
            )
            if per_backend
            else unknown("Prometheus has no series lambda_inference_backend_ready", api.source)
        ),
    )


def inference_of_page(page: GatewayPage, before: GatewayPage | None = None) -> Inference:
    """From what a gateway says itself. One look knows totals; two know what happened between them.

    Args:
        before: an earlier look at the same gateway. One from before a restart is no use and is not used.
    """
    if before is not None and (page.at_s <= before.at_s or page.restarted_since(before)):
        before = None
    if before is None:
        rate: Figure[Any] = unknown(
            "one look at a gateway knows totals and no rates; give --prometheus, or look twice", page.source
        )
        calls, usd = rate, rate
    else:
        seconds = page.at_s - before.at_s
        calls = known(page.calls_since(before) / seconds, _between(page, seconds), page.at_s)
        spent = Decimal(str(page.usd_since(before) / seconds * 3600)).quantize(_MICRO)
        usd = known(spent, _between(page, seconds), page.at_s)
    return Inference(
        calls_per_s=calls,
        p95_s=_page_quantile(page, before, "lambda_inference_latency_seconds", "calls"),
        first_token_p95_s=_page_quantile(page, before, "lambda_inference_first_token_seconds", "streams"),
        usd_per_hour=usd,
        queue_length=known(round(sum(page.values("lambda_inference_queue_length"))), page.source, page.at_s),
        budget_use_ratio=_page_budget(page),
        backends=(
            known(_ready(page.ready), page.source, page.at_s)
            if page.ready
            else unknown("the gateway has no backend that it watches", page.source)
        ),
    )


def _ready(by_backend: Mapping[str, float]) -> Ready:
    waiting = sorted(name for name, value in by_backend.items() if value < 1)
    return Ready(len(by_backend) - len(waiting), len(by_backend), tuple(waiting))


def _one(api: PrometheusApi, expr: str, window: str | None = None) -> Figure[float]:
    rows = api.query(expr)
    source = api.source if window is None else f"{api.source}, over {window}"
    if not rows:
        return unknown("Prometheus has no series of the gateway", source)
    if not math.isfinite(rows[0].value):
        return unknown("Prometheus has no finite value", source)
    return known(rows[0].value, source, rows[0].at_s)


def _count(api: PrometheusApi, expr: str) -> Figure[int]:
    found = _one(api, expr)
    if found.value is None:
        return unknown(found.missing, found.source)
    return known(round(found.value), found.source, found.at_s or 0)


def _money(api: PrometheusApi, expr: str) -> Figure[Decimal]:
    found = _one(api, expr, "1h")
    if found.value is None:
        return unknown(found.missing, found.source)
    return known(Decimal(str(found.value)).quantize(_MICRO), found.source, found.at_s or 0)


def _quantile(api: PrometheusApi, histogram: str, of: str) -> Figure[float]:
    per_bucket = f"sum by (le) (rate({histogram}_bucket[{_WINDOW}]))"
    rows = api.query(f"histogram_quantile({_QUANTILE}, {per_bucket})")
    source = f"{api.source}, over {_WINDOW}"
    if not rows:
        return unknown("Prometheus has no series of the gateway", source)
    if not math.isfinite(rows[0].value):
        return unknown(f"no {of} in the last 5 minutes", source)
    return known(rows[0].value, source, rows[0].at_s)


def _page_quantile(page: GatewayPage, before: GatewayPage | None, histogram: str, of: str) -> Figure[float]:
    if before is not None:
        recent = page.buckets(histogram, before)
        value = bucket_quantile(_QUANTILE, recent)
        if value is not None:
            return known(value, _between(page, page.at_s - before.at_s), page.at_s)
    value = bucket_quantile(_QUANTILE, page.buckets(histogram))
    if value is None:
        return unknown(f"no {of} since the gateway started", page.source)
    return known(value, f"{page.source}, all {of} since it started", page.at_s)


def _page_budget(page: GatewayPage) -> Figure[float]:
    ratios = page.values("lambda_inference_budget_use_ratio")
    if not ratios:
        return unknown("the gateway shows no user's budget", page.source)
    return known(max(ratios), page.source, page.at_s)


def _between(page: GatewayPage, seconds: float) -> str:
    return f"{page.source}, over {seconds:.0f} s"


def _rounded(value: float) -> float:
    return round(value, 6)
