"""What makes pods, and what has to find them: selectors, ports, budgets, autoscalers, security, placement."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.effort import examples
from tests.unit.manifests.generated import sections
from tests.unit.manifests.links import check_links, check_mounts, check_references
from tests.unit.manifests.pod_security import restricted_problems
from tests.unit.manifests.sites import all_sites, pod_templates, row, site_of, sites

FEW = settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FEW
@given(sections())
def test_all_links_hold_in_any_section(section: dict[str, object]) -> None:
    site = site_of(section)
    check_links(site)
    check_references(site)
    check_mounts(site)


def test_all_links_hold_in_the_stacks() -> None:
    for site in all_sites():
        check_links(site)
        check_references(site)
        check_mounts(site)


@FEW
@given(sections())
def test_every_pod_passes_restricted_and_only_the_reader_of_logs_has_a_token(
    section: dict[str, object],
) -> None:
    for kind, _namespace, template in pod_templates(site_of(section)):
        spec = template["spec"]
        assert list(restricted_problems(spec)) == []
        assert spec["automountServiceAccountToken"] is (kind == "DaemonSet")
        assert spec["enableServiceLinks"] is False
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_checker_of_restricted_finds_faults() -> None:
    _kind, _namespace, template = next(pod_templates(sites("local")[0]))
    spec = {**template["spec"], "securityContext": {}, "hostNetwork": True}
    found = list(restricted_problems(spec))
    assert any("hostNetwork" in sentence for sentence in found)
    assert any("seccomp" in sentence for sentence in found)


def test_ai_core_is_what_the_plan_asks_for_and_the_fleet_carries() -> None:
    (site,) = sites("local")
    spec = site.one("Deployment", "sophia-ai-core")["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["nodeSelector"] == {"sophia.internal/gpu": "gh200"}
    assert {
        "key": "kubernetes.io/arch",
        "operator": "Equal",
        "value": "arm64",
        "effect": "NoSchedule",
    } in pod["tolerations"]
    assert container["resources"]["limits"] == {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1"}
    assert container["resources"]["requests"]["nvidia.com/gpu"] == "1"
    assert container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"] == 300
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}} in pod["volumes"]
    assert spec["template"]["metadata"]["annotations"] == {
        "sophia.internal/architectures": "amd64,arm64",
        "sophia.internal/secret-checksum": "abc123",
    }
    assert pod["terminationGracePeriodSeconds"] == 60
    assert pod["priorityClassName"] == "gpu-critical"
    assert "replicas" not in spec, "the autoscaler owns the number"
    scaler = site.one("HorizontalPodAutoscaler", "sophia-ai-core")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (1, 1)
    assert {
        "type": "Pods",
        "pods": {
            "metric": {"name": "gpu_utilization"},
            "target": {"type": "AverageValue", "averageValue": "80"},
        },
    } in scaler["metrics"]
    assert scaler["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 900
    assert not [b for b in site.of("PodDisruptionBudget") if b["metadata"]["name"] == "sophia-ai-core"]


def test_only_pods_that_choose_a_gh200_tolerate_arm64() -> None:
    for site in all_sites():
        for _kind, namespace, template in pod_templates(site):
            spec = template["spec"]
            tolerated = {toleration.get("key", "every") for toleration in spec.get("tolerations", [])}
            if namespace == "monitoring":
                architectures = template["metadata"]["annotations"]["sophia.internal/architectures"]
                assert not tolerated or "arm64" in architectures
                continue
            chooses = spec.get("nodeSelector", {}).get("sophia.internal/gpu") == "gh200"
            assert ("kubernetes.io/arch" in tolerated) == chooses


@pytest.mark.parametrize(
    ("fields", "strategy"),
    [
        ({}, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
        (
            {"gpu": {"model": "A100"}},
            {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
        ),
        (
            {"gpu": {"model": "A100", "count": 0}},
            {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        ),
        ({"volumes": {"d": {"mount": "/d", "size": "1Gi"}}}, {"type": "Recreate"}),
        (
            {"volumes": {"d": {"mount": "/d", "size": "1Gi", "cache": True}}},
            {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        ),
    ],
)
def test_an_update_never_waits_for_a_place_it_cannot_get(
    fields: dict[str, Any], strategy: dict[str, Any]
) -> None:
    site = site_of({"workloads": {"web": row(**fields)}})
    assert site.one("Deployment", "web")["spec"]["strategy"] == strategy


def test_a_second_replica_brings_a_budget_and_spreading() -> None:
    one = site_of({"workloads": {"web": row()}})
    assert one.of("PodDisruptionBudget") == []
    assert "topologySpreadConstraints" not in one.one("Deployment", "web")["spec"]["template"]["spec"]
    two = site_of({"workloads": {"web": row(autoscale={"min": 1, "max": 2, "cpu": 70})}})
    assert two.one("PodDisruptionBudget", "web")["spec"]["maxUnavailable"] == 1
    (constraint,) = two.one("Deployment", "web")["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert constraint["topologyKey"] == "kubernetes.io/hostname"


def test_a_volume_at_tmp_takes_the_place_of_the_scratch_folder() -> None:
    volumes = {"own": {"mount": "/tmp", "size": "5Gi", "cache": True}}  # noqa: S108
    site = site_of({"workloads": {"web": row(volumes=volumes)}})
    spec = site.one("Deployment", "web")["spec"]["template"]["spec"]
    assert spec["volumes"] == [{"name": "v-own", "emptyDir": {"sizeLimit": "5Gi"}}]
    assert spec["containers"][0]["volumeMounts"] == [{"name": "v-own", "mountPath": "/tmp"}]  # noqa: S108


def test_a_route_is_tls_and_names_the_certificate() -> None:
    kube = {"domain": "example.com", "cluster_issuer": "letsencrypt"}
    section = {"ingress": kube, "workloads": {"web": row(ingress={"host": "app", "path": "/v1"})}}
    ingress = site_of(section).one("Ingress", "web")
    assert ingress["metadata"]["annotations"] == {"cert-manager.io/cluster-issuer": "letsencrypt"}
    assert ingress["spec"]["tls"] == [{"hosts": ["app.example.com"], "secretName": "sophia-tls-web"}]
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (rule["host"], path["path"]) == ("app.example.com", "/v1")
    assert path["backend"] == {"service": {"name": "web", "port": {"name": "http"}}}


def test_a_digest_that_is_known_is_what_runs() -> None:
    digest = "sha256:" + "ab" * 32
    section = {
        "images": {"digests": {"ghcr.io/sophia/web:1.0": digest}},
        "workloads": {"web": row()},
    }
    container = site_of(section).one("Deployment", "web")["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == f"ghcr.io/sophia/web:1.0@{digest}"


def test_a_rotated_secret_changes_the_pods_of_its_consumer_only() -> None:
    section = {
        "secrets": {"organization": "o", "project": "p", "environment": "e"},
        "workloads": {"web": row(secret_env={"A_TOKEN": "a.b"}), "other": row(ports={"http": 8001})},
    }
    site = site_of(section)
    templates = {
        name: site.one("Deployment", name)["spec"]["template"]["metadata"]["annotations"]
        for name in ("web", "other")
    }
    assert templates["web"]["sophia.internal/secret-checksum"] == "abc123"
    assert "sophia.internal/secret-checksum" not in templates["other"]
    secret = site.one("ExternalSecret", "web")["spec"]
    assert secret["data"] == [{"secretKey": "A_TOKEN", "remoteRef": {"key": "a.b"}}]
    assert secret["refreshInterval"] == "1h"
