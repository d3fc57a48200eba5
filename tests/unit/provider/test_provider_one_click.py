"""A 1-Click Cluster against a real emulator: found, read again, forgotten; and never changed."""

from __future__ import annotations

import pytest

from sophia_infra.provider.errors import AdoptionRefused
from sophia_infra.provider.instance_launch import adopt_or_launch
from sophia_infra.provider.instance_spec import InstanceSpec
from sophia_infra.provider.one_click_cluster import OneClickClusterKind
from tests.unit.provider.stage import Stage, props

CLUSTER_ID = "0920582c7ff041399e34823a0be62549"


@pytest.fixture
def kind(stage: Stage) -> OneClickClusterKind:
    return OneClickClusterKind(stage.session())


def put_into_cluster(stage: Stage, *names: str) -> list[str]:
    """Machines of the account, made part of the cluster as Lambda's staff does it."""
    ids = []
    for name in names:
        spec = InstanceSpec.of(props(logical_name=name, name=name))
        ids.append(adopt_or_launch(stage.session(), spec).id)
    for one in ids:
        stage.cloud.set_cluster(one, CLUSTER_ID)
    return ids


def test_its_machines_are_what_it_outputs(stage: Stage, kind: OneClickClusterKind) -> None:
    ids = put_into_cluster(stage, "worker-2", "worker-1")
    made = kind.create({"cluster_id": CLUSTER_ID})
    assert made.id == CLUSTER_ID
    assert [row["id"] for row in made.outputs["machines"].values()] == ids[::-1]
    assert list(made.outputs["machines"]) == ["worker-1", "worker-2"]
    assert made.outputs["gpus"] == 2
    assert kind.diff(CLUSTER_ID, made.outputs, {"cluster_id": CLUSTER_ID}).changes == ()
    assert kind.diff(CLUSTER_ID, made.outputs, {"cluster_id": "0" * 32}).replaces == ("cluster_id",)


def test_a_refresh_shows_what_is_there_now_and_an_ended_reservation_is_gone(
    stage: Stage, kind: OneClickClusterKind
) -> None:
    first, second = put_into_cluster(stage, "worker-1", "worker-2")
    made = kind.create({"cluster_id": CLUSTER_ID})
    stage.cloud.set_cluster(second, None)
    found = kind.read(CLUSTER_ID, made.outputs)
    assert [row["id"] for row in found.outputs["machines"].values()] == [first]
    stage.cloud.set_cluster(first, None)
    assert kind.read(CLUSTER_ID, made.outputs).id is None


def test_a_cluster_that_the_key_does_not_see_is_refused(kind: OneClickClusterKind) -> None:
    with pytest.raises(AdoptionRefused, match="no machine of the 1-Click Cluster"):
        kind.create({"cluster_id": CLUSTER_ID})


def test_nothing_of_it_is_ever_changed(stage: Stage, kind: OneClickClusterKind) -> None:
    put_into_cluster(stage, "worker-1")
    with stage.cloud.lock:
        last = max(seen.seq for seen in stage.cloud.requests.since(0))
    made = kind.create({"cluster_id": CLUSTER_ID})
    kind.read(made.id, made.outputs)
    kind.update(made.id, made.outputs, {"cluster_id": CLUSTER_ID})
    kind.delete(made.id, made.outputs)
    with stage.cloud.lock:
        assert {seen.method for seen in stage.cloud.requests.since(last)} == {"GET"}
