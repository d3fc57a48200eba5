"""A launch happens once, whatever happens to its answer or to the process that waits for it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.lambda_cloud import InvalidSpec, LaunchRequest, QuotaExceeded, ServerFault, Unauthorized
from sophia_infra.provider.errors import (
    CapacityExhausted,
    DuplicateInstances,
    JournalUnwritable,
    LaunchUncertain,
    UnrecordedInstance,
)
from sophia_infra.provider.instance import InstanceKind
from sophia_infra.provider.instance_spec import InstanceSpec
from sophia_infra.provider.journal import Intent, Journal
from sophia_infra.provider.session import Session
from sophia_infra.provider.tags import LAUNCH_TAG, LAUNCHED_AT_TAG, NAME_TAG, STACK_TAG
from tests.unit.provider.stage import STACK, Stage, props


def key_of(spec: dict[str, Any]) -> str:
    return str(InstanceSpec.of(spec).launch_key)


def test_a_launch_carries_the_four_tags_by_which_it_is_found_again(stage: Stage) -> None:
    launched_at_s = int(stage.clock.now())
    created = stage.kind().create(props(tags={"team": "research"}))
    [machine] = stage.instances()
    assert machine["id"] == created.id
    assert machine["tags"] == {
        "team": "research",
        STACK_TAG: STACK,
        NAME_TAG: "core",
        LAUNCH_TAG: InstanceSpec.of(props()).launch_key.value,
        LAUNCHED_AT_TAG: str(launched_at_s),
    }


def test_a_create_spends_one_list_and_one_launch(stage: Stage) -> None:
    kind = stage.kind()
    with stage.counting() as operations:
        kind.create(props())
    assert operations == ["listInstances", "launchInstance"]


def test_a_launch_whose_answer_was_lost_is_found_by_its_tag_within_the_same_call(stage: Stage) -> None:
    stage.fault("launchInstance", "after", "drop")
    created = stage.kind().create(props())
    assert stage.live() == [created.id]


def test_a_launch_answered_with_a_5xx_after_the_work_was_done_is_found_by_its_tag(stage: Stage) -> None:
    stage.fault("launchInstance", "after", "status", status=502)
    created = stage.kind().create(props())
    assert stage.live() == [created.id]


@pytest.mark.parametrize("list_lag_s", [0, 40])
def test_a_cut_off_answer_does_not_lead_to_a_second_machine(stage: Stage, list_lag_s: float) -> None:
    stage.set(list_lag_s=list_lag_s)
    stage.fault("launchInstance", "after", "truncate")
    created = stage.kind().create(props())
    assert stage.live() == [created.id]


def test_a_launch_that_never_arrived_is_uncertain_and_the_next_run_launches_once(stage: Stage) -> None:
    stage.fault("launchInstance", "before", "drop")
    began_s = stage.clock.now()
    with pytest.raises(LaunchUncertain, match="run the same command again"):
        stage.kind().create(props())
    assert stage.live() == []
    assert stage.clock.now() - began_s >= 60, "the whole list lag is waited for"
    created = stage.kind().create(props())
    assert stage.live() == [created.id]


def test_a_launch_without_an_answer_is_looked_for_from_when_it_was_given_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is waited for as long as the list may lag: from the request on, no look would be left."""
    session = stage.session()
    began_s, launch = session.clock.now(), session.client.launch_instance

    def launch_late(request: LaunchRequest, *, before_attempt: Callable[[], None]) -> str:
        try:
            return launch(request, before_attempt=before_attempt)
        finally:
            session.clock.sleep(60.0)

    monkeypatch.setattr(session.client, "launch_instance", launch_late)
    stage.fault("launchInstance", "before", "drop")
    with pytest.raises(LaunchUncertain):
        InstanceKind(session).create(props())
    [intent] = session.journal.list()
    assert intent.begun_at_s >= began_s + 60.0


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"quota_instances": 0}, QuotaExceeded),
        ({"api_keys": ["another"]}, Unauthorized),
        ({"default_capacity": 0}, CapacityExhausted),
    ],
)
def test_a_refused_launch_leaves_no_intent(
    stage: Stage, settings: dict[str, Any], error: type[Exception]
) -> None:
    session = stage.session()
    session.instances.rows(0)
    stage.set(**settings)
    with pytest.raises(error):
        InstanceKind(session).create(props())
    assert session.journal.list() == []
    assert stage.live() == []


def test_a_spec_that_breaks_a_rule_of_the_api_sends_nothing(stage: Stage) -> None:
    kind = stage.kind()
    with stage.counting() as operations, pytest.raises(InvalidSpec, match="name"):
        kind.create(props(name="x" * 65))
    assert "launchInstance" not in operations
    assert stage.session().journal.list() == []


def test_a_crash_after_the_launch_does_not_double_while_the_list_lags(stage: Stage) -> None:
    stage.set(list_lag_s=40)
    first = stage.kind().create(props())  # answered, but no engine lived to save it
    second = stage.kind().create(props())
    assert second.id == first.id
    assert stage.live() == [first.id]


def test_a_machine_taken_over_after_a_crash_gets_the_name_that_the_file_has_now(stage: Stage) -> None:
    first = stage.kind().create(props())
    again = stage.kind().create(props(name="renamed"))
    assert again.id == first.id
    assert [row["name"] for row in stage.instances()] == ["renamed"]


def test_a_crash_before_the_answer_does_not_double_while_the_list_lags(stage: Stage) -> None:
    stage.set(list_lag_s=40)
    stage.session().journal.write(Intent(key_of(props()), stage.clock.now()))
    tags = InstanceSpec.of(props()).launch_key.tags(stage.clock.now())
    launched = stage.launch_outside("core", tags)
    created = stage.kind().create(props())
    assert created.id == launched
    assert stage.live() == [launched]


def test_a_launch_held_back_by_429s_and_then_unanswered_does_not_double_while_the_list_lags(
    stage: Stage,
) -> None:
    """Its intent is as old as the request that left last, not as the first one, which was turned away."""
    stage.set(list_lag_s=40)
    stage.fault("launchInstance", "before", "status", status=429, retry_after_s=35, times=3)
    stage.fault("launchInstance", "after", "drop")
    created = stage.kind().create(props())
    assert stage.live() == [created.id]
    again = stage.kind().create(props())
    assert stage.live() == [again.id] == [created.id]


def test_a_machine_seen_by_its_id_alone_is_taken_over_at_once(stage: Stage) -> None:
    stage.set(list_lag_s=50, get_sees_lagging=True)
    first = stage.kind().create(props())
    began_s = stage.clock.now()
    assert stage.kind().create(props()).id == first.id
    assert stage.clock.now() == began_s


def test_an_intent_is_noted_when_its_own_launch_is_next_not_while_others_go_first(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it is too old, when its launch is sent at last, to say how long to look for the machine."""
    session = stage.session()
    ages_s: list[float] = []
    launch = session.client.launch_instance

    def launch_and_look(request: Any, before_attempt: Callable[[], None]) -> str:
        def note_and_look() -> None:
            before_attempt()
            look(request)

        return launch(request, before_attempt=note_and_look)

    def look(request: Any) -> None:
        key = f"{STACK}/{request.name}/{request.tags[LAUNCH_TAG]}"
        intent = session.journal.find(key)
        assert intent is not None
        ages_s.append(stage.clock.now() - intent.begun_at_s)
        assert session.launch_turn.locked()
        assert len([one for one in session.journal.list() if one.resource_id is None]) == 1

    monkeypatch.setattr(session.client, "launch_instance", launch_and_look)
    for name in ("a", "b", "c"):
        InstanceKind(session).create(props(name))
    assert ages_s == [0, 0, 0]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"begun_at_s": NaN, "resource_id": null}', '{"begun_at_s": "soon"}', "\0"],
)
def test_an_unreadable_intent_waits_the_list_lag_out_and_then_launches(stage: Stage, text: str) -> None:
    session = stage.session()
    session.journal.write(Intent(key_of(props()), 0.0))
    [path] = stage.directory.glob("*.json")
    path.write_text(text)
    began_s = stage.clock.now()
    InstanceKind(session).create(props())
    assert 60 <= stage.clock.now() - began_s <= 66
    assert len(stage.live()) == 1


def test_an_intent_of_the_future_waits_the_list_lag_out_and_not_until_then(stage: Stage) -> None:
    session = stage.session()
    began_s = stage.clock.now()
    session.journal.write(Intent(key_of(props()), began_s + 1e6))
    InstanceKind(session).create(props())
    assert 60 <= stage.clock.now() - began_s <= 66


def test_two_live_machines_of_one_launch_are_never_chosen_between(stage: Stage) -> None:
    tags = InstanceSpec.of(props()).launch_key.tags(stage.clock.now())
    ids = [stage.launch_outside("core", tags) for _ in range(2)]
    with pytest.raises(DuplicateInstances) as caught:
        stage.kind().create(props())
    assert all(one in str(caught.value) for one in ids)
    assert "$2.58/h" in str(caught.value)
    assert sorted(stage.live()) == sorted(ids)


def test_a_live_machine_of_another_spec_that_no_state_holds_stops_the_launch(stage: Stage) -> None:
    left_over = stage.kind().create(props()).id
    with pytest.raises(UnrecordedInstance, match=left_over) as caught:
        stage.kind().create(props(user_data="#cloud-config\n"))
    assert "`sophia doctor`" in str(caught.value)
    assert stage.live() == [left_over]


def test_a_machine_that_the_state_holds_does_not_stop_its_own_replacement(stage: Stage) -> None:
    old = stage.kind().create(props())
    kind, news = stage.kind(), props(user_data="#cloud-config\n")
    assert kind.diff(old.id, old.outputs, news).replaces == ("user_data",)
    new = kind.create(news)
    assert sorted(stage.live()) == sorted([old.id, new.id])


@pytest.mark.parametrize(
    "tags", [{STACK_TAG: "sophia-infra/other", NAME_TAG: "core"}, {STACK_TAG: STACK, NAME_TAG: "other"}, {}]
)
def test_machines_of_other_owners_are_neither_taken_over_nor_in_the_way(
    stage: Stage, tags: dict[str, str]
) -> None:
    spec = InstanceSpec.of(props())
    foreign = stage.launch_outside("core", {**spec.launch_key.tags(0.0), **tags} if tags else {})
    created = stage.kind().create(props())
    assert created.id != foreign


def test_a_raised_generation_is_another_launch(stage: Stage) -> None:
    first = stage.kind().create(props())
    kind = stage.kind()
    assert kind.diff(first.id, first.outputs, props(generation=2)).replaces == ("generation",)
    second = kind.create(props(generation=2))
    tags = {row["id"]: row["tags"][LAUNCH_TAG] for row in stage.instances()}
    assert (tags[first.id][:3], tags[second.id][:3]) == ("g1-", "g2-")
    assert tags[first.id][3:] == tags[second.id][3:]


def test_fallbacks_are_tried_in_order_and_one_is_enough(stage: Stage) -> None:
    for region in ("us-east-1", "us-west-1"):
        stage.cloud.set_capacity("gpu_1x_a10", region, 0)
    stage.cloud.set_capacity("gpu_1x_a6000", "us-east-1", 0)
    spec = props(
        fallbacks=[
            {"region": "us-west-1"},
            {"type": "gpu_1x_a6000"},
            {"type": "gpu_1x_a100_sxm4", "region": "us-west-2"},
            {"type": "gpu_8x_h100_sxm5"},
        ]
    )
    with stage.counting() as operations:
        created = stage.kind().create(spec)
    assert operations.count("launchInstance") == 4
    [machine] = stage.instances()
    assert (machine["type"], machine["region"]) == ("gpu_1x_a100_sxm4", "us-west-2")
    assert created.outputs["launched_type"] == "gpu_1x_a100_sxm4"
    assert created.outputs["launched_region"] == "us-west-2"
    assert stage.said[-1] == "core: launched as gpu_1x_a100_sxm4 in us-west-2, a fallback"


def test_a_machine_launched_as_a_fallback_is_taken_over_after_a_crash(stage: Stage) -> None:
    stage.cloud.set_capacity("gpu_1x_a10", "us-east-1", 0)
    spec = props(fallbacks=[{"region": "us-west-1"}])
    first = stage.kind().create(spec)
    stage.cloud.set_capacity("gpu_1x_a10", "us-east-1", None)
    again = stage.kind().create(spec)
    assert again == first
    assert stage.live() == [first.id]


def test_an_unclear_launch_is_not_followed_by_a_fallback(stage: Stage) -> None:
    stage.fault("launchInstance", "before", "status", status=500)
    with pytest.raises(LaunchUncertain):
        stage.kind().create(props(fallbacks=[{"region": "us-west-1"}]))
    assert stage.live() == []


def test_without_capacity_and_without_waiting_nothing_is_launched_and_every_try_is_named(
    stage: Stage,
) -> None:
    stage.set(default_capacity=0)
    with pytest.raises(CapacityExhausted) as caught:
        stage.kind().create(props(fallbacks=[{"region": "us-west-1"}]))
    assert "gpu_1x_a10 in us-east-1" in str(caught.value)
    assert "gpu_1x_a10 in us-west-1" in str(caught.value)
    assert stage.live() == []


def waiting(**changes: Any) -> dict[str, Any]:
    return props(wait_for_capacity={"max_minutes": 30, "max_usd": "5"}, **changes)


def test_waiting_looks_at_the_list_and_spends_a_launch_only_when_it_shows_capacity(stage: Stage) -> None:
    stage.cloud.set_capacity("gpu_1x_a10", "us-east-1", 0)
    session = stage.session()
    sleep, slept = session.clock.sleep, []

    class CapacityComesBack:
        def now(self) -> float:
            return stage.clock.now()

        def sleep(self, duration_s: float) -> None:
            sleep(duration_s)
            slept.append(duration_s)
            if len(slept) == 7:
                stage.cloud.set_capacity("gpu_1x_a10", "us-east-1", 1)

    session.clock = CapacityComesBack()
    with stage.counting() as operations:
        InstanceKind(session).create(waiting())
    assert operations.count("launchInstance") == 2
    assert operations.count("listInstanceTypes") == 7
    assert slept == [30.0] * 7
    assert [line for line in stage.said if "waiting for capacity" in line] == [stage.said[0]]


def test_waiting_ends_after_its_minutes(stage: Stage) -> None:
    stage.set(default_capacity=0)
    began_s = stage.clock.now()
    with pytest.raises(CapacityExhausted, match=r"after 30 min, .* \$0\.00 \(limits: 30 min, \$5\)"):
        stage.kind().create(waiting())
    assert stage.clock.now() - began_s == pytest.approx(1800)
    assert stage.live() == []


def test_waiting_ends_when_the_rest_of_the_stack_has_cost_its_dollars(stage: Stage) -> None:
    """A machine of $31.92/h costs the limit of $5 in 9.4 minutes."""
    stage.kind().create(props("big", instance_type="gpu_8x_h100_sxm5"))
    stage.launch_outside("of somebody else", instance_type_name="gpu_8x_b200_sxm6")
    stage.set(default_capacity=0)
    began_s = stage.clock.now()
    with pytest.raises(CapacityExhausted, match=r"\$5\.\d\d \(limits"):
        stage.kind().create(waiting())
    assert 9.3 * 60 <= stage.clock.now() - began_s <= 10 * 60
    assert len(stage.live()) == 2


def test_capacity_that_is_listed_and_then_refused_is_waited_for_within_the_limit(stage: Stage) -> None:
    stage.set(default_capacity=0, stale_capacity=True)
    began_s = stage.clock.now()
    with stage.counting() as operations, pytest.raises(CapacityExhausted):
        stage.kind().create(waiting())
    assert stage.clock.now() - began_s == pytest.approx(1800)
    assert operations.count("launchInstance") <= 1800 / 30 + 1


def test_when_the_journal_cannot_be_written_nothing_is_launched(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with stage.counting() as operations, pytest.raises(JournalUnwritable, match="No space left") as caught:
        stage.kind().create(props())
    assert "Nothing was launched" in str(caught.value)
    assert "Next: " in str(caught.value)
    assert "launchInstance" not in operations
    assert list(stage.directory.iterdir()) == [], "no half-written file stays"


def test_a_journal_that_fills_up_after_the_launch_does_not_lose_the_machine(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[Intent] = []
    write = Journal.write

    def second_fails(journal: Journal, intent: Intent) -> None:
        writes.append(intent)
        if len(writes) == 2:
            raise JournalUnwritable("full.", next_step="free space.")
        write(journal, intent)

    monkeypatch.setattr(Journal, "write", second_fails)
    created = stage.kind().create(props())
    assert len(writes) == 2
    assert stage.live() == [created.id]
    assert stage.kind().create(props()).id == created.id


def test_a_journal_in_a_place_that_is_no_folder_is_told_before_anything_is_sent(
    stage: Stage, tmp_path: Path
) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    session: Session = stage.session(directory=blocker / "launches")
    with stage.counting() as operations, pytest.raises(JournalUnwritable):
        InstanceKind(session).create(props())
    assert "launchInstance" not in operations


def test_nobody_waits_any_more_so_nothing_is_launched(stage: Stage) -> None:
    session = stage.session()

    def gone() -> None:
        raise RuntimeError("the engine is gone")

    session.ensure_wanted = gone
    with stage.counting() as operations, pytest.raises(RuntimeError, match="the engine is gone"):
        InstanceKind(session).create(props())
    assert "launchInstance" not in operations
    assert session.journal.list() == []


def test_a_list_that_fails_stops_the_launch(stage: Stage) -> None:
    stage.fault("listInstances", "before", "status", status=503, times=None)
    with stage.counting() as operations, pytest.raises(ServerFault):
        stage.kind().create(props())
    assert "launchInstance" not in operations
