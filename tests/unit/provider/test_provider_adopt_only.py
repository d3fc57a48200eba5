"""An update that only adopts: what exists is taken over, and nothing that costs or ends anything is sent."""

from __future__ import annotations

import pytest

from sophia_infra.provider.cluster_credentials import ClusterCredentialsKind
from sophia_infra.provider.errors import CredentialsLost, NothingToAdopt, TerminationRefused
from sophia_infra.provider.filesystem import FilesystemKind
from sophia_infra.provider.instance import InstanceKind
from sophia_infra.provider.journal import Journal
from sophia_infra.provider.session import Session
from tests.unit.provider.stage import STACK, Stage, props

STORAGE = {"stack": STACK, "name": "models", "region": "us-east-1"}
CLUSTER = {"stack": STACK, "cluster": "sophia-us-east-1", "generation": 1}


def adopting(stage: Stage, *, may_found_clusters: bool = False) -> Session:
    """Another machine, where the journal is lost too."""
    return Session(
        stage.client(),
        stage.clock,
        Journal(stage.directory / "other"),
        say=stage.said.append,
        adopt_only=True,
        may_found_clusters=may_found_clusters,
    )


def test_a_machine_is_taken_over_with_the_outputs_of_its_launch(stage: Stage) -> None:
    launched = stage.kind().create(props())
    with stage.counting() as sent:
        adopted = InstanceKind(adopting(stage)).create(props())
    assert adopted == launched
    assert set(sent) == {"listInstances"}


def test_a_machine_that_is_gone_is_not_launched_again(stage: Stage) -> None:
    with stage.counting() as sent, pytest.raises(NothingToAdopt, match="Nothing was launched"):
        InstanceKind(adopting(stage)).create(props())
    assert set(sent) == {"listInstances"}
    assert stage.live() == []
    assert adopting(stage).journal.list() == [], "and no later run waits for it"


def test_a_filesystem_is_taken_over_and_never_made_empty(stage: Stage) -> None:
    with stage.counting() as sent, pytest.raises(NothingToAdopt, match="its data are not here"):
        FilesystemKind(adopting(stage)).create(STORAGE)
    assert set(sent) == {"listFilesystems"}
    made = FilesystemKind(stage.session()).create(STORAGE)
    adopted = FilesystemKind(adopting(stage)).create(STORAGE)
    assert adopted.id == made.id
    assert adopted.outputs["was_there_before"], "without the journal it counts as somebody's: never deleted"


def test_nothing_is_ended_whatever_the_file_says_now(stage: Stage) -> None:
    machine = stage.kind().create(props())
    storage = FilesystemKind(stage.session()).create(STORAGE)
    session = adopting(stage)
    with stage.counting() as sent:
        with pytest.raises(TerminationRefused, match="ends nothing"):
            InstanceKind(session).delete(machine.id, machine.outputs)
        with pytest.raises(TerminationRefused):
            FilesystemKind(session).delete(storage.id, storage.outputs)
    assert sent == []
    assert stage.live() == [machine.id]


def test_credentials_that_no_node_has_are_made_only_when_asked_for(stage: Stage) -> None:
    with pytest.raises(CredentialsLost, match="backup restore latest --state"):
        ClusterCredentialsKind(adopting(stage)).create(CLUSTER)
    made = ClusterCredentialsKind(adopting(stage, may_found_clusters=True)).create(CLUSTER)
    assert made.outputs["credentials"]
