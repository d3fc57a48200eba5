"""Prometheus asks everything that has metrics, at the right port, under the labels that rules go by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from sophia_infra.manifests.gpu_counters import counters_csv
from sophia_infra.manifests.monitoring.prometheus_values import agents
from sophia_infra.model.kubernetes import SIDECARS
from sophia_infra.monitoring.inventory import inventory
from tests.effort import examples
from tests.unit.manifests.generated import sections
from tests.unit.manifests.links import container_ports, matches
from tests.unit.manifests.reachability import Pod, can_connect, pod, pods_of
from tests.unit.manifests.relabelling import keeps
from tests.unit.manifests.sites import Site, all_sites, pod_templates, row, site_of, sites

FEW = settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
PROMETHEUS = Pod("monitoring", frozenset({("app.kubernetes.io/name", "prometheus")}))
STRANGER = pod("monitoring", app="stranger")
OF_OTHERS = {"nvidia-dcgm-exporter", "external-secrets", "keda", "kueue", "traefik", "cert-manager"}


def own_monitors(site: Site) -> Iterator[dict[str, Any]]:
    """Those of rows, of the exporter and of logs: what they select is in the site."""
    for body in site.of("ServiceMonitor"):
        if body["metadata"]["name"] not in OF_OTHERS:
            yield body


def scraped(site: Site) -> dict[str, tuple[str, int]]:
    """Job -> (namespace, port of the container), followed from monitor to Service to pods."""
    found: dict[str, tuple[str, int]] = {}
    templates = list(pod_templates(site))
    for body in own_monitors(site):
        namespace, selector = body["metadata"]["namespace"], body["spec"]["selector"]["matchLabels"]
        (service,) = (
            service
            for service in site.of("Service")
            if service["metadata"]["namespace"] == namespace
            and matches(selector, service["metadata"]["labels"])
        )
        (endpoint,) = body["spec"]["endpoints"]
        (port,) = (port for port in service["spec"]["ports"] if port["name"] == endpoint["port"])
        (template,) = (
            template
            for _kind, own, template in templates
            if own == namespace and matches(service["spec"]["selector"], template["metadata"]["labels"])
        )
        found[service["metadata"]["name"]] = (namespace, container_ports(template)[port["targetPort"]])
    return found


def wanted_jobs(site: Site) -> set[str]:
    """Rows of this cluster that have metrics, what is ours, and logs, worked out from the configuration."""
    kube, own = site.kube, site.cluster.name
    if kube.monitoring is None:
        return set()
    jobs = {
        name
        for name, workload in kube.enabled_workloads().items()
        if site.placement.workload_cluster[name] == own and workload.metrics_family != "none"
    }
    jobs |= {name for name in kube.enabled_databases() if site.placement.database_cluster[name] == own}
    if kube.monitoring.exporter.enabled and own == site.placement.primary:
        jobs.add("sophia-exporter")
    if own == site.placement.primary:
        jobs |= {"sophia-forecaster"} if kube.forecaster.enabled else set()
        jobs |= {"sophia-node-scaler"} if kube.scaler.enabled else set()
    return jobs | ({"loki", "alloy"} if kube.monitoring.logs == "loki" else set())


def check_scraping(site: Site) -> None:
    """Each job leads to one kind of pods, and Prometheus, and nobody beside it, reaches their port."""
    found = scraped(site)
    assert set(found) == wanted_jobs(site)
    policies, known = site.of("NetworkPolicy"), pods_of(site)
    for job, (namespace, port) in found.items():
        assert known[job].namespace == namespace
        assert can_connect(policies, PROMETHEUS, known[job], port), job
        assert not can_connect(policies, STRANGER, known[job], port), job


@FEW
@given(sections())
def test_every_row_with_metrics_is_scraped_in_any_section(section: dict[str, object]) -> None:
    check_scraping(site_of(section))


def test_every_row_with_metrics_is_scraped_in_the_stacks() -> None:
    for site in all_sites():
        check_scraping(site)


def test_a_pod_cannot_take_the_name_of_another() -> None:
    (site,) = sites("local")
    for body in own_monitors(site):
        (endpoint,) = body["spec"]["endpoints"]
        assert endpoint["honorLabels"] is False
        assert body["spec"]["sampleLimit"] > 10_000


def test_the_headless_service_of_a_store_is_not_scraped_as_well() -> None:
    (site,) = sites("local")
    labelled = [
        body["metadata"]["name"]
        for body in site.of("Service")
        if "sophia.internal/scraped" in body["metadata"]["labels"]
    ]
    assert "redis" in labelled
    assert not [name for name in labelled if name.endswith("-headless")]


def test_without_monitoring_nothing_of_it_is_there() -> None:
    site = site_of({"workloads": {"web": row()}})
    kinds = {item.kind for item in site.manifests}
    assert not kinds & {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
    assert not [item for item in site.manifests if item.metadata.get("namespace") == "monitoring"]
    assert [item.chart for item in site.releases] == ["gpu-operator"]


def test_a_row_without_metrics_has_no_monitor_and_no_opening() -> None:
    section = {"monitoring": MONITORING, "workloads": {"web": row(metrics={"family": "none"})}}
    site = site_of(section)
    assert "web" not in scraped(site)
    assert not can_connect(site.of("NetworkPolicy"), PROMETHEUS, pods_of(site)["web"], 8000)


MONITORING = {"exporter": {"enabled": False}, "grafana": {"enabled": False}}


@pytest.mark.parametrize("kind", ["postgres", "redis"])
def test_an_exporter_beside_a_store_has_the_password_of_the_same_secret(kind: str) -> None:
    key = {"postgres": "POSTGRES_PASSWORD", "redis": "REDIS_PASSWORD"}[kind]
    variable = {"postgres": "DATA_SOURCE_PASS", "redis": "REDIS_PASSWORD"}[kind]
    store = {
        "kind": kind,
        "image": "store:1.0",
        "storage": "1Gi",
        "cpu": "100m",
        "memory": "128Mi",
        "secret_env": {key: "databases.password"},
    }
    secrets = {"organization": "o", "project": "p", "environment": "e"}
    site = site_of({"monitoring": MONITORING, "secrets": secrets, "databases": {"store": store}})
    server, beside = site.one("StatefulSet", "store")["spec"]["template"]["spec"]["containers"]
    assert beside["name"] == f"{kind}-exporter"
    assert beside["ports"][0]["containerPort"] == SIDECARS[kind].port
    environment = {entry["name"]: entry for entry in beside["env"]}
    assert environment[variable]["valueFrom"]["secretKeyRef"] == {"name": "store", "key": key}
    assert not any("password" in entry.get("value", "") for entry in beside["env"])
    assert "httpGet" not in beside["readinessProbe"], "a server that is away is not the exporter's failure"
    assert server["name"] == kind


def test_a_sidecar_asks_for_what_placement_counts() -> None:
    (site,) = sites("local")
    for name, store in site.kube.enabled_databases().items():
        containers = site.one("StatefulSet", name)["spec"]["template"]["spec"]["containers"]
        sidecar = SIDECARS.get(store.kind)
        assert len(containers) == (2 if sidecar else 1)
        if sidecar:
            requests = containers[1]["resources"]["requests"]
            assert requests == {"cpu": sidecar.cpu.request, "memory": sidecar.memory.request}


def test_sentinels_have_no_exporter() -> None:
    (site,) = sites("local")
    containers = site.one("StatefulSet", "redis-sentinel")["spec"]["template"]["spec"]["containers"]
    assert [container["name"] for container in containers] == ["sentinel"]


def test_qdrant_is_asked_with_its_key() -> None:
    (site,) = sites("local")
    (endpoint,) = site.one("ServiceMonitor", "qdrant")["spec"]["endpoints"]
    reference = {"name": "qdrant", "key": "QDRANT__SERVICE__API_KEY"}
    assert endpoint["authorization"] == {"type": "Bearer", "credentials": reference}


def monitor(site: Site, kind: str, name: str) -> dict[str, Any]:
    body = site.one(kind, name)
    assert body["metadata"]["namespace"] == "monitoring"
    listed = "endpoints" if kind == "ServiceMonitor" else "podMetricsEndpoints"
    (endpoint,) = body["spec"][listed]
    return dict(endpoint)


def test_a_gpu_has_the_labels_of_the_pod_that_holds_it_and_the_node_it_is_in() -> None:
    (site,) = sites("local")
    endpoint = monitor(site, "ServiceMonitor", "nvidia-dcgm-exporter")
    assert (endpoint["port"], endpoint["honorLabels"]) == ("gpu-metrics", True)
    node, dropped = endpoint["relabelings"]
    assert (node["sourceLabels"], node["targetLabel"]) == (["__meta_kubernetes_pod_node_name"], "node")
    assert dropped["action"] == "labeldrop"
    assert "pod" in dropped["regex"].split("|"), "an idle GPU is nobody's, and not the exporter's"


@pytest.mark.parametrize(
    ("stack", "jobs"),
    [
        ("local", {"external-secrets", "traefik"}),
        ("production", {"external-secrets", "traefik", "cert-manager"}),
    ],
)
def test_operators_are_scraped_under_their_names(stack: str, jobs: set[str]) -> None:
    (site,) = sites(stack)
    assert {body["metadata"]["name"] for body in site.of("PodMonitor")} == jobs
    for job in jobs:
        endpoint = monitor(site, "PodMonitor", job)
        labels = {one["targetLabel"]: one["replacement"] for one in endpoint["relabelings"]}
        # Without a label `service` of the target, traefik's own one would stay under that name.
        assert labels == {"job": job, "service": job}
    assert monitor(site, "ServiceMonitor", "kueue")["scheme"] == "https"


def test_keda_tells_its_metrics_where_it_is_watched() -> None:
    section = {
        "monitoring": MONITORING,
        "autoscaling": {"keda": {"enabled": True}},
        "workloads": {"web": row()},
    }
    site = site_of(section)
    (release,) = (item for item in site.releases if item.chart == "keda")
    assert release.values["prometheus"] == {"operator": {"enabled": True}}
    assert monitor(site, "PodMonitor", "keda")["port"] == "metrics"


def test_the_counters_hold_every_gpu_metric_that_rules_may_name() -> None:
    fields = [line.split(",") for line in counters_csv().splitlines()]
    assert all(len(parts) == 3 for parts in fields), "a comma in a help text is a fourth column"
    known = {parts[0]: parts[1].strip() for parts in fields}
    wanted = {
        metric.name: metric.type for metric in inventory().values() if metric.exporter == "dcgm-exporter"
    }
    assert wanted
    assert wanted.items() <= known.items()


@pytest.mark.parametrize("cluster", ["joined", "existing"])
def test_no_metric_of_cadvisor_or_kubelet_that_rules_may_name_is_dropped(cluster: str) -> None:
    kube = sites("local")[0].kube.model_copy(update={"cluster": cluster})
    values = agents(kube, 30)["kubelet"]["serviceMonitor"]
    for exporter, key in (("cadvisor", "cAdvisorMetricRelabelings"), ("kubelet", "metricRelabelings")):
        names = [name for name, metric in inventory().items() if metric.exporter == exporter]
        assert names
        for name in names:
            labels = {"__name__": name, "pod": "a", "id": "/kubepods/a", "interface": "eth0", "le": "0.5"}
            assert keeps(values[key], labels), name
    assert not keeps(values["cAdvisorMetricRelabelings"], {"__name__": "container_tasks_state", "pod": "a"})


def test_a_k3s_kubelet_does_not_repeat_the_api_server() -> None:
    kube = sites("local")[0].kube
    series = {"__name__": "apiserver_request_total"}
    values = agents(kube, 30)["kubelet"]["serviceMonitor"]
    assert not keeps(values["metricRelabelings"], series)
    other = agents(kube.model_copy(update={"cluster": "existing"}), 30)
    assert keeps(other["kubelet"]["serviceMonitor"]["metricRelabelings"], series)
    assert {part for part, value in agents(kube, 30).items() if value == {"enabled": False}} == {
        "kubeControllerManager",
        "kubeScheduler",
        "kubeProxy",
        "kubeEtcd",
    }
