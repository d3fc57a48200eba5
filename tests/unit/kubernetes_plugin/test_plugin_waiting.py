from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from sophia_infra.kubernetes_plugin.cluster import Cluster
from sophia_infra.kubernetes_plugin.connection import Connection
from sophia_infra.kubernetes_plugin.discovery import Discovery, Kind
from sophia_infra.kubernetes_plugin.errors import KindUnknown
from sophia_infra.kubernetes_plugin.waiting import Unready, Waiter, timeout_of, why_still_there
from tests.unit.kubernetes_plugin.api_server import ApiServer, refusal
from tests.unit.kubernetes_plugin.conftest import Clock, Patience

PODS = Kind("v1", "Pod", "pods", namespaced=True)
PATH = "/api/v1/namespaces/shop/pods/web"
EVENTS = "/api/v1/namespaces/shop/events"


def pod(phase: str, **status: Any) -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "shop", "uid": "u1"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"phase": phase, **status}}


@pytest.fixture
def make_waiter(connect: Callable[..., Connection], clock: Clock) -> Callable[..., Waiter]:
    def make(stop_after: int | None = None) -> Waiter:
        connection = connect()
        patience = cast("Any", Patience(clock, stop_after))
        return Waiter(Cluster(connection, Discovery(connection), clock=clock), patience, clock=clock)

    return make


def test_it_returns_the_object_once_it_is_ready(
    server: ApiServer, make_waiter: Callable[..., Waiter]
) -> None:
    done = pod("Succeeded")
    server.answer(PATH, pod("Pending"), pod("Pending"), done)
    assert make_waiter().until_ready(PODS, pod("Pending"), 60, print) == done


def test_a_time_limit_says_what_is_in_the_way(
    server: ApiServer, make_waiter: Callable[..., Waiter], clock: Clock
) -> None:
    unschedulable = {
        "type": "PodScheduled",
        "status": "False",
        "message": "0/5 nodes are available: 5 Insufficient cpu.",
    }
    crashing = {
        "name": "main",
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}},
        "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}},
    }
    stuck = pod("Pending", conditions=[unschedulable], containerStatuses=[crashing])
    server.answer(PATH, stuck)
    server.answer(EVENTS, {"items": [{"reason": "FailedMount", "message": "no such volume"}]})
    said: list[str] = []
    with pytest.raises(Unready) as ended:
        make_waiter().until_ready(PODS, stuck, 30, said.append)
    assert ended.value.reasons == [
        "not ready after 30 s: the pod is Pending",
        "pod web: 0/5 nodes are available: 5 Insufficient cpu.",
        "pod web, container main: CrashLoopBackOff: back-off 5m0s",
        "pod web, container main ended with code 3: Error",
        "pod web: FailedMount: no such volume",
    ]
    assert clock.now == pytest.approx(30)
    assert said[0] == "waiting; the pod is Pending; pod web: 0/5 nodes are available: 5 Insufficient cpu."


def test_who_may_not_read_events_still_hears_the_rest(
    server: ApiServer, make_waiter: Callable[..., Waiter]
) -> None:
    server.answer(PATH, pod("Pending"))
    server.answer(EVENTS, refusal(403, "Forbidden", "no"))
    with pytest.raises(Unready) as ended:
        make_waiter().until_ready(PODS, pod("Pending"), 1, print)
    assert ended.value.reasons == ["not ready after 1 s: the pod is Pending"]


def test_a_stopped_run_and_a_foreign_deletion_end_the_wait(
    server: ApiServer, make_waiter: Callable[..., Waiter]
) -> None:
    server.answer(PATH, pod("Pending"))
    with pytest.raises(Unready, match="the run was stopped while waiting: the pod is Pending"):
        make_waiter(stop_after=2).until_ready(PODS, pod("Pending"), 600, print)
    server.answer(PATH, refusal(404, "NotFound", "gone"))
    with pytest.raises(Unready, match="deleted by somebody else"):
        make_waiter().until_ready(PODS, pod("Pending"), 600, print)


def test_a_job_that_takes_itself_away_was_done(server: ApiServer, make_waiter: Callable[..., Waiter]) -> None:
    jobs = Kind("batch/v1", "Job", "jobs", namespaced=True)
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": pod("")["metadata"],
        "spec": {"ttlSecondsAfterFinished": 0},
    }
    assert make_waiter().until_ready(jobs, job, 60, print) == job


def test_a_claim_that_binds_later_is_not_waited_for(
    server: ApiServer, make_waiter: Callable[..., Waiter]
) -> None:
    claims = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims", namespaced=True)
    claim = {**pod("Pending"), "kind": "PersistentVolumeClaim", "spec": {}}
    default = {
        "metadata": {"name": "a", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    }
    classes = {"items": [{**default, "volumeBindingMode": "WaitForFirstConsumer"}]}
    server.answer("/apis/storage.k8s.io/v1/storageclasses", classes)
    assert make_waiter().until_ready(claims, claim, 60, print) == claim


def test_gone_is_gone_or_somebody_elses(server: ApiServer, make_waiter: Callable[..., Waiter]) -> None:
    server.answer(PATH, pod("Running"), refusal(404, "NotFound", "gone"))
    assert make_waiter().until_gone(PODS, pod("Running"), 60, print) is None
    other = pod("Running")
    other["metadata"]["uid"] = "u2"
    server.answer(PATH, other)
    assert make_waiter().until_gone(PODS, pod("Running"), 60, print) is None


def test_what_stays_says_why(server: ApiServer, make_waiter: Callable[..., Waiter]) -> None:
    stuck = pod("Running")
    stuck["metadata"]["finalizers"] = ["example.com/keep"]
    server.answer(PATH, stuck)
    left = make_waiter().until_gone(PODS, pod("Running"), 60, print)
    assert left is not None
    assert why_still_there(left) == "finalizers example.com/keep"


@pytest.mark.parametrize(
    ("requested_s", "annotations", "expected"),
    [(0, {}, 600), (5, {"pulumi.com/timeoutSeconds": "7"}, 5), (0, {"pulumi.com/timeoutSeconds": "7"}, 7)],
)
def test_the_time_limit(requested_s: float, annotations: dict[str, str], expected: float) -> None:
    assert timeout_of({"metadata": {"annotations": annotations}}, requested_s) == expected


def test_a_new_kind_is_waited_for_and_a_wrong_one_is_not(
    server: ApiServer, connect: Callable[..., Connection], clock: Clock
) -> None:
    things = {"resources": [{"kind": "Thing", "name": "things", "namespaced": True}]}
    server.answer(
        "/apis/example.com/v1", refusal(404, "NotFound", "no"), refusal(404, "NotFound", "no"), things
    )
    discovery = Discovery(connect(), clock=clock, cancelled=cast("Any", Patience(clock)))
    assert discovery.find("example.com/v1", "Thing", wait_s=10).plural == "things"
    server.answer("/apis/apps/v1", {"resources": []})
    before = clock.now
    with pytest.raises(KindUnknown, match="has no kind Deploymnet in apps/v1"):
        discovery.find("apps/v1", "Deploymnet", wait_s=10)
    assert clock.now == before


def test_what_settles_is_applied_again(
    server: ApiServer, connect: Callable[..., Connection], clock: Clock
) -> None:
    settling = refusal(403, "Forbidden", 'pods "web" is forbidden: status unknown for quota: few')
    server.answer(PATH, settling, refusal(404, "NotFound", 'namespaces "shop" not found'), pod("Pending"))
    connection = connect()
    cluster = Cluster(connection, Discovery(connection), clock=clock, cancelled=cast("Any", Patience(clock)))
    assert cluster.apply(PODS, pod(""), manager="m", force=False, settle_s=10)["kind"] == "Pod"
    assert len(server.asked) == 3
    assert server.asked[0].query == {"fieldManager": "m", "force": "false"}
