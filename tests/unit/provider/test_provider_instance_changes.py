"""What a change of each property does to a running machine, how drift is seen, and how a machine ends."""

from __future__ import annotations

from typing import Any

import pytest

from sophia_infra.lambda_cloud import Conflict, NotFound
from sophia_infra.provider.errors import StillTerminating, TerminationRefused
from sophia_infra.provider.outcome import UNKNOWN, Created
from tests.unit.provider.stage import Stage, props


@pytest.fixture
def made(stage: Stage) -> Created:
    """A machine of an earlier run."""
    return stage.kind().create(props())


@pytest.mark.parametrize(
    ("change", "replaces"),
    [
        ({"instance_type": "gpu_1x_a6000"}, ("instance_type",)),
        ({"region": "us-west-1"}, ("region",)),
        ({"image": {"family": "lambda-stack-24-04"}}, ("image",)),
        ({"ssh_key_name": "another"}, ("ssh_key_name",)),
        ({"user_data": "#cloud-config\n"}, ("user_data",)),
        ({"filesystems": ["models"]}, ("filesystems",)),
        ({"hostname": "core"}, ("hostname",)),
        ({"generation": 2.0}, ("generation",)),
        ({"ssh_key_name": UNKNOWN}, ("ssh_key_name",)),
    ],
)
def test_what_only_a_launch_can_set_replaces(
    stage: Stage, made: Created, change: dict[str, Any], replaces: tuple[str, ...]
) -> None:
    diff = stage.kind().diff(made.id, made.outputs, props(**change))
    assert (diff.changes, diff.replaces) == (replaces, replaces)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"generation": 1.0},
        {"user_data": ""},
        {"filesystems": []},
        {"image": {}},
        {"tags": {}},
        {"hostname": None},
        {"fallbacks": [{"region": "us-west-1"}]},
        {"wait_for_capacity": {"max_minutes": 5.0, "max_usd": "1"}},
    ],
)
def test_what_says_nothing_about_the_machine_changes_nothing(
    stage: Stage, made: Created, change: dict[str, Any]
) -> None:
    assert stage.kind().diff(made.id, made.outputs, props(**change)).changes == ()


def test_the_order_of_filesystems_is_no_reason_to_replace_a_paid_machine(stage: Stage) -> None:
    olds = props(filesystems=["a", "b"])
    assert stage.kind().diff("id", olds, props(filesystems=["b", "a"])).changes == ()
    assert stage.kind().diff("id", olds, props(filesystems=["b", "c"])).replaces == ("filesystems",)


def test_a_new_name_is_set_in_place(stage: Stage, made: Created) -> None:
    kind, news = stage.kind(), props(name="renamed")
    diff = kind.diff(made.id, made.outputs, news)
    assert (diff.changes, diff.replaces) == (("name",), ())
    with stage.counting() as operations:
        outputs = kind.update(made.id, made.outputs, news)
    assert operations == ["postInstance"]
    assert [row["name"] for row in stage.instances()] == ["renamed"]
    assert outputs == {**made.outputs, "name": "renamed"}


@pytest.mark.parametrize(
    "change", [{"tags": {"team": "research"}}, {"firewall_ruleset_ids": ["f" * 32]}], ids=["tags", "firewall"]
)
def test_tags_and_firewall_wait_for_the_next_launch_and_say_so(
    stage: Stage, made: Created, change: dict[str, Any]
) -> None:
    kind, news = stage.kind(), props(**change)
    diff = kind.diff(made.id, made.outputs, news)
    [name] = change
    assert (diff.changes, diff.replaces, diff.deferred) == ((name,), (), (name,))
    assert stage.said == [
        f"core: {name} changed; this takes effect at the next launch. "
        "To launch a new machine now, raise its `generation`."
    ]
    with stage.counting() as operations:
        outputs = kind.update(made.id, made.outputs, news)
    assert operations == []
    assert outputs[name] == change[name]
    assert outputs["launched_with"][name] is None, "the state keeps what the machine really has"
    assert stage.kind().diff(made.id, outputs, news).changes == ()


def test_deferred_tags_are_used_by_the_next_launch(stage: Stage, made: Created) -> None:
    kind = stage.kind()
    kind.diff(made.id, made.outputs, props(generation=2, tags={"team": "research"}))
    new = kind.create(props(generation=2, tags={"team": "research"}))
    tags = next(row["tags"] for row in stage.instances() if row["id"] == new.id)
    assert tags["team"] == "research"


@pytest.mark.parametrize(
    "missing", ["stack", "logical_name", "name", "instance_type", "region", "ssh_key_name"]
)
def test_a_missing_property_is_named(stage: Stage, missing: str) -> None:
    failures = stage.kind().check({}, props(**{missing: None})).failures
    assert [name for name, _ in failures] == [missing]


def test_the_generation_is_one_when_the_file_says_none(stage: Stage) -> None:
    assert stage.kind().check({}, props(generation=None)).inputs["generation"] == 1


def test_an_unchanged_machine_reads_as_it_is(stage: Stage, made: Created) -> None:
    found = stage.kind().read(made.id, made.outputs)
    assert (found.id, found.outputs, found.inputs) == (made.id, made.outputs, None)


def test_a_name_changed_outside_is_drift_and_is_set_back(stage: Stage, made: Created) -> None:
    stage.client().rename_instance(made.id, "somebody's")
    found = stage.kind().read(made.id, made.outputs)
    assert found.outputs["name"] == "somebody's"
    assert found.inputs == props(name="somebody's")
    kind = stage.kind()
    assert kind.diff(made.id, found.outputs, props()).changes == ("name",)
    kind.update(made.id, found.outputs, props())
    assert [row["name"] for row in stage.instances()] == ["core"]


@pytest.mark.parametrize("status", ["terminating", "terminated", "preempted"])
def test_a_machine_that_ended_outside_reads_as_gone_and_is_made_again(
    stage: Stage, made: Created, status: str
) -> None:
    stage.clock.advance(3600)
    stage.happens_outside(made.id, status)
    kind = stage.kind()
    assert kind.read(made.id, made.outputs).id is None
    again = kind.create(props())
    assert stage.live() == [again.id]
    assert again.id != made.id


def test_a_machine_that_is_no_longer_listed_reads_as_gone(stage: Stage, made: Created) -> None:
    stage.happens_outside(made.id, "terminated")
    stage.clock.advance(3600)
    assert stage.kind().read(made.id, made.outputs).id is None


def test_an_unhealthy_machine_is_still_ours(stage: Stage, made: Created) -> None:
    stage.happens_outside(made.id, "unhealthy")
    assert stage.kind().read(made.id, made.outputs).id == made.id


def test_a_machine_that_the_list_does_not_show_yet_is_not_taken_for_gone(stage: Stage) -> None:
    stage.set(list_lag_s=40)
    made = stage.kind().create(props())
    assert stage.kind().read(made.id, made.outputs).id == made.id


def test_a_refresh_that_cannot_list_fails_instead_of_forgetting_machines(stage: Stage, made: Created) -> None:
    stage.fault("listInstances", "before", "status", status=404, body="<html>not found</html>", times=None)
    with pytest.raises(Exception, match="without the API's error form"):
        stage.kind().read(made.id, made.outputs)


def test_a_404_that_is_not_the_apis_own_does_not_make_a_machine_gone(stage: Stage, made: Created) -> None:
    stage.set(list_lag_s=1e9)
    stage.clock.advance(3600)
    stage.fault("getInstance", "before", "status", status=404, body="<html>not found</html>", times=None)
    with pytest.raises(Exception, match="without the API's error form"):
        stage.kind().read(made.id, made.outputs)


def test_a_delete_returns_when_the_list_shows_the_end_and_not_before(stage: Stage, made: Created) -> None:
    began_s = stage.clock.now()
    stage.kind().delete(made.id, made.outputs)
    assert stage.status(made.id) == "terminated"
    assert stage.clock.now() - began_s >= 30, "the emulator's terminating lasts 30 s"
    assert stage.cloud.dump()["billing"]["usd_per_hour"] in ("0", "0.00")
    assert stage.session().journal.list() == []


@pytest.mark.parametrize("visible_s", [0, 60])
def test_deleting_what_is_gone_succeeds(stage: Stage, made: Created, visible_s: float) -> None:
    stage.set(terminated_visible_s=visible_s)
    stage.happens_outside(made.id, "terminated")
    stage.kind().delete(made.id, made.outputs)
    stage.clock.advance(3600)
    stage.kind().delete(made.id, made.outputs)


def test_a_terminate_that_is_refused_at_first_is_sent_again(stage: Stage, made: Created) -> None:
    stage.set(terminate_refused_s=90)
    with stage.counting() as operations:
        stage.kind().delete(made.id, made.outputs)
    assert operations.count("terminateInstance") > 1
    assert stage.status(made.id) == "terminated"


def test_a_terminate_that_is_refused_to_the_end_fails_and_the_machine_stays(
    stage: Stage, made: Created
) -> None:
    stage.set(terminate_refused_s=1e9, boot_ranges_s=[[0, 1e9, 1e9]])
    other = stage.kind().create(props("slow"))
    with pytest.raises(Conflict):
        stage.kind().delete(other.id, other.outputs)
    assert stage.status(other.id) == "booting"


def test_an_accepted_terminate_that_never_ends_is_not_taken_for_an_end(stage: Stage, made: Created) -> None:
    stage.set(terminate_s=1e9)
    with pytest.raises(StillTerminating, match="still terminating 15 min") as caught:
        stage.kind().delete(made.id, made.outputs)
    assert "may still be billed" in str(caught.value)


@pytest.mark.parametrize("answer", [{"status": 400, "code": "global/unknown"}, {"status": 500}])
def test_whatever_a_second_terminate_is_answered_a_machine_that_is_ending_ends(
    stage: Stage, made: Created, answer: dict[str, Any]
) -> None:
    stage.happens_outside(made.id, "terminating")
    stage.fault("terminateInstance", "before", "status", times=None, **answer)
    stage.kind().delete(made.id, made.outputs)
    assert stage.status(made.id) == "terminated"


def test_a_terminate_that_fails_while_the_machine_lives_is_a_failure(stage: Stage, made: Created) -> None:
    stage.fault("terminateInstance", "before", "status", times=None, status=500)
    with pytest.raises(Exception, match="terminateInstance"):
        stage.kind().delete(made.id, made.outputs)
    assert stage.live() == [made.id]


def test_a_lost_answer_to_a_terminate_ends_one_machine(stage: Stage, made: Created) -> None:
    stage.fault("terminateInstance", "after", "drop")
    stage.kind().delete(made.id, made.outputs)
    assert stage.status(made.id) == "terminated"


def test_a_machine_too_young_to_be_listed_is_ended_all_the_same(stage: Stage) -> None:
    stage.set(list_lag_s=40, terminate_s=50)
    made = stage.kind().create(props())
    stage.kind().delete(made.id, made.outputs)
    assert stage.status(made.id) == "terminated"


def test_a_forced_replacement_keeps_the_machine_and_says_so(stage: Stage, made: Created) -> None:
    """`pulumi up --replace`: create and delete without a diff."""
    kind = stage.kind()
    assert kind.check({}, props()).failures == ()
    again = kind.create(props())
    kind.delete(made.id, made.outputs)
    assert again.id == made.id
    assert stage.live() == [made.id]
    assert stage.said[-1] == (
        f"core: instance {made.id} stays: this update has just taken it over again. "
        "To replace a machine, raise its `generation`."
    )


def test_a_machine_that_this_update_keeps_is_not_ended_by_a_leftover_entry(
    stage: Stage, made: Created
) -> None:
    """A forced replacement that was interrupted leaves the same id twice in the state."""
    kind = stage.kind()
    kind.diff(made.id, made.outputs, props())
    with pytest.raises(TerminationRefused, match="also keeps it as core"):
        kind.delete(made.id, made.outputs)
    assert stage.live() == [made.id]


def test_a_machine_that_this_update_replaces_is_ended(stage: Stage, made: Created) -> None:
    kind = stage.kind()
    kind.diff(made.id, made.outputs, props(generation=2))
    new = kind.create(props(generation=2))
    kind.delete(made.id, made.outputs)
    assert stage.live() == [new.id]


def test_terminate_first_ends_the_old_machine_and_then_launches(stage: Stage, made: Created) -> None:
    stage.cloud.set_capacity("gpu_1x_a10", "us-east-1", 1)
    kind = stage.kind()
    kind.diff(made.id, made.outputs, props(generation=2))
    kind.delete(made.id, made.outputs)
    new = kind.create(props(generation=2))
    assert stage.live() == [new.id]


def test_renaming_what_is_gone_is_an_error_that_says_to_refresh(stage: Stage, made: Created) -> None:
    stage.happens_outside(made.id, "terminated")
    stage.clock.advance(3600)
    with pytest.raises(NotFound, match="does not exist"):
        stage.kind().update(made.id, made.outputs, props(name="renamed"))
