"""New values reach the cluster: the operator is asked, waited for, and only changed consumers restart."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.kubernetes_plugin.errors import ApiRefused
from sophia_infra.operations.owned_fields import NotManaged, applied_by
from sophia_infra.operations.secrets import Consumer
from sophia_infra.operations.secrets_cluster import CHECKSUM_ANNOTATION, SecretsCluster

NOW = datetime(2026, 11, 24, tzinfo=UTC)
API = Consumer("api", "Deployment", "prod", ("a",))
PATH = "/apis/apps/v1/namespaces/prod/deployments/api"
SECRETS = "/apis/external-secrets.io/v1/namespaces/prod/externalsecrets"
RECORDED = json.loads((Path(__file__).parent / "recorded_deployment.json").read_text(encoding="utf-8"))


class Server:
    """Answers GET from `objects`, remembers everything else."""

    def __init__(self, objects: dict[str, Any]) -> None:
        self.objects = objects
        self.writes: list[tuple[str, dict[str, str], Any]] = []

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        apply: bool = False,
    ) -> dict[str, Any]:
        if method == "GET":
            if path not in self.objects:
                raise ApiRefused("not found", code=404, reason="NotFound")
            return dict(self.objects[path])
        assert apply
        self.writes.append((path, dict(query or {}), body))
        return {}


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def cluster(server: Server, time: Time | None = None) -> SecretsCluster:
    time = time or Time()
    return SecretsCluster(server, monotonic=lambda: time.now, sleep=time.sleep)


def external(
    name: str, ready: str | None, refreshed: str = "t1", reason: str = "SecretSynced"
) -> dict[str, Any]:
    conditions = [] if ready is None else [{"type": "Ready", "status": ready, "reason": reason}]
    return {
        "metadata": {"name": name, "namespace": "prod"},
        "status": {"conditions": conditions, "refreshTime": refreshed},
    }


def test_what_a_manager_applied_is_rebuilt_from_a_real_object() -> None:
    owned = applied_by(RECORDED["live"], "sophia-infra")
    assert owned == RECORDED["applied"]


def test_an_object_of_somebody_else_is_left_alone() -> None:
    with pytest.raises(NotManaged):
        applied_by(RECORDED["live"], "kubectl")
    server = Server({PATH: {**RECORDED["live"], "metadata": {"name": "api", "namespace": "prod"}}})
    assert cluster(server).mark(API, "new").outcome == "not-ours"
    assert server.writes == []


def test_a_new_checksum_is_applied_with_all_that_is_ours() -> None:
    server = Server({PATH: RECORDED["live"]})
    assert cluster(server).mark(API, "new").outcome == "restarts"
    [(path, query, body)] = server.writes
    assert (path, query) == (PATH, {"fieldManager": "sophia-infra"})
    assert body["spec"]["template"]["metadata"]["annotations"].pop(CHECKSUM_ANNOTATION) == "new"
    wanted = json.loads(json.dumps(RECORDED["applied"]))
    wanted["spec"]["template"]["metadata"]["annotations"].pop(CHECKSUM_ANNOTATION)
    assert body == wanted


def test_the_same_checksum_a_dry_run_and_an_absent_consumer_write_nothing() -> None:
    server = Server({PATH: RECORDED["live"]})
    assert cluster(server).mark(API, "old").outcome == "unchanged"
    assert cluster(server).mark(API, "new", dry_run=True).outcome == "restarts"
    assert cluster(Server({})).mark(API, "new").outcome == "absent"
    assert server.writes == []


def test_what_pods_have_as_a_file_is_not_restarted() -> None:
    server = Server({})
    files = Consumer("alerting", "Secret", "monitoring", ("alerts.hook",))
    assert cluster(server).mark(files, "new").outcome == "reread"
    assert server.writes == []


def test_a_refusal_of_the_server_is_passed_on() -> None:
    class Forbidding(Server):
        def request(self, method: str, path: str, **more: Any) -> dict[str, Any]:
            raise ApiRefused("forbidden", code=403)

    calls: list[Callable[[SecretsCluster], object]] = [
        lambda one: one.mark(API, "x"),
        lambda one: one.external_secrets(["prod"]),
    ]
    for call in calls:
        with pytest.raises(ApiRefused):
            call(cluster(Forbidding({})))


@pytest.mark.parametrize(
    ("status", "said"),
    [("True", None), ("False", "is not ready: SecretSyncedError"), (None, "was never synced")],
)
def test_an_external_secret_that_is_not_in_order_is_a_finding(status: str | None, said: str | None) -> None:
    server = Server({SECRETS: {"items": [external("api", status, reason="SecretSyncedError")]}})
    [one] = cluster(server).external_secrets(["prod", "empty"])
    finding = one.finding()
    assert (finding is None) == (said is None)
    assert finding is None or str(said) in finding.message


def test_every_external_secret_is_asked_for_at_once_by_a_manager_of_its_own() -> None:
    server = Server({SECRETS: {"items": [external("api", "True"), external("pg", "True")]}})
    there = cluster(server)
    there.force_sync(there.external_secrets(["prod"]), NOW)
    assert [path.rpartition("/")[2] for path, _, _ in server.writes] == ["api", "pg"]
    assert {query["fieldManager"] for _, query, _ in server.writes} == {"sophia-infra-force-sync"}
    assert server.writes[0][2]["metadata"]["annotations"] == {"force-sync": "2026-11-24T00:00:00.000000Z"}


def test_waiting_ends_when_all_were_read_again_or_the_time_is_over() -> None:
    time = Time()
    server = Server(
        {SECRETS: {"items": [external("a", "True"), external("b", "True"), external("c", "False")]}}
    )
    there = cluster(server, time)
    before = there.external_secrets(["prod"])

    def sleep(seconds: float) -> None:
        time.now += seconds
        server.objects[SECRETS] = {
            "items": [external("a", "True", "t2"), external("b", "True"), external("c", "False", "t2")]
        }

    there = SecretsCluster(server, monotonic=lambda: time.now, sleep=sleep)
    assert there.wait_for_sync(before, 5) == {("prod", "a")}
    assert time.now == 5
    assert there.wait_for_sync([], 5) == set()
