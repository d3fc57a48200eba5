"""Both sides of each named edge are open, and everything else is closed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.effort import examples
from tests.unit.manifests.generated import sections
from tests.unit.manifests.reachability import Pod, can_connect, outside, pod, pods_of
from tests.unit.manifests.sites import Site, all_sites, row, site_of, sites

FEW = settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.too_slow])
STRANGER = pod("somewhere", app="stranger")
OUTSIDE = outside("198.51.100.7")


def named(namespace: str, name: str) -> Pod:
    return Pod(namespace, frozenset({("app.kubernetes.io/name", name)}))


def wanted_edges(site: Site) -> set[tuple[str, str, int]]:
    """(source, target, port) that the table asks for, worked out from the rows alone."""
    workloads = site.kube.enabled_workloads()
    databases = site.kube.enabled_databases()
    here = {n for n, cluster in site.placement.workload_cluster.items() if cluster == site.cluster.name}
    stores = {n for n, cluster in site.placement.database_cluster.items() if cluster == site.cluster.name}
    edges: set[tuple[str, str, int]] = set()
    for name in here:
        for target in workloads[name].talks_to:
            if target in here:
                ports = {key: port for key, port in workloads[target].ports.items() if key != "metrics"}
                edges |= {(name, target, port) for port in ports.values()}
            if target in stores:
                edges |= {(name, target, port) for port in databases[target].ports.values()}
                if databases[target].sentinel:
                    edges.add((name, f"{target}-sentinel", 26379))
    for name in stores:
        store = databases[name]
        if store.backup:
            edges.add((f"{name}-backup", name, store.main_port))
        if store.replicas > 1:
            edges.add((name, name, store.main_port))
            if store.kind == "qdrant":
                edges.add((name, name, 6335))
        if store.sentinel:
            sentinel = f"{name}-sentinel"
            edges |= {(name, sentinel, 26379), (sentinel, sentinel, 26379), (sentinel, name, store.main_port)}
    if site.kube.monitoring is not None and site.kube.monitoring.logs == "loki":
        edges.add(("alloy", "loki", 3100))
    return edges


def all_ports(site: Site) -> set[int]:
    ports = {80, 443, 6335, 26379, 9090, 9105, 9121, 9187, 3100, 12345}
    for workload in site.kube.enabled_workloads().values():
        ports |= set(workload.ports.values())
    for store in site.kube.enabled_databases().values():
        ports |= set(store.ports.values())
    return ports


def check_edges(site: Site) -> None:
    """All pairs on all ports: open exactly where an edge is."""
    policies = site.of("NetworkPolicy")
    known = pods_of(site)
    found = {
        (source, target, port)
        for source, from_pod in known.items()
        for target, to_pod in known.items()
        for port in all_ports(site)
        if can_connect(policies, from_pod, to_pod, port)
    }
    assert found == wanted_edges(site)


@FEW
@given(sections())
def test_exactly_the_named_edges_are_open_in_any_section(section: dict[str, object]) -> None:
    check_edges(site_of(section))


def test_exactly_the_named_edges_are_open_in_the_stacks() -> None:
    for site in all_sites():
        check_edges(site)


@FEW
@given(sections())
def test_only_who_says_so_reaches_the_internet(section: dict[str, object]) -> None:
    site = site_of(section)
    policies = site.of("NetworkPolicy")
    known = pods_of(site)
    workloads = site.kube.enabled_workloads()
    for name, own in known.items():
        if name == "alloy":
            continue  # it asks the API server, which has no address that a policy could name
        reaches = can_connect(policies, own, OUTSIDE, 443)
        asks_lambda = name == "sophia-exporter"
        assert reaches == (asks_lambda or (name in workloads and workloads[name].internet))
        assert not can_connect(policies, own, OUTSIDE, 5432)
        for inside in ("10.43.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.9"):
            assert not can_connect(policies, own, outside(inside), 443), inside
        assert not can_connect(policies, OUTSIDE, own, 8000)
        assert not can_connect(policies, STRANGER, own, 8000)


def test_scraping_reaches_the_metrics_port_and_no_other() -> None:
    ports = {"http": 8000, "metrics": 9090}
    site = site_of({"workloads": {"web": row(ports=ports), "plain": row(ports={"http": 8001})}})
    policies, known = site.of("NetworkPolicy"), pods_of(site)
    prometheus = named("monitoring", "prometheus")
    assert can_connect(policies, prometheus, known["web"], 9090)
    assert not can_connect(policies, prometheus, known["web"], 8000)
    assert can_connect(policies, prometheus, known["plain"], 8001)
    assert not can_connect(policies, named("elsewhere", "prometheus"), known["web"], 9090)


@pytest.mark.parametrize(
    ("class_name", "controller"),
    [
        ("traefik", named("kube-system", "traefik")),
        ("nginx", named("ingress-nginx", "ingress-nginx")),
        ("haproxy", named("anywhere", "haproxy")),
    ],
)
def test_a_route_opens_the_main_port_to_its_controller(class_name: str, controller: Pod) -> None:
    section: dict[str, Any] = {
        "ingress": {"domain": "example.com", "class_name": class_name},
        "workloads": {
            "web": row(ports={"http": 8000, "admin": 8001}, ingress={"host": "app"}),
            "inner": row(ports={"http": 8002}),
        },
    }
    site = site_of(section)
    policies, known = site.of("NetworkPolicy"), pods_of(site)
    assert can_connect(policies, controller, known["web"], 8000)
    assert not can_connect(policies, controller, known["web"], 8001)
    assert not can_connect(policies, controller, known["inner"], 8002)


def test_a_target_in_another_cluster_is_reached_by_its_route() -> None:
    """Pods of two clusters cannot name each other: the way is the Internet, and only with a route."""
    found = 0
    for site in sites("local-per-region"):
        workloads = site.kube.enabled_workloads()
        policies, known = site.of("NetworkPolicy"), pods_of(site)
        for name, home in site.placement.workload_cluster.items():
            if home != site.cluster.name:
                continue
            routes = [
                target
                for target in workloads[name].talks_to
                if target in workloads
                and site.placement.workload_cluster[target] != home
                and workloads[target].ingress
            ]
            found += bool(routes)
            if routes:
                assert can_connect(policies, known[name], OUTSIDE, 443)
    assert found


def test_training_pods_reach_each_other_and_names_only() -> None:
    (site,) = sites("local")
    policies = site.of("NetworkPolicy")
    one, two = pod("sophia-training", job="a"), pod("sophia-training", job="b")
    assert can_connect(policies, one, two, 29500)
    assert not can_connect(policies, one, pods_of(site)["postgres"], 5432)
    assert not can_connect(policies, pods_of(site)["sophia-backend"], one, 29500)
    assert not can_connect(policies, one, OUTSIDE, 443)


def test_a_pod_that_nobody_wrote_a_row_for_is_closed() -> None:
    (site,) = sites("local")
    policies, known = site.of("NetworkPolicy"), pods_of(site)
    unnamed = pod("sophia-ai-prod", app="by-hand")
    assert not can_connect(policies, unnamed, OUTSIDE, 443)
    assert not can_connect(policies, STRANGER, unnamed, 8000)
    assert not can_connect(policies, unnamed, known["postgres"], 5432)
    assert not can_connect(policies, unnamed, STRANGER, 8000)


def test_every_pod_of_ours_may_ask_for_names() -> None:
    dns = Pod("kube-system", frozenset({("k8s-app", "kube-dns")}))
    for site in all_sites():
        for own in pods_of(site).values():
            assert can_connect(site.of("NetworkPolicy"), own, dns, 53)
