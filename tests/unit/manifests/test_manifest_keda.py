"""How many pods of the model and of its gateway there are, with KEDA and without."""

from __future__ import annotations

from typing import Any

import pytest

from sophia_infra.manifests import inference_backend
from sophia_infra.manifests.autoscaling import GPU_METRIC
from sophia_infra.manifests.keda import scaled_object
from sophia_infra.model.kubernetes import AutoscaleConfig
from sophia_infra.monitoring.inventory import inventory
from tests.promql_expressions import metric_names
from tests.unit.manifests.sites import row, site_of, sites

SERVER, DOOR = "lambda-inference", "inference-gateway"


def scaled(name: str) -> dict[str, Any]:
    (site,) = sites("production-keda")
    return dict(site.one("ScaledObject", name))


def test_each_target_has_one_autoscaler() -> None:
    for stack in ("production", "production-keda", "local"):
        for site in sites(stack):
            targets = [
                (body["metadata"]["namespace"], body["spec"]["scaleTargetRef"]["name"])
                for kind in ("HorizontalPodAutoscaler", "ScaledObject")
                for body in site.of(kind)
            ]
            assert len(set(targets)) == len(targets)
            wanted = {name for name, row in site.kube.enabled_workloads().items() if row.autoscale}
            assert {name for _, name in targets} == wanted


def test_without_keda_the_cluster_scales_by_what_it_knows() -> None:
    (site,) = sites("production")
    assert site.of("ScaledObject") == []
    scaler = site.one("HorizontalPodAutoscaler", SERVER)["spec"]
    (metric,) = scaler["metrics"]
    assert metric["resource"]["name"] == "cpu"
    assert not [item for item in site.releases if item.chart == "keda"]


def test_the_model_scales_by_the_queue_of_its_own_backend() -> None:
    spec = scaled(SERVER)["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (1, 1), "there is one A6000"
    queue, cpu = spec["triggers"]
    assert queue["metadata"] == {
        "serverAddress": "http://prometheus.monitoring.svc:9090",
        "query": 'sum(lambda_inference_queue_length{backend=~"own-gpu"}) '
        "or sum(lambda_inference_in_flight) * 0",
        "threshold": "25",
        "ignoreNullValues": "false",
    }
    assert (queue["type"], queue["metricType"]) == ("prometheus", "AverageValue")
    assert cpu == {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "70"}}


def test_the_gateway_scales_by_calls_a_second() -> None:
    spec = scaled(DOOR)["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 12)
    assert spec["triggers"][0]["metadata"]["threshold"] == "50"
    assert spec["triggers"][0]["metadata"]["query"].startswith(
        "sum(rate(lambda_inference_requests_total[120s]))"
    )


def test_a_silent_prometheus_never_takes_pods_away() -> None:
    for name in (SERVER, DOOR):
        spec = scaled(name)["spec"]
        assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"
        assert spec["minReplicaCount"] <= spec["fallback"]["replicas"] <= spec["maxReplicaCount"]
        asked = [row for row in spec["triggers"] if row["type"] == "prometheus"]
        assert all(row["metadata"]["ignoreNullValues"] == "false" for row in asked)


def test_the_autoscaler_of_before_is_taken_over_under_its_name() -> None:
    before = sites("production")[0].one("HorizontalPodAutoscaler", SERVER)["metadata"]["name"]
    body = scaled(SERVER)
    assert body["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["name"] == before
    assert body["metadata"]["annotations"]["scaledobject.keda.sh/transfer-hpa-ownership"] == "true"


def test_keda_comes_before_what_it_scales_in_a_namespace_of_its_own() -> None:
    (site,) = sites("production-keda")
    (release,) = (item for item in site.releases if item.chart == "keda")
    assert (release.namespace, release.version) == ("keda", "2.20.2")
    followers = [item for item in site.manifests if item.kind == "ScaledObject"]
    assert len(followers) == 2
    assert all(release.name in item.after for item in followers)


def test_without_a_gateway_the_queue_is_that_of_all() -> None:
    (site,) = sites("production-keda")
    made = inference_backend(SERVER, site.kube.workloads[SERVER], site.kube, site.placement, None)
    (body,) = (item.body for item in made if item.kind == "ScaledObject")
    assert "sum(lambda_inference_queue_length) or" in body["spec"]["triggers"][0]["metadata"]["query"]


def triggers_of(name: str, **scale: Any) -> list[dict[str, Any]]:
    """Triggers of a row of stack production with these measures."""
    (site,) = sites("production-keda")
    config = AutoscaleConfig.model_validate({"min": 1, "max": 2, **scale})
    own = site.kube.workloads[name].model_copy(update={"autoscale": config})
    body = scaled_object(name, own, site.kube, 2, ()).body
    return list(body["spec"]["triggers"])


def test_tokens_are_counted_by_the_model_for_its_own_row_and_by_gateways_for_theirs() -> None:
    (model,) = triggers_of(SERVER, tokens_per_s=900)
    assert model["metricType"] == "AverageValue"
    assert model["metadata"]["threshold"] == "900"
    assert model["metadata"]["query"] == (
        'sum(rate(vllm:generation_tokens_total{namespace="sophia-ai-prod",'
        'pod=~"lambda-inference-[^-]+-[^-]+"}[120s]))'
    )
    (door,) = triggers_of(DOOR, tokens_per_s=900)
    assert door["metadata"]["query"] == (
        'sum(rate(lambda_inference_tokens_total{kind="output"}[120s])) or sum(lambda_inference_in_flight) * 0'
    )


@pytest.mark.parametrize(
    ("load", "threshold"), [(0.9, "0.9"), (12, "12"), (1_000_000, "1000000"), (0.0015, "0.0015")]
)
def test_a_forecast_asks_for_pods_ahead_and_is_no_pods_where_there_is_none(
    load: float, threshold: str
) -> None:
    for name in (SERVER, DOOR):
        trigger = triggers_of(name, cpu=70, forecast=load)[0]
        assert trigger["metricType"] == "AverageValue"
        assert trigger["metadata"]["threshold"] == threshold
        assert trigger["metadata"]["query"] == (
            'max(lambda_inference_predicted_demand{quantile="0.9"}) or vector(0)'
        )


def test_what_triggers_ask_for_is_in_the_inventory() -> None:
    """A trigger on a series that nobody exports would hold the pods where they are for ever."""
    asked: set[str] = set()
    for name in (SERVER, DOOR):
        for trigger in triggers_of(name, queue=1, rps=1, tokens_per_s=1, gpu_utilization=1, forecast=1):
            asked |= metric_names(trigger["metadata"]["query"])
    assert asked - set(inventory()) == {GPU_METRIC}, "which is a recording rule of ours"


@pytest.mark.parametrize(("scrape_s", "window"), [(5, "[60s]"), (30, "[120s]"), (60, "[240s]")])
def test_a_rate_has_four_scrapes_in_its_window(scrape_s: int, window: str) -> None:
    kube = {
        "autoscaling": {"keda": {"enabled": True}},
        "monitoring": {"scrape_s": scrape_s, "exporter": {"enabled": False}},
    }
    site = site_of({**kube, "workloads": {"web": row()}})
    scale = AutoscaleConfig(min=1, max=2, rps=5)
    own = site.kube.workloads["web"].model_copy(update={"autoscale": scale})
    (trigger,) = scaled_object("web", own, site.kube, 2, ()).body["spec"]["triggers"]
    assert window in trigger["metadata"]["query"]


def test_an_autoscaler_may_have_a_name_of_its_own() -> None:
    (site,) = sites("production-keda")
    scale = AutoscaleConfig(min=1, max=2, queue=5, name="sophia-ai-hpa")
    own = site.kube.workloads[SERVER].model_copy(update={"autoscale": scale})
    body = scaled_object(SERVER, own, site.kube, 2, ()).body
    assert body["metadata"]["name"] == SERVER
    assert body["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["name"] == "sophia-ai-hpa"


def test_gpu_use_is_summed_over_the_pods_because_keda_divides() -> None:
    (site,) = sites("production-keda")
    row = site.kube.workloads[SERVER]
    scale = AutoscaleConfig.model_validate({"min": 1, "max": 8, "queue": 25, "gpu_utilization": 85})
    own = row.model_copy(update={"autoscale": scale})
    made = inference_backend(SERVER, own, site.kube, site.placement, None)
    (body,) = (item.body for item in made if item.kind == "ScaledObject")
    assert body["spec"]["triggers"][1]["metadata"]["query"].startswith("sum(gpu_utilization{")
