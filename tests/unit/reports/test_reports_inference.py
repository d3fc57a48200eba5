"""Inference from a gateway's own page, by the real registry of the gateway, and from Prometheus."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.inference.gateway.metrics import GatewayMetrics
from sophia_infra.inference.usage import Tokens, UsageEntry
from sophia_infra.metrics_client.errors import NotTheSource, Unreachable
from sophia_infra.metrics_client.prometheus import PrometheusApi
from sophia_infra.reports.gateway_page import GatewayPage, read_gateway_page
from sophia_infra.reports.inference_facts import inference_of_page, inference_of_prometheus
from sophia_infra.reports.quantile import bucket_quantile
from tests.unit.lambda_cloud.service import Reply, ScriptedService
from tests.unit.metrics_client.prometheus_stand_in import PrometheusStandIn

PAGE = "GET /metrics"


def entry(number: int, **changes: Any) -> UsageEntry:
    values: dict[str, Any] = {
        "request_id": f"request-{number}",
        "at": datetime(2026, 11, 28, tzinfo=UTC),
        "user": "ann",
        "model": "qwen-3-32b",
        "backend": "there",
        "tokens": Tokens(1_000, 10),
        "input_usd": Decimal("0.01"),
        "output_usd": Decimal("0.0025"),
        "latency_ms": 300,
        "first_token_ms": 80,
        **changes,
    }
    return UsageEntry(**values)


def look(service: ScriptedService, metrics: GatewayMetrics, at_s: float) -> GatewayPage:
    service.script(PAGE, Reply(200, metrics.text()))
    return read_gateway_page(f"{service.url}/v1", now=lambda: at_s)


@pytest.fixture
def metrics() -> GatewayMetrics:
    made = GatewayMetrics(pressure=lambda user: {"ann": 42, "ben": 7}[user], users=("ann", "ben"))
    made.on_backend("there", ready=True)
    made.on_backend("own-gpu", ready=False)
    made.on_queue("there", 3)
    return made


def test_one_look_knows_states_and_no_rates(service: ScriptedService, metrics: GatewayMetrics) -> None:
    for number in range(10):
        metrics.on_settled(entry(number))
    found = inference_of_page(look(service, metrics, 100.0))
    assert found.queue_length.value == 3
    assert found.budget_use_ratio.value == pytest.approx(0.42)
    assert found.backends.value is not None
    assert found.backends.value.as_json() == {"ready": 1, "total": 2, "waiting": ["own-gpu"]}
    assert found.calls_per_s.value is None
    assert "knows totals and no rates" in found.calls_per_s.missing
    assert found.usd_per_hour.value is None
    assert found.p95_s.value is not None
    assert 0.2 < found.p95_s.value <= 0.5
    assert found.p95_s.source == f"the gateway at {service.url}, all calls since it started"


def test_two_looks_know_what_was_between_them(service: ScriptedService, metrics: GatewayMetrics) -> None:
    metrics.on_settled(entry(0, latency_ms=60_000))
    before = look(service, metrics, 100.0)
    for number in range(1, 6):
        metrics.on_settled(entry(number, latency_ms=40))
    found = inference_of_page(look(service, metrics, 110.0), before)
    assert found.calls_per_s.value == pytest.approx(0.5)
    assert found.usd_per_hour.value == Decimal("22.5")  # 5 calls of 1.25 cents in 10 s
    assert found.p95_s.value is not None
    assert 0.025 < found.p95_s.value <= 0.05
    assert found.calls_per_s.source.endswith("over 10 s")


def test_a_gateway_that_was_started_again_is_looked_at_anew(
    service: ScriptedService, metrics: GatewayMetrics
) -> None:
    for number in range(5):
        metrics.on_settled(entry(number))
    before = look(service, metrics, 100.0)
    found = inference_of_page(look(service, GatewayMetrics(), 110.0), before)
    assert found.calls_per_s.value is None
    assert found.backends.missing == "the gateway has no backend that it watches"
    assert found.p95_s.missing == "no calls since the gateway started"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html></html>"),
        Reply(200, b"# TYPE up gauge\nup 1\n"),
        Reply(404, b"lambda_inference_in_flight 0\n"),
        Reply(200, b"lambda_inference_in_flight{x= 0\n"),
        Reply(200, b"\xff\xfe"),
        Reply(401, b"lambda_inference_in_flight 0\n"),
        Reply(200, b'lambda_inference_latency_seconds_bucket{model="m"} 1\nlambda_inference_in_flight 0\n'),
        Reply(200, b'lambda_inference_latency_seconds_bucket{le="x"} 1\nlambda_inference_in_flight 0\n'),
    ],
    ids=str,
)
def test_what_is_no_gateway_is_said(service: ScriptedService, reply: Reply) -> None:
    service.script(PAGE, reply)
    with pytest.raises(NotTheSource, match="no inference gateway of this project"):
        read_gateway_page(service.url)


def test_a_gateway_that_is_gone(service: ScriptedService) -> None:
    service.script(PAGE, Reply(drop=True))
    with pytest.raises(Unreachable, match="The gateway at"):
        read_gateway_page(service.url)


@pytest.fixture
def api(prometheus: PrometheusStandIn) -> Iterator[PrometheusApi]:
    api = PrometheusApi(prometheus.url)
    yield api
    api.close()


def test_figures_of_prometheus(prometheus: PrometheusStandIn, api: PrometheusApi) -> None:
    prometheus.vectors = {
        "lambda_inference_requests_total": [({}, 1.25)],
        "lambda_inference_latency_seconds": [({}, 0.4)],
        "lambda_inference_first_token_seconds": [({}, "NaN")],
        "lambda_inference_cost_total": [({}, 0.1234567)],
        "lambda_inference_queue_length": [({}, 4)],
        "lambda_inference_backend_ready": [({"backend": "a"}, 1), ({"backend": "b"}, 0)],
    }
    found = inference_of_prometheus(api)
    assert (found.calls_per_s.value, found.p95_s.value, found.queue_length.value) == (1.25, 0.4, 4)
    assert found.usd_per_hour.value == Decimal("0.123457")
    assert found.first_token_p95_s.missing == "no streams in the last 5 minutes"
    assert found.budget_use_ratio.missing == "Prometheus has no series of the gateway"
    assert found.backends.value is not None
    assert found.backends.value.waiting == ("b",)


def test_a_prometheus_without_gateways_knows_nothing_and_says_so(
    prometheus: PrometheusStandIn, api: PrometheusApi
) -> None:
    document = inference_of_prometheus(api).as_json()
    assert all(figure["value"] is None and figure["missing"] for figure in document.values())


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.floats(0.01, 0.99))
def test_a_quantile_lies_in_the_bucket_that_holds_its_rank(counts: list[int], quantile: float) -> None:
    bounds = [float(2**place) for place in range(len(counts))]
    total = 0
    buckets = {}
    for bound, count in zip(bounds, counts, strict=True):
        total += count
        buckets[bound] = float(total)
    buckets[math.inf] = float(total)
    found = bucket_quantile(quantile, buckets)
    if not total:
        assert found is None
        return
    assert found is not None
    holding = next(bound for bound in bounds if buckets[bound] >= quantile * total)
    assert (holding / 2 if holding > 1 else 0) <= found <= holding


def test_quantiles_as_prometheus_has_them() -> None:
    """Of 10 calls 9 are below 1, one lies between 1 and 2; beyond the last bound that bound is given."""
    assert bucket_quantile(0.95, {1.0: 9, 2.0: 10, math.inf: 10}) == pytest.approx(1.5)
    assert bucket_quantile(0.5, {1.0: 10, 2.0: 10, math.inf: 10}) == pytest.approx(0.5)
    assert bucket_quantile(0.95, {1.0: 1, 2.0: 1, math.inf: 10}) == 2.0
    assert bucket_quantile(0.95, {math.inf: 10}) is None
    assert bucket_quantile(0.95, {}) is None
