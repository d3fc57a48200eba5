"""Quotas and queues come from the inventory: together they never promise a GPU that is not there."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings

from tests.effort import examples
from tests.unit.manifests.generated import sections
from tests.unit.manifests.sites import Site, all_sites, row, site_of, sites

FEW = settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.too_slow])


def gpu_quotas(site: Site) -> dict[str, int]:
    """Namespace -> GPUs its quota grants."""
    return {
        body["metadata"]["namespace"]: int(body["spec"]["hard"]["requests.nvidia.com/gpu"])
        for body in site.of("ResourceQuota")
        if body["metadata"]["name"] == "gpu-quota"
    }


def flavor_quotas(site: Site) -> dict[str, dict[str, str]]:
    """Flavor -> resource -> quota of the training queue."""
    return {
        flavor["name"]: {entry["name"]: entry["nominalQuota"] for entry in flavor["resources"]}
        for queue in site.of("ClusterQueue")
        for group in queue["spec"]["resourceGroups"]
        for flavor in group["flavors"]
    }


def check_supply(site: Site) -> None:
    supply = sum(node.places for node in site.cluster.nodes)
    assert sum(gpu_quotas(site).values()) <= supply
    for flavor, quotas in flavor_quotas(site).items():
        nodes = [node for node in site.cluster.nodes if (node.gpu_model or "").lower() == flavor]
        reserved = sum(
            workload.gpu.count * site.placement.max_replicas[name]
            for name, workload in site.kube.enabled_workloads().items()
            if workload.gpu is not None
            and workload.gpu.model.lower() == flavor
            and site.placement.workload_cluster[name] == site.cluster.name
        )
        assert int(quotas["nvidia.com/gpu"]) == sum(node.places for node in nodes) - reserved
        assert int(quotas["cpu"]) <= sum(node.vcpus for node in nodes)
        assert int(quotas["memory"].removesuffix("Gi")) <= sum(node.memory_gib for node in nodes)


@FEW
@given(sections())
def test_quotas_sum_within_the_supply_in_any_section(section: dict[str, object]) -> None:
    check_supply(site_of(section))


def test_quotas_sum_within_the_supply_in_the_stacks() -> None:
    for site in all_sites():
        check_supply(site)


def test_the_local_stack_gives_services_three_places_and_training_two() -> None:
    (site,) = sites("local")
    assert gpu_quotas(site) == {"sophia-ai-prod": 3, "sophia-ai": 0, "sophia-training": 2}
    assert {name: quotas["nvidia.com/gpu"] for name, quotas in flavor_quotas(site).items()} == {
        "gh200": "0",
        "a6000": "0",
        "a100": "0",
        "rtx6000": "1",
        "a10": "1",
    }


def test_every_replica_at_its_most_fits_the_quota_of_its_namespace() -> None:
    for site in all_sites():
        wanted: dict[str, int] = dict.fromkeys(gpu_quotas(site), 0)
        for name, workload in site.kube.enabled_workloads().items():
            if workload.gpu and site.placement.workload_cluster[name] == site.cluster.name:
                wanted[workload.namespace] += workload.gpu.count * site.placement.max_replicas[name]
        for namespace, gpus in wanted.items():
            assert gpus <= gpu_quotas(site)[namespace]


def test_only_the_form_that_counts_is_used() -> None:
    for site in all_sites():
        for body in site.of("ResourceQuota"):
            assert not [key for key in body["spec"]["hard"] if key.startswith("limits.")]


def test_cpu_memory_and_pods_are_limited_where_asked() -> None:
    namespaces: dict[str, Any] = {"apps": {"cpu": 32, "memory": "64Gi", "max_pods": 40}, "more": {}}
    site = site_of({"namespaces": namespaces, "workloads": {"web": row(namespace="apps")}})
    quota = site.one("ResourceQuota", "compute-quota")
    assert quota["metadata"]["namespace"] == "apps"
    assert quota["spec"]["hard"] == {"requests.cpu": "32", "requests.memory": "64Gi", "pods": "40"}


def test_a_limit_range_never_speaks_of_gpus() -> None:
    for site in all_sites():
        for body in site.of("LimitRange"):
            for limit in body["spec"]["limits"]:
                assert set(limit) == {"type", "default", "defaultRequest"}
                assert set(limit["default"]) | set(limit["defaultRequest"]) == {"cpu", "memory"}


def test_a_flavor_goes_by_the_join_label_and_arm64_needs_a_word() -> None:
    (site,) = sites("local")
    for body in site.of("ResourceFlavor"):
        name, spec = body["metadata"]["name"], body["spec"]
        assert body["apiVersion"] == "kueue.x-k8s.io/v1beta2"
        labels = [node.labels for node in site.cluster.nodes if node.labels["sophia.internal/gpu"] == name]
        assert labels
        assert spec["nodeLabels"].items() <= labels[0].items()
        assert ("nodeTaints" in spec) == (name == "gh200")
        assert all(toleration["key"] == "nvidia.com/gpu" for toleration in spec["tolerations"])
    queue = site.one("LocalQueue", "training")
    assert queue["spec"] == {"clusterQueue": "sophia-training"}
    assert queue["metadata"]["namespace"] == "sophia-training"


def test_without_training_there_is_no_queue() -> None:
    site = site_of({"workloads": {"web": row()}})
    assert not [item for item in site.items if "kueue" in item.name]
    assert site.of("ClusterQueue") == []
