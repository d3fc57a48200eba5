"""How many pods of the model and of its gateway there are, with KEDA and without."""

from __future__ import annotations

from typing import Any

from sophia_infra.manifests import inference_backend
from sophia_infra.model.kubernetes import AutoscaleConfig
from tests.unit.manifests.sites import sites

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
        "sum(rate(lambda_inference_requests_total[1m]))"
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


def test_gpu_use_is_summed_over_the_pods_because_keda_divides() -> None:
    (site,) = sites("production-keda")
    row = site.kube.workloads[SERVER]
    scale = AutoscaleConfig.model_validate({"min": 1, "max": 8, "queue": 25, "gpu_utilization": 85})
    own = row.model_copy(update={"autoscale": scale})
    made = inference_backend(SERVER, own, site.kube, site.placement, None)
    (body,) = (item.body for item in made if item.kind == "ScaledObject")
    assert body["spec"]["triggers"][1]["metadata"]["query"].startswith("sum(gpu_utilization{")
