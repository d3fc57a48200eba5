"""Steps run once and in order, a red gate stops them, and the journal knows where to go on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sophia_infra.migration.errors import GateRed, JournalUnusable, RunnerBusy, StepFailed, Stopped
from sophia_infra.migration.journal import Journal
from sophia_infra.migration.runner import PhasePlan
from sophia_infra.migration.steps import Step, command
from tests.unit.migration.ground import NOW, World, run, step, undo

ALL = [f"{part} {name}" for name in "abc" for part in ("gate", "act", "check")]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "local", now=lambda: NOW)


def test_each_step_runs_gate_action_and_check_in_order(journal: Journal) -> None:
    world = World()
    assert run(journal, world) == 3
    assert world.calls == ALL
    assert {record.status for record in journal.progress().steps.values()} == {"done"}
    assert journal.path.stat().st_mode & 0o777 == 0o600


def test_a_second_run_does_nothing_and_again_does_everything(journal: Journal) -> None:
    world = World()
    run(journal, world)
    assert run(journal, world) == 0
    assert world.calls == ALL
    assert run(journal, world, again=True) == 3
    assert world.launched == {"a": 1, "b": 1, "c": 1}


def test_a_red_gate_stops_before_the_action_and_names_the_command(journal: Journal) -> None:
    world = World(codes={"gate b": 6})
    with pytest.raises(GateRed) as caught:
        run(journal, world)
    assert (caught.value.step_id, caught.value.exit_code) == ("b", 6)
    assert "its gate `sophia gate b` ended with code 6" in str(caught.value)
    assert "Next: run that command to see why" in str(caught.value)
    assert "act b" not in world.calls
    world.codes.clear()
    assert run(journal, world) == 2
    assert world.calls.count("act a") == 1


@pytest.mark.parametrize("code", [5, 8, 64])
def test_a_gate_that_could_not_be_asked_is_not_red(journal: Journal, code: int) -> None:
    with pytest.raises(StepFailed) as caught:
        run(journal, World(codes={"gate a": code}))
    assert caught.value.exit_code == code


def test_a_failed_action_is_done_again_by_the_next_run(journal: Journal) -> None:
    world = World(codes={"act b": 1})
    with pytest.raises(StepFailed, match="its action"):
        run(journal, world)
    record = journal.progress().steps["b"]
    assert (record.status, record.exit_code, record.attempts) == ("failed", 1, 1)
    assert record.log_file is not None
    assert Path(record.log_file).read_text() == "act b"
    world.codes.clear()
    run(journal, world)
    assert world.calls.count("act a") == 1
    assert world.there == {"a", "b", "c"}


def test_a_red_check_is_a_red_gate(journal: Journal) -> None:
    with pytest.raises(GateRed, match="its check"):
        run(journal, World(codes={"check a": 6}))


def test_a_stop_during_an_action_that_ended_well_is_gone_on_with_after_its_check(journal: Journal) -> None:
    world = World(stop_in={"act b"})
    with pytest.raises(Stopped, match="Stopped in step b"):
        run(journal, world)
    world.stop_in.clear()
    run(journal, world)
    assert world.calls.count("act b") == 1
    assert world.there == {"a", "b", "c"}


def test_an_interrupted_action_that_no_check_can_tell_is_repeated(journal: Journal) -> None:
    phase = PhasePlan("phase1", (replace(step("a"), resume="repeat"),))
    world = World(stop_in={"act a"})
    with pytest.raises(Stopped):
        run(journal, world, phase=phase)
    world.stop_in.clear()
    run(journal, world, phase=phase)
    assert world.calls.count("act a") == 2


def test_undo_takes_back_the_last_first_and_leaves_what_cannot_be(journal: Journal) -> None:
    world = World()
    run(journal, world)
    assert undo(journal, world, "a") == 1
    assert world.calls[-1] == "undo b"
    assert world.there == {"a", "c"}
    assert undo(journal, world, "") == 1
    assert world.calls[-1] == "undo a"
    run(journal, world)
    assert world.there == {"a", "b", "c"}
    assert world.calls.count("act c") == 1


def test_what_only_asks_is_asked_again_after_an_undo(journal: Journal) -> None:
    asks = Step("z", "Title of z", (1, 1), gate=command("gate z"), no_undo="it only reads")
    phase = PhasePlan("phase1", (step("a"), asks))
    world = World()
    run(journal, world, phase=phase)
    undo(journal, world, "", phase=phase)
    run(journal, world, phase=phase)
    assert world.calls.count("gate z") == 2


def test_an_undo_that_failed_can_be_repeated(journal: Journal) -> None:
    world = World()
    run(journal, world)
    world.codes["undo b"] = 1
    with pytest.raises(StepFailed):
        undo(journal, world, "a")
    world.codes.clear()
    undo(journal, world, "a")
    assert journal.progress().steps["b"].status == "undone"


def test_two_runners_of_one_stack_refuse_each_other(journal: Journal) -> None:
    with journal.held(), pytest.raises(RunnerBusy, match="Another process migrates"):
        run(Journal(journal.folder), World())


def test_a_changed_journal_is_not_added_to(journal: Journal) -> None:
    run(journal, World())
    journal.path.write_text(journal.path.read_text().replace('"begun"', '"done"', 1))
    world = World()
    with pytest.raises(JournalUnusable, match="was changed: line"):
        run(journal, world)
    assert world.calls == []


def test_a_line_cut_off_by_a_crash_is_no_change(journal: Journal) -> None:
    run(journal, World())
    with journal.path.open("a") as file:
        file.write('{"when": "2026')
    assert run(journal, World()) == 0
    journal.append("phase", phase="phase1")
    assert run(journal, World()) == 3


@pytest.mark.parametrize("line", ['{"event": "begun"}', '{"event": "plan", "start": "soon"}', "{}"])
def test_a_journal_that_cannot_be_understood_is_refused(journal: Journal, line: str) -> None:
    journal.folder.mkdir()
    journal.path.write_text(json.dumps({**json.loads(line), "previous": "0" * 64}) + "\n")
    with pytest.raises(JournalUnusable, match="cannot be understood"):
        run(journal, World())


def test_what_cannot_be_recorded_is_not_done(tmp_path: Path) -> None:
    (tmp_path / "local").write_text("a file where the folder should be")
    world = World()
    with pytest.raises(JournalUnusable, match="Nothing was done"):
        run(Journal(tmp_path / "local"), world)
    assert world.calls == []
