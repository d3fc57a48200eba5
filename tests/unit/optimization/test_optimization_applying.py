"""Acting on an emulated account over HTTP: what is done, what is not, and how it is taken back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from filelock import FileLock

from sophia_infra.optimization.carrying_out import delete_filesystem
from sophia_infra.optimization.errors import (
    AccountChanged,
    ApplierBusy,
    LogUnusable,
    NoHealthGate,
    NoMetricSource,
    NotAllowed,
    OptimizationError,
    UnhealthyBefore,
)
from sophia_infra.optimization.recommendation import Kind
from tests.unit.optimization.applied import writes
from tests.unit.optimization.ground import DAY_S, HOUR_S, KEY_NAME, STACK, Ground

ROW = {"type": "1xA10", "region": "us-east-1", "purpose": "a test"}


def test_an_orphan_is_ended_after_a_dry_run_and_written_down(ground: Ground) -> None:
    kept = ground.launch("core")
    ground.hold("core", kept)
    ground.fleet = {"core": ROW}
    lost = ground.launch("lost")
    (outcome,) = ground.auto()
    assert (outcome.word, outcome.subject) == ("done", "lost")
    assert [row["id"] for row in ground.live()] == [kept]
    rows = ground.log().rows()
    assert [row["event"] for row in rows] == ["dry-run", "intent", "done", "kept"]
    intent = rows[1]
    assert (intent["who"], intent["target"], intent["usd_per_month"]) == ("tester@here", lost, "928.80")
    assert "orphan" in intent["why"]
    assert intent["before"]["instance_type"] == "gpu_1x_a10"
    assert rows[2]["after"] is None
    assert ground.log().verify() == []


def test_a_dry_run_sends_nothing_that_changes_anything(ground: Ground) -> None:
    ground.launch("lost")
    ground.filesystem()
    with ground.counting() as operations:
        outcomes = asyncio.run(ground.engine().auto_implement("low"))
    assert {one.word for one in outcomes} == {"would do"}
    assert writes(operations) == []
    assert ground.words() == ["dry-run", "dry-run"]


def test_the_first_real_run_only_shows_what_no_dry_run_has_shown(ground: Ground) -> None:
    ground.launch("lost")
    (first,) = asyncio.run(ground.engine().auto_implement("low", dry_run=False))
    assert first.word == "waits"
    assert len(ground.live()) == 1
    (second,) = asyncio.run(ground.engine().auto_implement("low", dry_run=False))
    assert second.word == "done"
    assert ground.live() == []


def test_a_second_run_finds_nothing_to_do(ground: Ground) -> None:
    ground.launch("lost")
    ground.auto()
    with ground.counting() as operations:
        assert ground.auto() == ()
    assert writes(operations) == []


def test_an_empty_filesystem_goes_and_comes_back(ground: Ground) -> None:
    ground.filesystem()
    before = ground.account()
    (outcome,) = ground.auto()
    assert (outcome.word, ground.filesystems()) == ("done", [])
    assert outcome.action_id is not None
    asyncio.run(ground.engine().undo(outcome.action_id))
    assert ground.account() == before


@pytest.mark.parametrize(
    ("ours", "bytes_used", "mounted"), [(False, 0, False), (True, 7, False), (True, 0, True)]
)
def test_other_filesystems_stay(ground: Ground, ours: bool, bytes_used: int, mounted: bool) -> None:
    ground.filesystem("data", ours=ours, bytes_used=bytes_used)
    if mounted:
        kept = ground.launch("core", filesystems=["data"])
        ground.hold("core", kept)
        ground.fleet = {"core": ROW}
    assert ground.auto() == ()
    assert len(ground.filesystems()) == 1


def test_a_young_filesystem_stays(ground: Ground) -> None:
    ground.filesystem()
    assert ground.auto(filesystem_min_hours=72) == ()
    assert len(ground.filesystems()) == 1


def _in_state(ground: Ground) -> None:
    ground.hold("lost", ground.launch("lost"))


def _named_like_an_always_on_machine(ground: Ground) -> None:
    ground.fleet = {"lost": ROW}
    ground.launch("lost", generation=7)


def _protected_by_the_settings(ground: Ground) -> None:
    ground.settings = {"protected": ["lost"]}
    ground.launch("lost")


def _young(ground: Ground) -> None:
    ground.launch("lost", ago_s=0.0)


def _of_another_stack(ground: Ground) -> None:
    ground.launch("lost", stack="sophia-infra/staging")


def _of_a_training_run(ground: Ground) -> None:
    ground.launch("node-1", stack=f"{STACK}/training/run-1", tags={"sophia-run": "run-1"})


def _of_another_part_of_ours(ground: Ground) -> None:
    ground.launch("spare-1", tags={"sophia-scaler": "spare"})


def _unknown_state(ground: Ground) -> None:
    ground.state_known = False
    ground.launch("lost")


def _seen_at_work(ground: Ground) -> None:
    ground.source.percent[ground.launch("lost")] = 60.0


def _both_of_a_launch(ground: Ground) -> None:
    ground.launch("lost")
    ground.launch("lost")


@pytest.mark.parametrize(
    "stage",
    [
        _in_state,
        _named_like_an_always_on_machine,
        _protected_by_the_settings,
        _young,
        _of_another_stack,
        _of_a_training_run,
        _of_another_part_of_ours,
        _unknown_state,
        _seen_at_work,
        _both_of_a_launch,
    ],
)
def test_machines_that_are_never_ended_by_themselves(ground: Ground, stage: Any) -> None:
    stage(ground)
    before = ground.account()
    with ground.counting() as operations:
        assert ground.auto() == ()
    assert ground.account() == before
    assert writes(operations) == []


def test_a_duplicate_goes_and_its_twin_in_the_state_stays(ground: Ground) -> None:
    ground.fleet = {"core": {**ROW, "always_on": False}}
    kept, lost = ground.launch("core"), ground.launch("core")
    ground.hold("core", kept)
    # The name is in the file, unprotected and not always on.
    (outcome,) = ground.auto()
    assert outcome.word == "done"
    assert [row["id"] for row in ground.live()] == [kept]
    assert lost != kept


def test_actions_are_spread_over_days_and_cooled_down(ground: Ground) -> None:
    for number in range(5):
        ground.launch(f"lost-{number}")
    settings = {"actions_per_day": 2, "cooldown_minutes": 30}
    words = [one.word for one in ground.auto(**settings)]
    assert words.count("done") == 1
    assert words.count("waits") == 4
    ground.cloud.advance(HOUR_S)
    assert [one.word for one in ground.auto(**settings)].count("done") == 1
    ground.cloud.advance(HOUR_S)
    assert {one.word for one in ground.auto(**settings)} == {"waits"}
    assert len(ground.live()) == 3
    ground.cloud.advance(DAY_S)
    assert [one.word for one in ground.auto(**settings)].count("done") == 1
    assert len(ground.live()) == 2


@pytest.mark.parametrize(
    ("settings", "changes", "error", "says"),
    [
        ({"auto_apply": False}, {}, NotAllowed, "auto_apply is false"),
        ({}, {"with_gate": False}, NoHealthGate, "Nothing watches"),
        ({}, {"with_source": False}, NoMetricSource, "No metric source was named"),
    ],
)
def test_what_is_missing_is_said_and_nothing_is_done(
    ground: Ground,
    settings: dict[str, Any],
    changes: dict[str, Any],
    error: type[OptimizationError],
    says: str,
) -> None:
    ground.launch("lost")
    ground.settings = settings
    asyncio.run(ground.engine().auto_implement("low"))
    with ground.counting() as operations, pytest.raises(error, match=says):
        asyncio.run(ground.engine(**changes).auto_implement("low", dry_run=False))
    assert writes(operations) == []
    assert ground.words() == ["dry-run"]


@pytest.mark.parametrize("risk", ["medium", "high", "", "LOW"])
def test_no_other_risk_can_be_asked_for(ground: Ground, risk: str) -> None:
    with pytest.raises(NotAllowed, match="risk is ever applied by itself"):
        asyncio.run(ground.engine().auto_implement(risk, dry_run=False))


def test_stale_usage_means_no_action(ground: Ground) -> None:
    ground.launch("lost")
    asyncio.run(ground.engine().auto_implement("low"))
    ground.source.age_s = 5 * HOUR_S
    with pytest.raises(NoMetricSource, match="stale"):
        asyncio.run(ground.engine().auto_implement("low", dry_run=False))
    assert len(ground.live()) == 1


def test_a_gate_that_is_down_before_keeps_everything(ground: Ground) -> None:
    ground.launch("lost")
    asyncio.run(ground.engine().auto_implement("low"))
    ground.gate.falls_at_s = 0.0
    with pytest.raises(UnhealthyBefore, match="GatewayDown"):
        asyncio.run(ground.engine().auto_implement("low", dry_run=False))
    assert len(ground.live()) == 1


def test_nothing_is_done_while_an_update_runs(ground: Ground) -> None:
    ground.launch("lost")
    ground.updating = "process 7 of somebody"
    (outcome,) = ground.auto()
    assert (outcome.word, len(ground.live())) == ("not allowed", 1)
    assert "process 7" in outcome.detail


def test_advice_that_became_untrue_is_not_followed(ground: Ground) -> None:
    lost = ground.launch("lost")
    engine = ground.engine()
    asyncio.run(engine.analyze_usage_patterns())
    (one,) = asyncio.run(engine.generate_recommendations()).chosen
    ground.hold("lost", lost)
    (outcome,) = asyncio.run(engine.implement_optimizations([one], dry_run=False))
    assert (outcome.word, len(ground.live())) == ("failed", 1)
    assert "not true any more" in outcome.detail


def test_medium_and_high_are_proposed_and_never_applied(ground: Ground) -> None:
    untagged = ground.launch("by-hand", stack="x")
    with ground.cloud.lock:
        ground.cloud.core.state.instances[untagged].tags.clear()
    engine = ground.engine()
    asyncio.run(engine.analyze_usage_patterns())
    advice = asyncio.run(engine.generate_recommendations())
    assert [one.kind for one in advice.chosen] == [Kind.UNTAGGED]
    with ground.counting() as operations:
        (outcome,) = asyncio.run(engine.implement_optimizations(dry_run=False))
    assert outcome.word == "proposed"
    assert writes(operations) == []


def test_one_process_at_a_time(ground: Ground) -> None:
    ground.launch("lost")
    asyncio.run(ground.engine().auto_implement("low"))
    ground.log_path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{ground.log_path}.apply.lock"), pytest.raises(ApplierBusy):
        asyncio.run(ground.engine().auto_implement("low", dry_run=False))
    assert len(ground.live()) == 1


def test_a_changed_log_stops_everything(ground: Ground) -> None:
    ground.launch("lost")
    ground.auto()
    lines = ground.log_path.read_text().splitlines()
    row = json.loads(lines[1])
    row["usd_per_month"] = "1.00"
    lines[1] = json.dumps(row)
    ground.log_path.write_text("\n".join(lines) + "\n")
    ground.launch("lost-2")
    with pytest.raises(LogUnusable, match="was changed"):
        ground.auto()
    assert len(ground.live()) == 1


def test_a_log_that_cannot_be_written_stops_everything(ground: Ground) -> None:
    ground.launch("lost")
    ground.log_path.parent.parent.mkdir(parents=True, exist_ok=True)
    ground.log_path.parent.write_text("a file where the folder should be")
    with pytest.raises((LogUnusable, OSError)):
        asyncio.run(ground.engine().auto_implement("low"))
    assert len(ground.live()) == 1


def test_a_line_cut_off_by_a_crash_stays_visible_and_stops_nothing(ground: Ground) -> None:
    ground.launch("lost")
    asyncio.run(ground.engine().auto_implement("low"))
    with ground.log_path.open("a") as file:
        file.write('{"when": "2026-')
    (outcome,) = ground.auto()
    assert outcome.word == "done"
    assert ground.log().verify() == ["line 2 is no entry"]


def test_a_filesystem_that_is_used_by_the_time_it_should_go_stays(ground: Ground) -> None:
    made = ground.filesystem("data")
    before = {"id": made, "name": "data", "region": "us-east-1"}
    with ground.cloud.lock:
        ground.cloud.filesystems.set_bytes(made, 5)
    with pytest.raises(AccountChanged, match="holds data by now, so it stays"):
        delete_filesystem(ground.session(), STACK, before)
    assert len(ground.filesystems()) == 1


def test_advice_without_a_metric_source_still_names_strays(ground: Ground) -> None:
    ground.launch("lost")
    advice = asyncio.run(ground.engine(with_source=False).generate_recommendations())
    assert [one.kind for one in advice.chosen] == [Kind.ORPHAN]
    assert any("No usage was measured" in note for note in advice.notes)


def test_an_orphan_with_other_key_names_is_described_whole(ground: Ground) -> None:
    lost = ground.launch("lost")
    machine = next(one for one in ground.site().look().machines if one.instance_id == lost)
    assert machine.description["ssh_key_name"] == KEY_NAME
    assert machine.description["hostname"] is None
    assert "jupyter" not in json.dumps(dict(machine.description))
