"""The exporter of fleet and dollars: one pod, one key, one way out."""

from __future__ import annotations

import json
from typing import Any

from sophia_infra.exporter.__main__ import main
from sophia_infra.monitoring.exporter_settings import read_exporter_settings
from tests.unit.manifests.pod_security import restricted_problems
from tests.unit.manifests.reachability import can_connect, outside, pod, pods_of
from tests.unit.manifests.sites import row, site_of, sites, sites_of

NAME = "sophia-exporter"
SECRETS = {"organization": "o", "project": "p", "environment": "e"}
NO_GRAFANA = {"grafana": {"enabled": False}}


def deployment() -> dict[str, Any]:
    (site,) = sites("local")
    return site.one("Deployment", NAME)


def container() -> dict[str, Any]:
    (found,) = deployment()["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_it_is_alone_because_each_would_count_the_dollars() -> None:
    spec = deployment()["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_it_reads_the_settings_that_the_exporter_reads() -> None:
    (site,) = sites("local")
    ((file, text),) = site.one("ConfigMap", f"{NAME}-config")["data"].items()
    settings = read_exporter_settings(text, file)
    assert settings.stack == "sophia-infra/local"
    assert set(settings.machines) == {node.machine for node in site.cluster.nodes}
    assert {machine.node for machine in settings.machines.values()} == {
        node.name for node in site.cluster.nodes
    }


def test_its_arguments_are_those_of_the_command(tmp_path: Any, capsys: Any) -> None:
    """The real command reads them, and gives up only at the file, which is not on this machine."""
    own = container()
    assert own["command"] == ["python", "-m", "sophia_infra.exporter"]
    assert main(own["args"]) == 64
    said = capsys.readouterr().err
    assert "exporter.json" in said
    assert "cannot be read" in said


def test_its_key_is_a_secret_of_its_own_and_a_new_one_restarts_it() -> None:
    (site,) = sites("local")
    (variable,) = container()["env"]
    assert variable["valueFrom"]["secretKeyRef"] == {"name": NAME, "key": "LAMBDA_API_KEY"}
    (entry,) = site.one("ExternalSecret", NAME)["spec"]["data"]
    assert entry == {"secretKey": "LAMBDA_API_KEY", "remoteRef": {"key": "lambda.api_key"}}
    annotations = deployment()["spec"]["template"]["metadata"]["annotations"]
    assert annotations["sophia.internal/secret-checksum"] == "abc123"
    assert annotations["sophia.internal/config-checksum"]


def test_new_settings_restart_it() -> None:
    base = site_of({"monitoring": NO_GRAFANA, "secrets": SECRETS, "workloads": {"web": row()}})
    terms = base.watched.stack_terms if base.watched is not None else None

    def checksum(machines: dict[str, Any]) -> str:
        (site,) = sites_of(base.kube, base.placement, terms=terms, exporter_settings={"machines": machines})
        template = site.one("Deployment", NAME)["spec"]["template"]
        return str(template["metadata"]["annotations"]["sophia.internal/config-checksum"])

    assert checksum({"core": {}}) == checksum({"core": {}})
    assert checksum({"core": {}}) != checksum({"core": {}, "another": {}})


def test_its_counters_outlive_a_restart() -> None:
    (site,) = sites("local")
    own = container()
    at = own["args"][own["args"].index("--state") + 1]
    (mount,) = (mount for mount in own["volumeMounts"] if at.startswith(mount["mountPath"] + "/"))
    spec = deployment()["spec"]["template"]["spec"]
    (volume,) = (volume for volume in spec["volumes"] if volume["name"] == mount["name"])
    claim = site.one("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
    assert claim["metadata"]["namespace"] == "monitoring"


def test_it_asks_the_internet_by_tls_and_is_asked_by_prometheus() -> None:
    (site,) = sites("local")
    policies, own = site.of("NetworkPolicy"), pods_of(site)[NAME]
    assert can_connect(policies, own, outside("198.51.100.7"), 443)
    for port in (80, 5432, 22):
        assert not can_connect(policies, own, outside("198.51.100.7"), port)
    assert not can_connect(policies, own, outside("169.254.169.254"), 443), "cloud metadata"
    assert not can_connect(policies, own, pods_of(site)["postgres"], 5432)
    prometheus = pod("monitoring", **{"app.kubernetes.io/name": "prometheus"})
    assert can_connect(policies, prometheus, own, 9105)
    assert not can_connect(policies, pod("monitoring", app="grafana"), own, 9105)


def test_it_passes_restricted_without_a_token_and_says_how_it_is() -> None:
    spec = deployment()["spec"]["template"]["spec"]
    assert list(restricted_problems(spec)) == []
    assert spec["automountServiceAccountToken"] is False
    probes = {kind: container()[kind]["httpGet"]["path"] for kind in ("livenessProbe", "readinessProbe")}
    assert probes == {"livenessProbe": "/health", "readinessProbe": "/ready"}


def test_without_it_nothing_reads_the_key() -> None:
    section = {
        "monitoring": {**NO_GRAFANA, "exporter": {"enabled": False}},
        "secrets": SECRETS,
        "workloads": {"web": row()},
    }
    site = site_of(section)
    assert NAME not in pods_of(site)
    assert "lambda.api_key" not in json.dumps([item.body for item in site.manifests], default=str)
