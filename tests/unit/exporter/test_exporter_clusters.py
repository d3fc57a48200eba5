"""Machines of a 1-Click Cluster carry no tag of ours; they are the stack's that reads the cluster."""

from __future__ import annotations

import json

import pytest

from sophia_infra.exporter.timing import SIDE_POLL_S
from sophia_infra.lambda_cloud import Instance
from sophia_infra.model.stack_config import parse_stack_config
from sophia_infra.monitoring.exporter_settings import exporter_settings_of, read_exporter_settings
from tests.unit.exporter.conftest import MakeStage
from tests.unit.exporter.stage import OTHER_STACK, POLL_S, STACK, Stage, machine, settings_of

CLUSTER_ID = "0920582c7ff041399e34823a0be62549"


@pytest.fixture
def stage(make_stage: MakeStage) -> Stage:
    return make_stage(settings_of({"core": machine()}, clusters=(CLUSTER_ID,)))


def owners(stage: Stage) -> dict[str, tuple[str, str]]:
    rows = stage.show().all("lambda_cloud_instance_info")
    return {labels["name"]: (labels["owner"], labels["stack"]) for labels, _ in rows}


def clustered(stage: Stage, name: str, stack: str | None = None) -> str:
    """A machine as Lambda's staff makes it for a cluster."""
    made = stage.launch(name, stack=stack)
    stage.cloud.set_cluster(made, CLUSTER_ID)
    return made


def test_its_machines_are_known_at_the_first_look_and_no_others_are(stage: Stage) -> None:
    stage.launch("core")
    stage.launch("by hand", stack=None)
    clustered(stage, "worker-1")
    clustered(stage, "theirs", stack=OTHER_STACK)
    stage.poller.poll()
    assert owners(stage) == {
        "core": ("stack", STACK),
        "by hand": ("unknown", ""),
        "worker-1": ("training", STACK),
        "theirs": ("other", OTHER_STACK),
    }
    assert stage.show().by_owner("lambda_cloud_usd_per_hour")["training"] == 2.29


def test_the_cluster_is_asked_only_when_there_is_a_machine_to_ask_about(stage: Stage) -> None:
    clustered(stage, "worker-1")
    stage.pass_time(POLL_S * 5)
    lists = stage.lists()
    assert len(lists) == len(set(lists)) + 1, "once beside the first list, then no more"
    stage.launch("by hand", stack=None)
    stage.poller.poll()
    assert len(stage.lists()) == len(lists) + 2
    stage.pass_time(SIDE_POLL_S - POLL_S)
    before = len(stage.lists())
    stage.pass_time(POLL_S)
    assert len(stage.lists()) - before == 3, "two looks and, once in five minutes, the cluster again"


def test_a_machine_that_the_cluster_lists_late_is_found_later(stage: Stage) -> None:
    made = stage.launch("worker-1", stack=None)
    stage.poller.poll()
    assert owners(stage)["worker-1"] == ("unknown", "")
    stage.cloud.set_cluster(made, CLUSTER_ID)
    stage.pass_time(SIDE_POLL_S + POLL_S)
    assert owners(stage)["worker-1"] == ("training", STACK)


def test_a_cluster_that_does_not_answer_is_no_look_and_makes_no_machine_unknown(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    clustered(stage, "worker-1")
    assert stage.client is not None
    answered = stage.client.list_instances

    def failing_for_clusters(*, cluster_id: str | None = None) -> list[Instance]:
        if cluster_id is not None:
            stage.cloud.faults.add("listInstances", "before", "status", status=503, times=None)
        return answered(cluster_id=cluster_id)

    with monkeypatch.context() as patched:
        patched.setattr(stage.client, "list_instances", failing_for_clusters)
        stage.poller.poll()
    assert stage.show().one("lambda_cloud_up") == 0
    assert owners(stage) == {}
    stage.cloud.faults.clear()
    stage.pass_time(POLL_S)
    assert owners(stage) == {"worker-1": ("training", STACK)}


def test_the_ids_of_the_file_reach_the_exporter() -> None:
    file = {
        "sophia:endpoint": "lambda",
        "sophia:budget": {"limit": "$500/day"},
        "sophia:ssh": {"existing": "team-key"},
        "sophia:fleet": {},
        "sophia:training": {"reserved": {"cluster_id": CLUSTER_ID}},
    }
    settings = exporter_settings_of(parse_stack_config(file, "Pulumi.x.yaml"), STACK)
    assert settings.clusters == (CLUSTER_ID,)
    assert read_exporter_settings(json.dumps(settings.as_json())) == settings
