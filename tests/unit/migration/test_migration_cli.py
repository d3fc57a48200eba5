"""`sophia migrate`: what is refused before anything is done, where a run stops, and what it leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sophia_infra.emulator import EmulatorServer
from sophia_infra.migration.journal import Journal
from sophia_infra.migration.table import TABLE
from tests.unit.cli.conftest import emulator
from tests.unit.cli.sophia_command import A10, Sophia

__all__ = ["emulator"]

KUBERNETES = {"cluster": "existing", "kubeconfig_env": "KUBECONFIG"}


@pytest.fixture
def sophia(tmp_path: Path) -> Sophia:
    sophia = Sophia(tmp_path / "project", tmp_path / "home")
    sophia.write_config({"a": A10})
    return sophia


def finish(sophia: Sophia, phase: str, stack: str = "local") -> None:
    """Write a journal in which every step of a phase is done."""
    journal = Journal(sophia.home / "migration" / stack)
    with journal.held():
        journal.append("phase", phase=phase)
        for name, rows in TABLE.items():
            for row in rows if name == phase else ():
                journal.append("done", phase=phase, step=row.step.step_id)


def test_the_plan_has_42_days_and_a_picture(sophia: Sophia, tmp_path: Path) -> None:
    picture = tmp_path / "plan.svg"
    plan = sophia.run("migrate", "plan", "--start", "2999-06-03", "--json", "--gantt", str(picture)).json()
    assert (plan["start"], plan["end"]) == ("2999-06-03", "2999-07-14")
    assert len(plan["rows"]) == 25
    assert picture.read_text().startswith("<svg")
    assert "2999-06-03  2999-06-04  T1" in sophia.run("migrate", "plan", "--start", "2999-06-03").out


def test_a_dry_run_prints_every_command_and_runs_none(sophia: Sophia) -> None:
    shown = sophia.run("migrate", "phase1", "--dry-run")
    assert shown.code == 0
    assert "action sophia up --stack local --phase 1 --yes" in shown.out
    sophia.write_config({"a": A10}, kubernetes=KUBERNETES)
    document = sophia.run("migrate", "complete", "--dry-run", "--json", "--cluster").json()
    assert [phase["phase"] for phase in document["phases"]] == ["phase1", "phase2", "phase3", "complete"]
    assert "--yes --cluster" in json.dumps(document)
    assert not (sophia.home / "migration").exists()
    assert not (sophia.home / "audit").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("plan", "--start", "2026-02-30"), 64, "is no date of the calendar"),
        (("plan", "--start", "2020-01-06"), 64, "is over: today is"),
        (("phase1", "--start", "2999-01-07"), 64, "phase1 from 2999-01-07 on"),
        (("phase1", "--stack", "locla"), 64, "Pulumi.locla.yaml"),
        (("phase2",), 64, "has no `sophia:kubernetes`"),
        (("complete",), 64, "has no `sophia:kubernetes`"),
        (("undo", "phase9"), 64, "'phase9' is no phase"),
        (("undo", "phase1", "--to", "p1-bakcup"), 64, "did you mean p1-backup?"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(
    sophia: Sophia, arguments: tuple[str, ...], code: int, said: str
) -> None:
    refused = sophia.run("migrate", *arguments)
    assert refused.code == code
    assert said in refused.said
    assert not (sophia.home / "audit").exists()


def test_a_phase_waits_for_the_one_before(sophia: Sophia) -> None:
    sophia.write_config({"a": A10}, kubernetes=KUBERNETES)
    refused = sophia.run("migrate", "phase3")
    assert refused.code == 6
    assert "run `sophia migrate phase2 --stack local` first" in refused.said


def test_production_waits_for_staging_where_there_is_a_staging(sophia: Sophia) -> None:
    for stack in ("staging", "production"):
        sophia.write_config({"a": A10}, stack=stack)
    refused = sophia.run("migrate", "phase1", "--stack", "production", "--dry-run")
    assert refused.code == 6
    assert "run `sophia migrate phase1 --stack staging` first" in refused.said
    finish(sophia, "phase1", "staging")
    assert sophia.run("migrate", "phase1", "--stack", "production", "--dry-run").code == 0


def test_an_earlier_phase_is_not_begun_in_a_later_one(sophia: Sophia) -> None:
    finish(sophia, "phase2")
    refused = sophia.run("migrate", "phase1")
    assert refused.code == 64
    assert "would take back what that made" in refused.said


def test_a_real_cloud_needs_a_yes(sophia: Sophia) -> None:
    sophia.write_config({"a": A10}, endpoint="lambda")
    refused = sophia.run("migrate", "phase1")
    assert refused.code == 64
    assert "pass --yes. Nothing was sent." in refused.said


def test_a_second_runner_is_refused(sophia: Sophia) -> None:
    with Journal(sophia.home / "migration" / "local").held():
        refused = sophia.run("migrate", "phase1")
    assert refused.code == 8
    assert "Another process migrates this stack" in refused.said


def test_without_a_backup_nothing_is_launched_and_the_journal_knows(
    sophia: Sophia, emulator: EmulatorServer
) -> None:
    sophia.environment["LAMBDA_API_URL"] = emulator.url
    journal = Journal(sophia.home / "migration" / "local")
    with journal.held():
        journal.append("phase", phase="phase1")
        journal.append("done", phase="phase1", step="p1-baseline")
    stopped = sophia.run("migrate", "phase1", "--start", "2020-01-06")
    # The code of its command: there is no engine here that could export the state.
    assert stopped.code == 7
    assert "Step p1-backup (Everything is backed up before it changes) stopped" in stopped.said
    assert "run the same migration again: it goes on at this step" in stopped.said
    with emulator.cloud.lock:
        assert emulator.cloud.dump()["instances"] == []
    status = sophia.run("migrate", "status", "--json").json()
    steps = {step["id"]: step["status"] for step in status["phases"][0]["steps"]}
    assert (steps["p1-baseline"], steps["p1-backup"], steps["p1-up"]) == ("done", "failed", None)
    assert (status["start"], status["next"]) == ("2020-01-06", "sophia migrate phase1 --stack local")
    rows = sophia.run("audit", "list", "--json").json()["entries"]
    migrate = [(row["action"], row["outcome"]) for row in rows if row["action"].startswith("migrate")]
    assert migrate == [("migrate phase1", "begun"), ("migrate phase1", "failed")]


def test_undo_says_what_stays_and_why(sophia: Sophia) -> None:
    finish(sophia, "phase2")
    shown = sophia.run("migrate", "undo", "phase2", "--dry-run")
    assert shown.code == 0
    assert "p2-up: `sophia up --stack local --phase 1 --yes`" in shown.said
    assert "p2-backup stays: a backup set stays until it is pruned." in shown.said
    first = sophia.run("migrate", "undo", "phase1")
    assert first.code == 64
    assert "run `sophia migrate undo phase2 --stack local` first" in first.said
    assert "Nothing is to be undone" in sophia.run("migrate", "undo", "phase3").said
