"""Forecaster and node scaler in the cluster: what runs, what it reads, where it may go, whom it may ask."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sophia_infra.manifests import ScalingParts, all_objects
from sophia_infra.model.scaling_site import ForecasterSite, NodeScalerSite, read_site
from sophia_infra.scaling.serving.__main__ import main
from tests.unit.manifests.pod_security import restricted_problems
from tests.unit.manifests.reachability import can_connect, outside, pod, pods_of
from tests.unit.manifests.sites import JOIN, PROMETHEUS, Site, row, site_of, sites

FORECASTER, SCALER = "sophia-forecaster", "sophia-node-scaler"
NAMESPACE = "sophia-scaling"
BOTH = pytest.mark.parametrize("name", [FORECASTER, SCALER])


@pytest.fixture(scope="module")
def site() -> Site:
    (only,) = sites("local-scaling")
    return only


def spec_of(site: Site, name: str) -> dict[str, Any]:
    return dict(site.one("Deployment", name)["spec"]["template"]["spec"])


def container(site: Site, name: str) -> dict[str, Any]:
    (found,) = spec_of(site, name)["containers"]
    return dict(found)


def test_neither_is_there_unless_it_is_asked_for() -> None:
    (plain,) = sites("local")
    assert not {FORECASTER, SCALER} & set(pods_of(plain))
    assert NAMESPACE not in {body["metadata"]["name"] for body in plain.of("Namespace")}


def test_they_run_in_the_primary_cluster_alone() -> None:
    forecaster = {"enabled": True}
    section = {"monitoring": {"grafana": {"enabled": False}, "exporter": {"enabled": False}}}
    site = site_of({**section, "forecaster": forecaster, "workloads": {"web": row()}})
    assert FORECASTER in pods_of(site)
    elsewhere = all_objects(
        site.kube,
        site.placement,
        type(site.cluster)("sophia-elsewhere", "us-west-1", (), ""),
        watched=site.watched,
        scaling=ScalingParts(),
    )
    assert FORECASTER not in {item.name for item in elsewhere.up_to(2)}


@BOTH
def test_its_arguments_and_its_file_are_those_that_the_process_reads(
    site: Site, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real entry point takes them, and gives up only at the file, which is not on this machine."""
    own = container(site, name)
    assert own["command"] == ["python", "-m", "sophia_infra.scaling.serving"]
    assert main(own["args"]) == 64
    ((file, text),) = site.one("ConfigMap", f"{name}-config")["data"].items()
    assert f"/etc/sophia/config/{file}: cannot be read" in capsys.readouterr().err
    if name == FORECASTER:
        assert read_site(ForecasterSite, text, file).prometheus_url == site.kube.prometheus_url
    else:
        read = read_site(NodeScalerSite, text, file)
        assert set(read.fleet) == {node.machine for node in site.cluster.nodes}
        assert read.apply is False


def test_secrets_come_from_secrets_and_stand_nowhere_else(site: Site) -> None:
    (variable,) = (one for one in container(site, SCALER)["env"] if "valueFrom" in one)
    assert (variable["name"], variable["valueFrom"]["secretKeyRef"]["name"]) == ("LAMBDA_API_KEY", SCALER)
    (entry,) = site.one("ExternalSecret", SCALER)["spec"]["data"]
    assert entry == {"secretKey": "LAMBDA_API_KEY", "remoteRef": {"key": "lambda.api_key"}}
    (store,) = site.of("ClusterSecretStore")
    assert NAMESPACE in store["spec"]["conditions"][0]["namespaces"]
    join = site.one("Secret", f"{SCALER}-join")
    assert join["stringData"] == {"join.json": JOIN}
    bodies = [item.body for item in site.manifests if item.body is not join]
    assert "agents-token" not in json.dumps(bodies, default=str)
    own = container(site, SCALER)
    at = own["args"][own["args"].index("--join") + 1]
    (mount,) = (one for one in own["volumeMounts"] if at == f"{one['mountPath']}/join.json")
    (volume,) = (one for one in spec_of(site, SCALER)["volumes"] if one["name"] == mount["name"])
    assert volume["secret"]["secretName"] == f"{SCALER}-join"
    assert mount["readOnly"] is True


@BOTH
def test_it_passes_restricted_and_stays_off_the_nodes_that_come_and_go(site: Site, name: str) -> None:
    spec = spec_of(site, name)
    assert list(restricted_problems(spec)) == []
    (term,) = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert {"key": "sophia.internal/scaled", "operator": "DoesNotExist"} in term["matchExpressions"]
    level = site.one("Namespace", NAMESPACE)["metadata"]["labels"]
    assert level["pod-security.kubernetes.io/enforce"] == "restricted"
    assert site.one("Deployment", name)["spec"]["strategy"] == {"type": "Recreate"}


def test_only_the_node_scaler_gets_a_token(site: Site) -> None:
    with_token = {
        template["metadata"]["labels"]["app.kubernetes.io/name"]
        for template in (body["spec"]["template"] for body in site.of("Deployment"))
        if template["spec"]["automountServiceAccountToken"]
    }
    assert with_token == {SCALER}


def test_a_pass_that_runs_may_end() -> None:
    """Ten launches of 12 s each, and the answer of the last."""
    (site,) = sites("local-scaling")
    assert spec_of(site, SCALER)["terminationGracePeriodSeconds"] == 60 + 10 * 15
    assert spec_of(site, FORECASTER)["terminationGracePeriodSeconds"] == 60


def test_whom_they_may_ask_and_who_may_ask_them(site: Site) -> None:
    policies, known = site.of("NetworkPolicy"), pods_of(site)
    prometheus = pod("monitoring", **{"app.kubernetes.io/name": "prometheus"})
    api_server = outside("10.0.0.5")
    lambda_api = outside("198.51.100.7")
    for name in (FORECASTER, SCALER):
        own = known[name]
        assert can_connect(policies, own, prometheus, 9090), name
        assert can_connect(policies, prometheus, own, 9106), name
        assert not can_connect(policies, pod("monitoring", app="grafana"), own, 9106), name
        assert not can_connect(policies, own, known["postgres"], 5432), name
        assert not can_connect(policies, own, lambda_api, 80), name
    for target, port in ((lambda_api, 443), (api_server, 6443)):
        assert can_connect(policies, known[SCALER], target, port)
        assert not can_connect(policies, known[FORECASTER], target, port)


def test_a_prometheus_of_others_is_asked_and_asks_without_a_monitor() -> None:
    keda = {"keda": {"enabled": True, "prometheus_url": PROMETHEUS}}
    site = site_of({"autoscaling": keda, "forecaster": {"enabled": True}, "workloads": {"web": row()}})
    assert can_connect(site.of("NetworkPolicy"), pods_of(site)[FORECASTER], outside("10.9.8.7"), 9090)
    assert site.of("ServiceMonitor") == []
    assert FORECASTER in {body["metadata"]["name"] for body in site.of("Service")}


def test_machines_that_join_by_their_own_text_need_no_secret(site: Site) -> None:
    document = json.loads(site.one("ConfigMap", f"{SCALER}-config")["data"]["scaler.json"])
    text = json.dumps({**document, "join": None})
    made = all_objects(
        site.kube,
        site.placement,
        site.cluster,
        gateway=site.gateway,
        watched=site.watched,
        scaling=ScalingParts(text),
    )
    bodies = {item.name: item.body for item in made.platform if item.name.startswith(SCALER)}  # type: ignore[union-attr]
    assert f"{SCALER}-join" not in bodies
    (own,) = bodies[f"{SCALER}-deployment"]["spec"]["template"]["spec"]["containers"]
    assert "--join" not in own["args"]
