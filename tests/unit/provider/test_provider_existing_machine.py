"""An existing machine is taken into the stack by id or name; nothing is ever launched for it."""

from __future__ import annotations

from typing import Any

import pytest

from sophia_infra.provider.errors import AdoptionRefused
from tests.unit.provider.stage import Stage, props


def adopting(**adopt: str) -> dict[str, Any]:
    return props(ssh_key_name=None, adopt=adopt)


@pytest.mark.parametrize("by", ["id", "name"])
def test_the_machine_named_by_the_file_is_taken_over_and_nothing_is_launched(stage: Stage, by: str) -> None:
    foreign = stage.launch_outside("core")
    kind = stage.kind()
    with stage.counting() as operations:
        created = kind.create(adopting(**{by: foreign if by == "id" else "core"}))
    assert created.id == foreign
    assert created.outputs["adopted"] is True
    assert operations == ["listInstances"]


def test_a_machine_of_another_name_gets_the_name_of_the_file_at_once(stage: Stage) -> None:
    """Else the state claims a name that the machine does not have, and the next refresh finds drift."""
    foreign = stage.launch_outside("its old name")
    created = stage.kind().create(adopting(id=foreign))
    assert [row["name"] for row in stage.instances()] == ["core"]
    assert stage.kind().read(foreign, created.outputs).inputs is None


def test_an_adopted_machine_needs_no_ssh_key(stage: Stage) -> None:
    assert stage.kind().check({}, adopting(name="core")).failures == ()


@pytest.mark.parametrize("adopt", [{"id": "0" * 32}, {"name": "core"}])
def test_one_that_is_not_there_is_refused(stage: Stage, adopt: dict[str, str]) -> None:
    stage.launch_outside("another")
    with pytest.raises(AdoptionRefused, match="No live instance") as caught:
        stage.kind().create(adopting(**adopt))
    assert next(iter(adopt.values())) in str(caught.value)
    assert len(stage.instances()) == 1


@pytest.mark.parametrize("status", ["terminating", "terminated", "preempted"])
def test_one_that_has_ended_is_refused(stage: Stage, status: str) -> None:
    foreign = stage.launch_outside("core")
    stage.happens_outside(foreign, status)
    with pytest.raises(AdoptionRefused, match="No live instance"):
        stage.kind().create(adopting(id=foreign))
    assert len(stage.instances()) == 1


def test_two_of_that_name_are_refused_with_both_ids(stage: Stage) -> None:
    ids = [stage.launch_outside("core") for _ in range(2)]
    with pytest.raises(AdoptionRefused, match="2 live instances") as caught:
        stage.kind().create(adopting(name="core"))
    assert all(one in str(caught.value) for one in ids)


@pytest.mark.parametrize("spec", [{"instance_type_name": "gpu_1x_a6000"}, {"region_name": "us-west-1"}])
def test_one_of_another_type_or_region_is_refused_with_both(stage: Stage, spec: dict[str, Any]) -> None:
    stage.launch_outside("core", **spec)
    with pytest.raises(AdoptionRefused, match="the file says gpu_1x_a10 in us-east-1") as caught:
        stage.kind().create(adopting(name="core"))
    assert next(iter(spec.values())) in str(caught.value)


def test_what_an_adopted_machine_was_launched_with_is_not_compared(stage: Stage) -> None:
    created = stage.kind().create(adopting(id=stage.launch_outside("core")))
    news = {
        **adopting(id=created.id),
        "image": {"family": "x"},
        "user_data": "y",
        "hostname": "z",
        "generation": 2,
    }
    assert stage.kind().diff(created.id, created.outputs, news).replaces == ()


def test_another_way_to_name_the_same_machine_replaces_nothing(stage: Stage) -> None:
    created = stage.kind().create(adopting(name="core", id=stage.launch_outside("core")))
    diff = stage.kind().diff(created.id, created.outputs, adopting(name="core"))
    assert (diff.changes, diff.replaces) == (("adopt",), ())


def test_naming_another_machine_replaces(stage: Stage) -> None:
    first, second = (stage.launch_outside(name) for name in ("core", "other"))
    created = stage.kind().create(adopting(id=first))
    assert stage.kind().diff(created.id, created.outputs, adopting(id=second)).replaces == ("adopt",)


@pytest.mark.parametrize("change", [{"instance_type": "gpu_1x_a6000"}, {"region": "us-west-1"}])
def test_an_edit_that_the_adopted_machine_cannot_follow_is_refused_before_anything_is_ended(
    stage: Stage, change: dict[str, str]
) -> None:
    """The replacement would be the same machine; with `terminate_first` it would be ended first."""
    created = stage.kind().create(adopting(id=stage.launch_outside("core")))
    with pytest.raises(AdoptionRefused, match="Nothing was changed"):
        stage.kind().diff(created.id, created.outputs, {**adopting(id=created.id), **change})
    assert stage.live() == [created.id]


def test_without_adopt_the_machine_stays_and_may_be_replaced_by_a_launch(stage: Stage) -> None:
    created = stage.kind().create(adopting(id=stage.launch_outside("core")))
    kept = stage.kind().diff(created.id, created.outputs, props())
    assert (kept.changes, kept.replaces) == (("adopt",), ())
    moved = stage.kind().diff(created.id, created.outputs, props(region="us-west-1"))
    assert moved.replaces == ("region",)


def test_a_machine_that_changes_its_logical_name_stays(stage: Stage) -> None:
    """Removed under one name and adopted under another in one update."""
    foreign = stage.launch_outside("core")
    created = stage.kind().create(adopting(id=foreign))
    kind = stage.kind()
    again = kind.create({**adopting(id=foreign), "logical_name": "renamed"})
    kind.delete(created.id, created.outputs)
    assert again.id == foreign
    assert stage.live() == [foreign]


def test_an_adopted_machine_without_a_name_in_the_file_keeps_its_own(stage: Stage) -> None:
    foreign = stage.launch_outside("veteran")
    wanted = {key: value for key, value in adopting(id=foreign).items() if key != "name"}
    kind = stage.kind()
    assert kind.check({}, wanted).failures == ()
    created = kind.create(wanted)
    assert [row["name"] for row in stage.instances()] == ["veteran"]
    assert stage.kind().read(foreign, created.outputs).inputs is None
    assert stage.kind().diff(foreign, created.outputs, wanted).changes == ()
