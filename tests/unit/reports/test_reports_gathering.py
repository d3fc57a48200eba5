"""Round after round: what a source does not tell now stays as it was, with its age and the reason."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from sophia_infra.inference.gateway.metrics import GatewayMetrics
from sophia_infra.lambda_cloud.errors import LambdaCloudError, Unreachable
from sophia_infra.metrics_client.errors import NotTheSource, SourceError
from sophia_infra.metrics_client.prometheus import PrometheusApi
from sophia_infra.model.clock import VirtualClock
from sophia_infra.reports.fleet import Fleet
from sophia_infra.reports.gathering import FLEET_EVERY_S, Gatherer, Sources
from sophia_infra.reports.snapshot import BudgetTerms
from tests.unit.lambda_cloud.service import DROP, Reply, ScriptedService
from tests.unit.metrics_client.prometheus_stand_in import AT_S, PrometheusStandIn, alert
from tests.unit.reports.figures import a_machine, a_snapshot

BUDGET = BudgetTerms(Decimal(6000), 80)


class Cloud:
    """An account whose list can fail."""

    def __init__(self, clock: VirtualClock) -> None:
        self.lists = 0
        self.fails: LambdaCloudError | None = None
        self._clock = clock

    def list_fleet(self) -> tuple[Fleet, float]:
        self.lists += 1
        if self.fails is not None:
            raise self.fails
        fleet = a_snapshot(a_machine(self.lists)).fleet.value
        assert fleet is not None
        return fleet, self._clock.now()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(AT_S)


@pytest.fixture
def cloud(clock: VirtualClock) -> Cloud:
    return Cloud(clock)


@pytest.fixture
def api(prometheus: PrometheusStandIn) -> Iterator[PrometheusApi]:
    api = PrometheusApi(prometheus.url)
    yield api
    api.close()


def gatherer(
    cloud: Cloud, clock: VirtualClock, api: PrometheusApi | None = None, gateway: str | None = None
) -> Gatherer:
    sources = Sources(cloud.list_fleet, "the account", api, gateway)
    return Gatherer("local", BUDGET, sources, monotonic=clock.now, now=clock.now)


def test_the_account_is_listed_every_5_seconds_at_most(cloud: Cloud, clock: VirtualClock) -> None:
    watch = gatherer(cloud, clock)
    for _ in range(20):
        watch.gather()
        clock.advance(1)
    assert cloud.lists == 4
    clock.advance(FLEET_EVERY_S)
    assert watch.gather().fleet.at_s == clock.now()


def test_a_cloud_that_does_not_answer_at_first_is_an_error(cloud: Cloud, clock: VirtualClock) -> None:
    cloud.fails = Unreachable("away", may_have_happened=False)
    with pytest.raises(LambdaCloudError, match="away"):
        gatherer(cloud, clock).gather()


def test_a_cloud_that_does_not_answer_later_leaves_its_last_list(cloud: Cloud, clock: VirtualClock) -> None:
    watch = gatherer(cloud, clock)
    first = watch.gather()
    cloud.fails = Unreachable("away", may_have_happened=False)
    clock.advance(60)
    later = watch.gather()
    assert later.fleet == first.fleet
    assert later.taken_at_s - (later.fleet.at_s or 0) == 60
    assert watch.failed == (cloud.fails,)
    assert "away" in later.trouble[0]
    cloud.fails = None
    clock.advance(60)
    assert watch.gather().trouble == ()
    assert not watch.failed


def test_without_prometheus_its_figures_are_not_known_and_say_why(cloud: Cloud, clock: VirtualClock) -> None:
    found = gatherer(cloud, clock).gather()
    assert found.unknowns().keys() == {"no Prometheus was given: --prometheus URL"}
    assert found.month.value is not None
    assert found.month.value.is_complete is False
    assert found.usd_per_hour == Decimal("1.29")


def test_figures_of_prometheus_stay_while_it_is_away(
    prometheus: PrometheusStandIn, api: PrometheusApi, cloud: Cloud, clock: VirtualClock
) -> None:
    prometheus.vectors = {
        "lambda_cloud_month_spent_usd": [({"owner": "stack"}, 100.5), ({"owner": "other"}, 7)],
        "lambda_cloud_month_spent_complete": [({}, 1)],
        "lambda_cloud_last_success": [({}, AT_S - 20)],
        "lambda_inference_queue_length": [({}, 2)],
    }
    prometheus.alert_rows = [
        alert("Later", "warning"),
        alert("Waits", "critical", "pending"),
        alert("Now", "critical", summary="it burns"),
        alert("Watchdog", "info"),
    ]
    watch = gatherer(cloud, clock, api)
    first = watch.gather()
    assert first.month.value is not None
    assert (str(first.month.value.usd), first.month.value.is_complete) == ("100.50", True)
    assert first.month.at_s == AT_S
    assert first.month.source == f"sophia exporter, by {api.source}"
    assert first.alerts.value is not None
    assert [row.name for row in first.alerts.value] == ["Now", "Later", "Waits"]
    assert [row.name for row in first.firing("critical")] == ["Now"]

    prometheus.script("GET /api/v1/query", DROP)
    clock.advance(30)
    later = watch.gather()
    assert (later.month, later.alerts, later.inference) == (first.month, first.alerts, first.inference)
    assert "does not answer" in later.trouble[0]
    assert all(isinstance(error, SourceError) for error in watch.failed)


def test_dollars_that_were_counted_without_the_account_say_so(
    prometheus: PrometheusStandIn, api: PrometheusApi, cloud: Cloud, clock: VirtualClock
) -> None:
    prometheus.vectors = {
        "lambda_cloud_month_spent_usd": [({"owner": "stack"}, 100.5)],
        "lambda_cloud_last_success": [({}, AT_S - 3600)],
    }
    month = gatherer(cloud, clock, api).gather().month
    assert month.value is not None
    assert month.value.is_complete is False
    assert month.source.endswith("which last read the account at 2026-11-18T10:06:40Z")


def test_a_prometheus_that_never_answered_says_why_in_place_of_its_figures(
    prometheus: PrometheusStandIn, api: PrometheusApi, cloud: Cloud, clock: VirtualClock
) -> None:
    prometheus.script("GET /api/v1/query", Reply(200, b"<html>"))
    watch = gatherer(cloud, clock, api)
    found = watch.gather()
    assert found.alerts.value is None
    assert found.alerts.missing == f"What answers at {prometheus.url} is not Prometheus"
    assert isinstance(watch.failed[0], NotTheSource)
    assert found.month.value is not None


def test_two_looks_at_a_gateway_give_rates(
    service: ScriptedService, cloud: Cloud, clock: VirtualClock
) -> None:
    metrics = GatewayMetrics()
    service.script("GET /metrics", Reply(200, metrics.text()))
    watch = gatherer(cloud, clock, gateway=service.url)
    assert watch.gather().inference.calls_per_s.value is None
    clock.advance(5)
    assert watch.gather().inference.calls_per_s.value == 0.0
    service.script("GET /metrics", DROP)
    later = watch.gather()
    assert later.inference.calls_per_s.value == 0.0
    assert "The gateway at" in later.trouble[0]


def test_a_gateway_fills_in_what_prometheus_does_not_know(
    prometheus: PrometheusStandIn,
    service: ScriptedService,
    api: PrometheusApi,
    cloud: Cloud,
    clock: VirtualClock,
) -> None:
    prometheus.vectors["lambda_inference_queue_length"] = [({}, 9)]
    metrics = GatewayMetrics(pressure=lambda _user: 25, users=("ann",))
    service.script("GET /metrics", Reply(200, metrics.text()))
    found = gatherer(cloud, clock, api, service.url).gather().inference
    assert (found.queue_length.value, found.budget_use_ratio.value) == (9, 0.25)
    assert found.queue_length.source.startswith("Prometheus")
    assert found.budget_use_ratio.source.startswith("the gateway")
    assert found.calls_per_s.missing == "Prometheus has no series of the gateway"


def test_gpus_and_objectives_come_from_their_series(
    prometheus: PrometheusStandIn, api: PrometheusApi, cloud: Cloud, clock: VirtualClock
) -> None:
    one = {"node": "a", "gpu": "0", "UUID": "GPU-1", "modelName": "NVIDIA A10"}
    two = {**one, "node": "b", "UUID": "GPU-2"}
    http = {"slo": "http", "namespace": "default", "service": "backend"}
    prometheus.vectors = {
        "pod)": [({**one, "namespace": "ns", "pod": name}, 1) for name in ("p2", "p1")],
        "DCGM_FI_DEV_GPU_UTIL": [(two, 20), (one, 80)],
        "DCGM_FI_DEV_FB_FREE": [(one, 0.25)],
        "slo:errors_per_request:ratio_rate30d": [(http, 0.0005), ({**http, "service": "fine"}, 0)],
        "slo:error_budget_remaining:ratio": [({**http, "service": "fine"}, 1), (http, 0.5)],
        "slo:objective:ratio": [({}, 0.999)],
    }
    found = gatherer(cloud, clock, api).gather()
    assert found.gpus.value is not None
    assert [row.as_json() for row in found.gpus.value] == [
        {
            "node": "a",
            "gpu": "0",
            "model": "NVIDIA A10",
            "utilisation_percent": 80.0,
            "memory_percent": 25.0,
            "pods": ["ns/p1", "ns/p2"],
        },
        {
            "node": "b",
            "gpu": "0",
            "model": "NVIDIA A10",
            "utilisation_percent": 20.0,
            "memory_percent": None,
            "pods": [],
        },
    ]
    assert found.slo.value is not None
    assert found.slo.value.objective_ratio == 0.999
    assert [(row.service, row.success_ratio) for row in found.slo.value.services] == [
        ("backend", 0.9995),
        ("fine", 1.0),
    ]
