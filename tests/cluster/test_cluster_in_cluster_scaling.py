"""The node scaler in a cluster: what its account may do, and the process itself with that account's token."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from sophia_infra.control_plane.errors import RequestRefused
from sophia_infra.control_plane.nodes import NodeSpec, build_node, build_node_status
from sophia_infra.joining import make_credentials
from sophia_infra.manifests import Manifest, ScalingParts, forecaster, node_scaler
from sophia_infra.manifests.classes import priority_classes
from sophia_infra.manifests.names import FORECASTER, NODE_SCALER, SCALING_NAMESPACE
from sophia_infra.manifests.namespaces import namespaces
from sophia_infra.model.kubernetes import KubernetesConfig
from sophia_infra.model.scaled_tags import SCALED_NODE_LABEL, lease_name
from sophia_infra.model.scaler import ScalerConfig
from sophia_infra.model.scaling_site import FleetRow, JoinSite, NodeScalerSite, as_text
from tests.cluster.manifest_probes import apply, pods
from tests.cluster.plane import Plane
from tests.cluster.scaler_process import Account, Cloud, ScalerProcess, running_cloud, started
from tests.unit.manifests.sites import Site, site_of

STACK = "in-cluster"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{lease_name(STACK)}"
OURS, OTHERS = "gpu-scaled-9", "a-machine-of-the-fleet"
REGION = "us-south-1"
CREDENTIALS = make_credentials("sophia", datetime(2026, 9, 1, tzinfo=UTC))
SECTION = {
    "monitoring": {"grafana": {"enabled": False}},
    "secrets": {"organization": "o", "project": "p", "environment": "e"},
    "forecaster": {"enabled": True},
    "scaler": {"enabled": True, "replicas": 2},
}
NOT_HERE = {"ServiceMonitor", "ExternalSecret"}
"""Kinds of operators, which this plane has not; their schemas are held against them elsewhere."""


def scaler_file(*, apply: bool, budget_usd: str = "20") -> NodeScalerSite:
    pool = {"type": "1xA100", "regions": [REGION], "max": 2, "min": 1, "demand": [{"source": "pending_pods"}]}
    return NodeScalerSite(
        stack=f"sophia-infra/{STACK}",
        endpoint="emulator",
        apply=apply,
        prometheus_url=None,
        ssh_key="ops",
        budget_usd_per_hour=Decimal(budget_usd),
        quota=None,
        fleet={"core": FleetRow(type="gpu_1x_a10")},
        scaler=ScalerConfig.model_validate({"pools": {"gpu": pool}, "interval_s": 10}),
        join=JoinSite(cluster="sophia", region=REGION, kubernetes=KubernetesConfig.model_validate({})),
    )


def join_text() -> str:
    parts = {part: CREDENTIALS[part] for part in ("agent_token", "server_ca_certificate")}
    return json.dumps({"address": "10.0.0.5", **parts})


def manifests(site: Site) -> list[Manifest]:
    parts = ScalingParts(as_text(scaler_file(apply=True)), join_text(), "abc123")
    made = [
        *forecaster(site.kube, site.placement, site.cluster),
        *node_scaler(site.kube, site.placement, site.cluster, parts),
    ]
    own = [
        one
        for one in namespaces(site.kube, site.placement, site.cluster)
        if one.metadata["name"] == SCALING_NAMESPACE
    ]
    standard = [one for one in priority_classes(site.cluster) if one.metadata["name"] == "standard"]
    return [*own, *standard, *made]


@pytest.fixture(scope="module")
def scaling(plane: Plane) -> Iterator[Plane]:
    """Namespace, rights and Deployments as the program makes them; nothing of it is left after."""
    bodies = [one.body for one in manifests(site_of(SECTION)) if one.kind not in NOT_HERE]
    for name, labels in ((OURS, {SCALED_NODE_LABEL: "gpu"}), (OTHERS, {"test/other": "yes"})):
        spec = NodeSpec(name, labels=labels, capacity={"cpu": "8", "memory": "16Gi", "nvidia.com/gpu": "1"})
        plane.apply(f"/api/v1/nodes/{name}", build_node(spec, []))
        plane.apply(f"/api/v1/nodes/{name}/status", build_node_status(spec))
    try:
        apply(plane, bodies)
        yield plane
    finally:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
        plane.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=text)
        plane.kubectl("delete", "node", OURS, OTHERS, "--ignore-not-found", "--wait=false")


@pytest.fixture(scope="module")
def account(scaling: Plane) -> Account:
    """The ServiceAccount's own token, of the kind that the kubelet mounts."""
    path = f"/api/v1/namespaces/{SCALING_NAMESPACE}/serviceaccounts/{NODE_SCALER}/token"
    answer = scaling.request("POST", path, {"spec": {"expirationSeconds": 3600}})
    kubeconfig = yaml.safe_load(scaling.kubeconfig.read_text("utf-8"))
    ca = base64.b64decode(kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"])
    own = Account(scaling.server, answer["status"]["token"], ca)
    # The server compiles an admission policy a moment after it took it.
    scaling.wait_for(lambda: own.ask("DELETE", f"/api/v1/nodes/{OTHERS}?dryRun=All")[0] == 403)
    return own


def refused(account: Account, method: str, path: str, body: Any = None, **how: Any) -> str:
    """What the server says to what the account must not do."""
    code, said = account.ask(method, path, body, **how)
    assert code == 403, (method, path, code, said)
    return said


def test_its_account_may_do_what_a_pass_needs(scaling: Plane, account: Account, namespace: str) -> None:
    assert account.ask("GET", f"/api/v1/nodes?labelSelector={SCALED_NODE_LABEL}")[0] == 200
    assert account.ask("GET", "/api/v1/pods?limit=1")[0] == 200
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": OURS}, "spec": {"unschedulable": True}}
    assert account.ask("PATCH", f"/api/v1/nodes/{OURS}", body, apply=True)[0] == 200
    container = {"name": "a", "image": "example.test/a:1"}
    pod = {"metadata": {"name": "leaves"}, "spec": {"containers": [container]}}
    scaling.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod)
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "leaves", "namespace": namespace},
    }
    assert account.ask("POST", f"/api/v1/namespaces/{namespace}/pods/leaves/eviction", eviction)[0] == 201
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": lease_name(STACK)},
        "spec": {"holderIdentity": "somebody"},
    }
    assert account.ask("POST", LEASE.rpartition("/")[0], lease)[0] == 201
    code, said = account.ask("GET", LEASE)
    assert (code, account.ask("PUT", LEASE, json.loads(said))[0]) == (200, 200)
    scaling.request("DELETE", LEASE)


def test_its_account_may_do_nothing_else(account: Account, namespace: str) -> None:
    fleet, own = f"/api/v1/nodes/{OTHERS}", f"/api/v1/nodes/{OURS}"
    cordon = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": OTHERS},
        "spec": {"unschedulable": True},
    }
    relabel = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": OURS, "labels": {"node-role.kubernetes.io/control-plane": ""}},
    }
    assert "changes nodes with the label" in refused(account, "PATCH", fleet, cordon, apply=True)
    assert "changes nodes with the label" in refused(account, "DELETE", fleet)
    assert "changes no label" in refused(account, "PATCH", own, relabel, apply=True)
    refused(account, "POST", "/api/v1/nodes", {"metadata": {"name": "new"}})
    refused(account, "GET", "/api/v1/secrets")
    refused(account, "GET", f"/api/v1/namespaces/{SCALING_NAMESPACE}/secrets/sophia-node-scaler-join")
    refused(account, "GET", f"/api/v1/namespaces/{SCALING_NAMESPACE}/configmaps")
    refused(account, "DELETE", f"/api/v1/namespaces/{namespace}/pods/leaves")
    refused(account, "POST", f"/api/v1/namespaces/{namespace}/pods", {"metadata": {"name": "new"}})
    refused(account, "GET", f"/apis/apps/v1/namespaces/{SCALING_NAMESPACE}/deployments")
    refused(account, "GET", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases")
    refused(account, "GET", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler")
    refused(account, "DELETE", LEASE)
    for kind in ("clusterroles", "clusterrolebindings"):
        refused(account, "GET", f"/apis/rbac.authorization.k8s.io/v1/{kind}")


def test_pods_are_admitted_as_restricted_and_stay_off_the_scalers_nodes(scaling: Plane) -> None:
    for name, count in ((NODE_SCALER, 2), (FORECASTER, 1)):
        scaling.wait_for(partial(_all_elsewhere, scaling, name, count))


def _all_elsewhere(plane: Plane, name: str, count: int) -> bool:
    nodes = [row["spec"].get("nodeName") for row in pods(plane, SCALING_NAMESPACE, name)]
    return len(nodes) == count and all(node not in (None, OURS) for node in nodes)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """An emulator of forty virtual seconds a second: a machine is given up after 45 real ones."""
    with running_cloud(speed=40) as running:
        running.add_key("ops")
        yield running


@pytest.fixture
def no_lease(scaling: Plane) -> Iterator[None]:
    yield
    try:
        scaling.request("DELETE", LEASE)
    except RequestRefused:
        return


@pytest.mark.usefixtures("no_lease")
def test_it_says_what_it_would_do_then_acts_alone_and_hands_over(
    account: Account, cloud: Cloud, tmp_path: Path
) -> None:
    """Costs four processes; buys that what the image starts works with what the program grants."""

    def process(name: str, *, apply: bool) -> ScalerProcess:
        return started(tmp_path / name, as_text(scaler_file(apply=apply)), join_text(), account, cloud)

    with process("dry", apply=False) as dry:
        said = dry.line(lambda row: bool(row["decisions"]))
        assert said["dry_run"] is True
        assert (said["decisions"][0]["action"], said["decisions"][0]["launch"]) == ("launch", 1)
        assert dry.end() == 0
    assert cloud.machines() == []

    with process("one", apply=True) as one, process("two", apply=True) as two:
        first, second = (one, two) if one.line(lambda row: bool(row["holder"]))["leads"] else (two, one)
        launched = first.line(lambda row: bool(row["events"]))
        assert [(event["action"], event["node"]) for event in launched["events"]] == [
            ("launch", "gpu-scaled-1")
        ]
        waiting = second.line(lambda row: bool(row["holder"]))
        assert (waiting["leads"], waiting["decisions"]) == (False, [])
        assert "sophia_scaler_leader 1.0" in first.metrics()
        assert "sophia_scaler_leader 0.0" in second.metrics()
        assert first.end() == 0
        after = second.line(lambda row: row["leads"] and row["decisions"])
        assert after["decisions"][0]["launch"] == 0
        assert second.end() == 0
    [machine] = cloud.machines()
    assert machine["instance_type"]["name"] == "gpu_1x_a100"
    assert CREDENTIALS["agent_token"] not in one.everything() + two.everything()
