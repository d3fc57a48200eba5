"""`sophia train` on an emulator 600 times as fast: plan, run, look, stop, sweep; real processes behind it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.training import attending, opening
from sophia_infra.training.errors import (
    CapRefused,
    JobFailed,
    NoRoom,
    RunHeld,
    RunMissing,
    RunRefused,
    TrainingError,
)
from sophia_infra.training.run_folder import RunFolder
from sophia_infra.training.stand_in import StandInAccess
from tests.unit.model.test_model_training import RIGHT
from tests.unit.training.command_site import RUN, Site, wait_until, write_stack
from tests.unit.training.ground import EAST, H100


def test_a_dry_run_shows_the_dollars_and_sends_nothing_that_costs(site: Site) -> None:
    shown = site("run", "--workload", "large-model-training", "--dry-run").output
    assert f"trainer: 8 x {H100} in {EAST}, $255.36/h ($6,128.64 a day)." in shown
    assert "after 24 h or $6,500.00, whichever comes first; at worst $6,128.64" in shown
    assert "at least 84 s" in shown
    document = json.loads(site(*RUN, "--dry-run", "--json").stdout)
    assert (document["usd_per_hour"], document["nodes"]) == ("63.84", 2)
    assert site.runs == []
    assert site.live() == []


def test_a_run_trains_and_shows_its_bill(site: Site) -> None:
    result = site(*RUN, "--type", "8xH100", "--max-usd", "300", "--max-hours", "4", "--yes")
    assert result.exit_code == ExitCode.OK, result.output
    assert "large-model-training: done" in result.output
    assert site.live() == []
    [folder] = site.runs
    document = json.loads(site("cost", folder.run_id, "--json").stdout)
    assert (document["outcome"], document["max_usd"]) == ("done", "300")
    assert len(document["machines"]) == 2
    assert document["minutes"]["billed"] >= 2 * 3
    assert "billed minutes of all machines" in site("cost", folder.run_id).output
    assert "done" in site("status", folder.run_id[-6:]).output
    assert "large-model-training" in site("list").output
    [row] = json.loads(site("list", "--json").stdout)["runs"]
    assert row["run"] == folder.run_id


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (["--workload", "large"], RunMissing, "use one of: large-model-training"),
        ([*RUN[1:], "--type", "8xH200"], RunRefused, "--type '8xH200' is not an instance type"),
        ([*RUN[1:], "--type", "1xA10"], RunRefused, "is not one of the cluster's"),
        ([*RUN[1:], "--region", "moon-1"], RunRefused, "--region 'moon-1' is not a region"),
        ([*RUN[1:], "--region", "us-south-1"], RunRefused, "region us-south-1 is not allowed"),
        ([*RUN[1:], "--max-usd", "lots"], RunRefused, "--max-usd 'lots' is not an amount"),
        ([*RUN[1:], "--max-usd", "50"], CapRefused, "less than an hour"),
        ([*RUN[1:], "--max-usd", "9000"], CapRefused, "above the cluster's"),
        ([*RUN[1:], "--max-hours", "25"], CapRefused, "above the cluster's"),
    ],
)
def test_what_cannot_run_is_refused_before_a_record_is_made(
    site: Site, arguments: list[str], kind: type[TrainingError], words: str
) -> None:
    sentence = site.refused(kind, "run", *arguments)
    assert words in sentence
    assert " Next: " in sentence
    assert site.runs == []
    assert site.live() == []


def test_a_stack_without_clusters_says_where_to_write_one(site: Site) -> None:
    write_stack(site.root / "project", {})
    assert "sophia:training" in site.refused(RunMissing, *RUN)


def test_a_wrong_stack_is_no_stack(site: Site) -> None:
    assert "Pulumi.nowhere.yaml" in str(site(*RUN, "--stack", "nowhere").exception)


def test_no_room_ends_with_a_sentence(site: Site) -> None:
    site.cloud.change_settings({"default_capacity": 0})
    assert "no capacity is listed" in site.refused(NoRoom, *RUN)


def test_a_cluster_that_joins_needs_one_to_join(site: Site) -> None:
    write_stack(
        site.root / "project", {"trainer": {**RIGHT, "bootstrap": "join", "image": "example.test/train:1"}}
    )
    said = str(site(*RUN).exception)
    assert "sophia:training.trainer.bootstrap" in said
    assert "needs sophia:kubernetes" in said


def test_a_variable_that_is_not_set_is_named(site: Site) -> None:
    write_stack(site.root / "project", {"trainer": {**RIGHT, "env": ["WANDB_API_KEY"]}})
    assert "WANDB_API_KEY is not set" in site.refused(RunRefused, *RUN)
    assert site.runs == []


def test_a_detached_run_goes_on_and_is_stopped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPHIA_STAND_IN_JOB_S", "1000000")
    result = site(*RUN, "--detach", "--yes")
    assert result.exit_code == ExitCode.OK, result.output
    [folder] = site.runs
    assert folder.run_id in result.output
    wait_until(lambda: folder.state().phase == "running")
    assert "Attended; a watchdog holds the limits" in site("status", folder.run_id).output
    assert folder.run_id in site.refused(RunHeld, *RUN)
    stopped = site("stop", folder.run_id)
    assert stopped.exit_code == ExitCode.OK, stopped.output
    assert ": stopped" in stopped.output
    assert site.live() == []
    assert len(site.runs) == 1


def test_a_killed_run_is_gone_on_with_by_the_same_command(site: Site) -> None:
    assert site(*RUN, "--detach", "--yes").exit_code == ExitCode.OK
    [folder] = site.runs
    # Its lock comes before its number.
    wait_until(lambda: folder.holder("starter") is not None)
    pid = folder.holder("starter")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not folder.is_held("starter"))
    result = site(*RUN, "--yes")
    assert result.exit_code == ExitCode.OK, result.output
    assert f"Going on with run {folder.run_id}" in result.output
    assert len(site.runs) == 1
    assert len(site.cloud.dump()["instances"]) == 2
    assert site.live() == []


def test_a_dead_run_is_stopped_by_hand(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPHIA_STAND_IN_JOB_S", "1000000")
    assert site(*RUN, "--detach", "--yes").exit_code == ExitCode.OK
    [folder] = site.runs
    wait_until(lambda: folder.state().phase == "running")
    pid = folder.holder("starter")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not folder.is_held("starter"))
    document = json.loads(site("stop", folder.run_id, "--json").stdout)
    assert (document["phase"], document["outcome"]) == ("ended", "stopped")
    assert site.live() == []


def test_a_failed_command_is_shown_with_its_bill(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(clock: Any, file: Path, job_s: float) -> StandInAccess:
        return StandInAccess(clock, file, job_s, 3)

    monkeypatch.setattr(opening, "StandInAccess", failing)
    result = site(*RUN, "--yes")
    assert isinstance(result.exception, JobFailed)
    assert "large-model-training: failed" in result.output
    assert site.live() == []


def test_a_second_ctrl_c_leaves_the_rest_to_the_watchdog(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_folder: RunFolder, _means: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(attending, "attend", interrupted)
    result = site(*RUN, "--yes")
    assert result.exit_code == ExitCode.INTERRUPTED
    assert "The watchdog of run" in result.output


def test_a_sweep_says_what_it_did(site: Site) -> None:
    assert "0 ended, 0 kept" in site("sweep").output
    document = json.loads(site("sweep", "--dry-run", "--json").stdout)
    assert document == {"dry_run": True, "ended": [], "kept": 0, "watchdogs_started": 0, "problems": []}


def test_an_unknown_one_click_cluster_is_missing(site: Site) -> None:
    assert "no machine of the 1-Click Cluster" in site.refused(RunMissing, "list", "--cluster-id", "0" * 32)


def test_the_help_takes_no_room_of_the_cloud(site: Site) -> None:
    look = "print('pydantic' in sys.modules, 'requests' in sys.modules)"
    code = f"import sys, sophia_infra.cli.train_commands; {look}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
