"""Nodes that go: emptied by evictions that keep budgets, then deleted, before their machines end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from sophia_infra.provider.cluster_ready import ClusterReadyKind
from sophia_infra.provider.errors import ClusterNotReady, Stopped
from sophia_infra.provider.kubernetes_api import Answer, ApiAccess, Verb
from sophia_infra.provider.session import Session
from tests.unit.provider.stage import STACK, Stage

BUDGET = Answer("later", "HTTP 429: Cannot evict pod as it would violate the pod's disruption budget.")


@dataclass
class Cluster:
    """The API of a cluster as far as it is asked. `refusals`: how often each pod's eviction is refused;
    `stuck`: pods that never end.
    """

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    silent: bool = False
    stuck: set[str] = field(default_factory=set)
    on_look: Callable[[], None] = lambda: None

    def node(self, name: str, ready: str = "True", machine: str | None = "", **spec: Any) -> None:
        labels = {} if machine is None else {"sophia.internal/instance": machine or name.split("-")[0]}
        self.nodes[name] = {
            "metadata": {"name": name, "labels": labels},
            "spec": spec,
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        }

    def pod(self, name: str, node: str, phase: str = "Running", **metadata: Any) -> None:
        self.pods[name] = {
            "metadata": {"name": name, "namespace": "apps", "uid": f"uid-{name}", **metadata},
            "spec": {"nodeName": node},
            "status": {"phase": phase},
        }

    def ask(self, _access: ApiAccess, path: str) -> Answer:
        if self.silent:
            return Answer("silent", "Connection refused")
        if path == "/readyz":
            return Answer("ok", body="ok")
        self.on_look()
        if path == "/api/v1/nodes":
            return Answer("ok", body=json.dumps({"items": list(self.nodes.values())}))
        found = re.fullmatch(r"/api/v1/pods\?fieldSelector=spec\.nodeName%3D(.+)", path)
        assert found, path
        pods = [pod for pod in self.pods.values() if pod["spec"]["nodeName"] == found[1]]
        return Answer("ok", body=json.dumps({"items": pods}))

    def send(
        self, _access: ApiAccess, verb: Verb, path: str, body: Mapping[str, Any] | None = None
    ) -> Answer:
        if self.silent:
            return Answer("silent", "Connection refused")
        self.sent.append(f"{verb} {path}")
        name = path.split("/")[4] if verb != "POST" else path.split("/")[6]
        if verb == "PATCH":
            assert body == {"spec": {"unschedulable": True}}
            self.nodes[name]["spec"]["unschedulable"] = True
            return Answer("ok")
        if verb == "DELETE":
            return Answer("ok") if self.nodes.pop(name, None) else Answer("absent", "HTTP 404")
        assert path == f"/api/v1/namespaces/apps/pods/{name}/eviction"
        assert body is not None
        assert body["deleteOptions"] == {"preconditions": {"uid": f"uid-{name}"}}
        assert (body["apiVersion"], body["kind"]) == ("policy/v1", "Eviction")
        assert self.nodes[self.pods[name]["spec"]["nodeName"]]["spec"]["unschedulable"], "cordoned first"
        if self.refusals.get(name, 0) > 0:
            self.refusals[name] -= 1
            return BUDGET
        if name in self.stuck:
            self.pods[name]["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:00Z"
        else:
            del self.pods[name]
        return Answer("ok")


@pytest.fixture
def cluster() -> Cluster:
    """The new machine's node is ready; the old one's still is."""
    made = Cluster()
    made.node("core-2")
    made.node("core")
    return made


def news(**changes: Any) -> dict[str, Any]:
    return {
        "stack": STACK,
        "cluster": "sophia",
        "server_url": "https://192.0.2.1:6443",
        "ca_certificate": "CA",
        "client_certificate": "CERTIFICATE",
        "client_key": "SECRET-KEY",
        "nodes": ["core-2"],
        "instances": {"core": "2"},
        **changes,
    }


def settle(cluster: Cluster, session: Session, **changes: Any) -> dict[str, Any]:
    return ClusterReadyKind(session, cluster.ask, cluster.send).create(news(**changes)).outputs


def test_a_node_is_cordoned_then_emptied_then_deleted(stage: Stage, cluster: Cluster) -> None:
    cluster.pod("web", "core")
    cluster.pod("elsewhere", "core-2")
    settle(cluster, stage.session())
    assert cluster.sent == [
        "PATCH /api/v1/nodes/core",
        "POST /api/v1/namespaces/apps/pods/web/eviction",
        "DELETE /api/v1/nodes/core",
    ]
    assert set(cluster.nodes) == {"core-2"}
    assert set(cluster.pods) == {"elsewhere"}
    assert stage.said == ["sophia: 1 pod to move off core"]


def test_nothing_goes_before_every_wanted_node_is_ready(stage: Stage, cluster: Cluster) -> None:
    cluster.node("core-2", ready="False")
    with pytest.raises(ClusterNotReady, match="not Ready: core-2"):
        settle(cluster, stage.session())
    assert cluster.sent == []


def test_an_eviction_that_a_budget_refuses_is_tried_again(stage: Stage, cluster: Cluster) -> None:
    cluster.pod("web-1", "core")
    cluster.pod("web-2", "core")
    cluster.refusals["web-2"] = 3
    began_s = stage.clock.now()
    settle(cluster, stage.session())
    assert cluster.sent.count("POST /api/v1/namespaces/apps/pods/web-2/eviction") == 4
    assert cluster.sent[-1] == "DELETE /api/v1/nodes/core"
    assert cluster.pods == {}
    assert stage.clock.now() - began_s == 20
    assert stage.said == ["sophia: 2 pods to move off core", "sophia: 1 pod to move off core"]


@pytest.mark.parametrize(("minutes", "text"), [(None, "10"), (2.5, "2.5")])
def test_a_budget_keeps_no_paid_machine_for_ever(
    stage: Stage, cluster: Cluster, minutes: float | None, text: str
) -> None:
    for number in range(7):
        cluster.pod(f"web-{number}", "core")
        cluster.refusals[f"web-{number}"] = 10**6
    began_s = stage.clock.now()
    settle(cluster, stage.session(), drain_timeout_minutes=minutes)
    assert stage.clock.now() - began_s == (minutes or 10) * 60
    assert set(cluster.nodes) == {"core-2"}
    assert stage.said[-1] == (
        f"sophia: 7 pods did not move off core within {text} min: apps/web-0, apps/web-1, apps/web-2, "
        "apps/web-3, apps/web-4 and 2 more (HTTP 429: Cannot evict pod as it would violate the pod's "
        "disruption budget.); the node goes all the same, because its machine is billed."
    )


def test_a_pod_that_does_not_end_is_asked_once_and_goes_with_its_machine(
    stage: Stage, cluster: Cluster
) -> None:
    cluster.pod("web", "core")
    cluster.stuck.add("web")
    settle(cluster, stage.session(), drain_timeout_minutes=1)
    assert sum("eviction" in call for call in cluster.sent) == 1
    assert stage.said[-1] == (
        "sophia: 1 pod did not move off core within 1 min: apps/web; the node goes all the same, because its "
        "machine is billed."
    )


@pytest.mark.parametrize("ready", ["False", "Unknown"])
def test_a_node_whose_machine_is_gone_is_deleted_at_once(stage: Stage, cluster: Cluster, ready: str) -> None:
    cluster.node("core", ready=ready)
    cluster.pod("web", "core")
    began_s = stage.clock.now()
    settle(cluster, stage.session())
    assert cluster.sent[-1] == "DELETE /api/v1/nodes/core"
    assert not any("eviction" in call for call in cluster.sent)
    assert stage.clock.now() == began_s


def test_a_machine_that_ends_while_its_pods_are_waited_for_is_waited_for_no_longer(
    stage: Stage, cluster: Cluster
) -> None:
    cluster.pod("web", "core", deletionTimestamp="2026-11-24T12:00:00Z")
    began_s = stage.clock.now()

    def ends_later() -> None:
        if stage.clock.now() - began_s >= 40:
            cluster.nodes["core"]["status"]["conditions"][0]["status"] = "Unknown"

    cluster.on_look = ends_later
    settle(cluster, stage.session())
    assert stage.clock.now() - began_s == 40
    assert not any("eviction" in call for call in cluster.sent), "it was ending already"


def test_what_belongs_to_the_node_itself_stays_on_it(stage: Stage, cluster: Cluster) -> None:
    cluster.pod("agent", "core", ownerReferences=[{"kind": "DaemonSet", "name": "agent"}])
    cluster.pod("static", "core", annotations={"kubernetes.io/config.mirror": "x"})
    cluster.pod("done", "core", phase="Succeeded")
    cluster.pod("failed", "core", phase="Failed")
    cluster.pod("web", "core", ownerReferences=[{"kind": "ReplicaSet", "name": "web"}])
    settle(cluster, stage.session())
    assert set(cluster.pods) == {"agent", "static", "done", "failed"}
    assert sum("eviction" in call for call in cluster.sent) == 1


def test_a_removed_machine_is_a_change_and_its_node_goes(stage: Stage, cluster: Cluster) -> None:
    cluster.node("data")
    kind = ClusterReadyKind(stage.session(), cluster.ask, cluster.send)
    wanted = news(nodes=["core", "core-2"], instances={"core": "2"})
    olds = news(nodes=["core", "core-2", "data"], instances={"core": "2", "data": "3"})
    assert set(kind.diff("id", olds, wanted).changes) == {"nodes", "instances"}
    assert kind.update("id", olds, wanted)["nodes_ready"] == ["core", "core-2"]
    assert set(cluster.nodes) == {"core", "core-2"}


def test_nodes_that_are_not_of_the_fleet_are_left_alone(stage: Stage, cluster: Cluster) -> None:
    cluster.node("theirs", machine=None)
    cluster.node("theirs-too", ready="Unknown", machine=None)
    settle(cluster, stage.session())
    assert set(cluster.nodes) == {"core-2", "theirs", "theirs-too"}


def test_without_wanted_nodes_none_is_taken_for_retired(stage: Stage, cluster: Cluster) -> None:
    settle(cluster, stage.session(), nodes=[])
    assert cluster.sent == []


def test_a_second_run_has_nothing_to_do(stage: Stage, cluster: Cluster) -> None:
    cluster.pod("web", "core")
    settle(cluster, stage.session())
    cluster.sent.clear()
    settle(cluster, stage.session())
    assert cluster.sent == []


def test_it_stops_on_request_and_goes_on_later(stage: Stage, cluster: Cluster) -> None:
    cluster.pod("web", "core")
    cluster.refusals["web"] = 2
    session = stage.session()
    session.stop_requested = lambda: True
    with pytest.raises(Stopped, match="nodes of cluster sophia were emptied; their machines run on, billed"):
        settle(cluster, session)
    assert set(cluster.nodes) == {"core", "core-2"}
    settle(cluster, stage.session())
    assert set(cluster.nodes) == {"core-2"}
    assert cluster.sent.count("PATCH /api/v1/nodes/core") == 1, "cordoned once"


def test_pods_that_cannot_be_listed_are_not_taken_for_none(stage: Stage, cluster: Cluster) -> None:
    cluster.pod("web", "core")
    answers = [Answer("busy", "HTTP 500"), Answer("ok", body="cut off")]

    def ask(access: ApiAccess, path: str) -> Answer:
        return answers.pop(0) if "pods" in path and answers else cluster.ask(access, path)

    kind = ClusterReadyKind(stage.session(), ask, cluster.send)
    kind.create(news())
    assert cluster.pods == {}, "it moved before the node went"


def test_an_api_that_falls_silent_is_an_error_and_no_machine_ends(stage: Stage, cluster: Cluster) -> None:
    cluster.pod("web", "core")
    cluster.refusals["web"] = 1

    def falls_silent() -> None:
        cluster.silent = bool(cluster.sent)

    cluster.on_look = falls_silent
    with pytest.raises(
        ClusterNotReady, match=r"does not answer: Connection refused within 11 min\."
    ) as caught:
        settle(cluster, stage.session())
    assert "SECRET-KEY" not in str(caught.value)
    assert caught.value.retry
    assert stage.said[-1] == "sophia: waiting for its API (Connection refused)"


def test_a_machine_that_ended_by_itself_does_not_keep_its_name_from_the_next(
    stage: Stage, cluster: Cluster
) -> None:
    """The same generation again: its node is kept by the cluster until somebody deletes it."""
    cluster.nodes.clear()
    cluster.node("core", ready="Unknown")
    cluster.node("data", ready="Unknown")
    began_s = stage.clock.now()

    def joins_when_it_may() -> None:
        if "core" not in cluster.nodes and stage.clock.now() - began_s > 60:
            cluster.node("core")
        if stage.clock.now() - began_s > 90:
            cluster.node("data")

    cluster.on_look = joins_when_it_may
    kind = ClusterReadyKind(stage.session(), cluster.ask, cluster.send)
    wanted = news(nodes=["core", "data"], instances={"core": "new", "data": "same"})
    kind.update("id", {**wanted, "instances": {"core": "old", "data": "same"}}, wanted)
    assert cluster.sent == ["DELETE /api/v1/nodes/core"], "data is the same machine: it may come back"
