"""Counters are exact, there from the start, and have the names that the alerts read."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from sophia_infra.inference.gateway.metrics import GatewayMetrics
from sophia_infra.inference.gateway.money_counters import MoneyCounters
from sophia_infra.inference.usage import Outcome, Tokens, UsageEntry

AT = datetime(2026, 9, 14, tzinfo=UTC)


def entry(**changes: object) -> UsageEntry:
    values: dict[str, object] = {
        "request_id": "r",
        "at": AT,
        "user": "backend",
        "model": "qwen-3-32b",
        "backend": "own",
        "tokens": Tokens(100, 50),
        "input_usd": Decimal("0.00001"),
        "output_usd": Decimal("0.000015"),
        "latency_ms": 150,
    }
    return UsageEntry(**(values | changes))  # type: ignore[arg-type]


def sample(metrics: GatewayMetrics, name: str, **labels: str) -> float | None:
    for family in text_string_to_metric_families(metrics.text().decode()):
        for one in family.samples:
            if one.name == name and one.labels == labels:
                return float(one.value)
    return None


OWN = {"model": "qwen-3-32b", "backend": "own", "user": "backend"}


def test_money_and_tokens_are_counted_by_kind() -> None:
    metrics = GatewayMetrics()
    metrics.on_settled(entry())
    metrics.on_settled(entry())
    assert sample(metrics, "lambda_inference_cost_total", kind="input", **OWN) == 0.00002
    assert sample(metrics, "lambda_inference_cost_total", kind="output", **OWN) == 0.00003
    assert sample(metrics, "lambda_inference_tokens_total", kind="input", **OWN) == 200
    assert sample(metrics, "lambda_inference_tokens_total", kind="output", **OWN) == 100


def test_series_of_calls_that_can_come_begin_at_zero() -> None:
    metrics = GatewayMetrics([("qwen-3-32b", "own", "backend")])
    assert sample(metrics, "lambda_inference_cost_total", kind="input", **OWN) == 0
    assert sample(metrics, "lambda_inference_tokens_total", kind="output", **OWN) == 0
    labels = {"model": "qwen-3-32b", "backend": "own"}
    for outcome in get_args(Outcome):
        assert sample(metrics, "lambda_inference_requests_total", outcome=outcome, **labels) == 0
    metrics.on_settled(entry(input_usd=Decimal("0.25")))
    assert sample(metrics, "lambda_inference_cost_total", kind="input", **OWN) == 0.25
    assert sample(metrics, "lambda_inference_requests_total", outcome="ok", **labels) == 1


@given(st.lists(st.decimals("0", "1", places=12), max_size=200))
def test_a_sum_of_small_costs_is_exact(costs: list[Decimal]) -> None:
    counters = MoneyCounters()
    for cost in costs:
        counters.add(entry(input_usd=cost))
    (cost_family, _) = list(counters.collect())
    shown = [one.value for one in cost_family.samples if one.labels.get("kind") == "input"]
    assert shown == ([float(sum(costs))] if costs else [])


def test_latency_first_token_cache_and_attempts() -> None:
    metrics = GatewayMetrics()
    metrics.on_settled(entry(first_token_ms=40))
    metrics.on_settled(entry(cached=True, latency_ms=1))
    metrics.on_attempt("own", "server")
    model = {"model": "qwen-3-32b"}
    assert sample(metrics, "lambda_inference_latency_seconds_bucket", le="0.2", **model) == 2
    assert sample(metrics, "lambda_inference_latency_seconds_bucket", le="0.1", **model) == 1
    assert sample(metrics, "lambda_inference_first_token_seconds_count", **model) == 1
    assert sample(metrics, "lambda_inference_cache_hits_total", **model) == 1
    assert sample(metrics, "lambda_inference_attempts_total", backend="own", outcome="server") == 1


def test_what_is_under_way_goes_up_and_down() -> None:
    metrics = GatewayMetrics()
    assert sample(metrics, "lambda_inference_in_flight") == 0
    metrics.call_began(stream=True)
    metrics.call_began(stream=False)
    assert sample(metrics, "lambda_inference_in_flight") == 2
    assert sample(metrics, "lambda_inference_open_streams") == 1
    metrics.call_ended(stream=True)
    assert sample(metrics, "lambda_inference_in_flight") == 1
    assert sample(metrics, "lambda_inference_open_streams") == 0


def test_queues_readiness_and_budgets_are_gauges() -> None:
    metrics = GatewayMetrics(pressure=lambda user: 85 if user == "backend" else 0, users=["backend"])
    metrics.on_queue("own", 7)
    metrics.on_backend("own", ready=True)
    metrics.on_warm({"qwen-3-32b": 1})
    metrics.on_backend_load("own", waiting=3, cache_use=0.5)
    metrics.on_refused("invalid_api_key")
    assert sample(metrics, "lambda_inference_queue_length", backend="own") == 7
    assert sample(metrics, "lambda_inference_backend_ready", backend="own") == 1
    assert sample(metrics, "lambda_inference_warm_backends", model="qwen-3-32b") == 1
    assert sample(metrics, "lambda_inference_backend_queue_length", backend="own") == 3
    assert sample(metrics, "lambda_inference_gpu_cache_use_ratio", backend="own") == 0.5
    assert sample(metrics, "lambda_inference_budget_use_ratio", user="backend") == 0.85
    assert sample(metrics, "lambda_inference_refused_total", code="invalid_api_key") == 1


def test_a_backend_that_says_nothing_any_more_has_no_stale_gauge() -> None:
    metrics = GatewayMetrics()
    metrics.on_backend_load("own", waiting=3, cache_use=0.5)
    metrics.on_backend_load("own", waiting=None, cache_use=None)
    assert sample(metrics, "lambda_inference_backend_queue_length", backend="own") is None
    metrics.on_backend_load("own", waiting=None, cache_use=None)
