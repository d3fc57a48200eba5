"""GPU use for the cluster's own autoscaler: the plan's HPA, and the adapter that serves its metric."""

from __future__ import annotations

from typing import Any

import pytest

from sophia_infra.manifests import ChartRelease
from tests.unit.manifests.sites import Site, row, site_of, sites

PLAN_METRICS = [
    {
        "type": "Pods",
        "pods": {
            "metric": {"name": "gpu_utilization"},
            "target": {"type": "AverageValue", "averageValue": "70"},
        },
    }
]
"""As the plan prints them for `sophia-ai-hpa`, which lacks a target and a maximum."""

MONITORING: dict[str, Any] = {"exporter": {"enabled": False}}
BY_GPU = row(
    gpu={"model": "A100"}, autoscale={"name": "sophia-ai-hpa", "min": 1, "max": 4, "gpu_utilization": 70}
)


def section(*, monitoring: bool = True, **autoscaling: Any) -> dict[str, Any]:
    further = {"monitoring": MONITORING} if monitoring else {}
    return {"workloads": {"sophia-ai-core": BY_GPU}, "autoscaling": autoscaling, **further}


def adapters(site: Site) -> list[ChartRelease]:
    return [item for item in site.releases if item.chart == "prometheus-adapter"]


def test_the_plans_hpa_complete_with_target_and_limits() -> None:
    body = site_of(section()).one("HorizontalPodAutoscaler", "sophia-ai-hpa")
    assert body["apiVersion"] == "autoscaling/v2"
    spec = body["spec"]
    assert spec["metrics"] == PLAN_METRICS
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "sophia-ai-core"}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 1), "there is one A100"
    assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 900


def test_the_stacks_with_such_a_row_have_an_adapter_in_its_cluster_only() -> None:
    for stack in ("local", "production"):
        (site,) = sites(stack)
        assert len(adapters(site)) == 1
    by_region = sites("local-per-region")
    home = by_region[0].placement.workload_cluster["sophia-ai-core"]
    assert [site.cluster.name for site in by_region if adapters(site)] == [home]


@pytest.mark.parametrize(
    ("kube", "count"),
    [
        (section(), 1),
        (section(monitoring=False), 0),
        (section(adapter={"enabled": False}), 0),
        (section(keda={"enabled": True}), 1),
        ({"workloads": {"web": row()}, "monitoring": MONITORING}, 0),
        (
            {
                "workloads": {"web": row()},
                "monitoring": MONITORING,
                "autoscaling": {"adapter": {"enabled": True}},
            },
            1,
        ),
    ],
    ids=["needed", "nobody to ask", "refused", "KEDA has other rows", "nobody asks", "ordered"],
)
def test_the_adapter_is_where_somebody_needs_it(kube: dict[str, Any], count: int) -> None:
    site = site_of(kube)
    assert len(adapters(site)) == count
    namespaces = {body["metadata"]["name"]: body["metadata"]["labels"] for body in site.of("Namespace")}
    assert ("prometheus-adapter" in namespaces) == bool(count)
    if count:
        assert namespaces["prometheus-adapter"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_it_serves_one_metric_by_pod_and_no_other() -> None:
    (release,) = adapters(site_of(section(adapter={"version": "5.3.1"})))
    assert (release.namespace, release.version) == ("prometheus-adapter", "5.3.1")
    assert release.values["rules"] == {
        "default": False,
        "custom": [
            {
                "seriesQuery": 'gpu_utilization{namespace!="",pod!=""}',
                "resources": {
                    "overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}
                },
                "name": {"as": "gpu_utilization"},
                "metricsQuery": "avg by (<<.GroupBy>>) (<<.Series>>{<<.LabelMatchers>>})",
            }
        ],
    }
    assert release.values["tolerations"], "a cluster may have arm64 nodes only"
    assert release.values["replicas"] == 2


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (None, ("http://prometheus-operated.monitoring.svc", 9090, "")),
        ("http://thanos.elsewhere.svc", ("http://thanos.elsewhere.svc", 80, "")),
        ("https://metrics.example:8443/tenant/a", ("https://metrics.example", 8443, "/tenant/a")),
        ("http://[fd00::1]:9090", ("http://[fd00::1]", 9090, "")),
    ],
)
def test_it_asks_the_prometheus_of_the_stack(url: str | None, parts: tuple[str, int, str]) -> None:
    autoscaling: dict[str, Any] = {"keda": {"prometheus_url": url}} if url else {}
    (release,) = adapters(site_of(section(**autoscaling)))
    asked = release.values["prometheus"]
    assert (asked["url"], asked["port"], asked["path"]) == parts


def test_its_account_may_read_pods_and_ask_who_a_caller_is() -> None:
    site = site_of(section())
    (release,) = adapters(site)
    assert release.values["rbac"] == {"create": False}, "the chart's roles read every ConfigMap"
    account = {"kind": "ServiceAccount", "name": "prometheus-adapter", "namespace": "prometheus-adapter"}
    given = {
        (body["roleRef"]["kind"], body["roleRef"]["name"], body["metadata"].get("namespace"))
        for kind in ("ClusterRoleBinding", "RoleBinding")
        for body in site.of(kind)
        if body["subjects"] == [account]
    }
    assert given == {
        ("ClusterRole", "prometheus-adapter", None),
        ("ClusterRole", "system:auth-delegator", None),
        ("Role", "extension-apiserver-authentication-reader", "kube-system"),
    }
    assert site.one("ClusterRole", "prometheus-adapter")["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    ]
    bindings = {item.name for item in site.manifests if item.kind.endswith("Binding")}
    assert {name for name in bindings if "adapter" in name} <= set(release.after)
