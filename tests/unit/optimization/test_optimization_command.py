"""`sophia optimize` on an emulator over HTTP: list, explain, apply, undo, log, and what a user gets wrong.

Each test starts the real command once or more (about half a second each): what is tested is what a user sees.
No stack was made here, so the engine is only asked for its version: a script that answers takes its place.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.emulator import Cloud, CloudSettings, EmulatorServer
from sophia_infra.engine.versions import PINNED_ENGINE
from sophia_infra.model.clock import ScaledClock
from tests.unit.cli.sophia_command import A10, Finished, Sophia
from tests.unit.cli.test_cli_looking import TAGS, launch
from tests.unit.optimization.prometheus_server import Server, serve

SPEED = 600.0


@dataclass
class Stage:
    """A project, an account whose clock runs 600 times as fast, and a Prometheus."""

    sophia: Sophia
    emulator: EmulatorServer
    prometheus: Server

    def run(self, *arguments: str) -> Finished:
        return self.sophia.run("optimize", *arguments)

    def measured(self, *arguments: str) -> Finished:
        return self.run(*arguments, "--prometheus", self.prometheus.url)

    def settings(self, **values: Any) -> None:
        usual = {"auto_apply": True, "cooldown_minutes": 0, "gate_minutes": 1, "gate_poll_s": 10}
        text = yaml.safe_dump({**usual, **values})
        (self.sophia.project / "optimization.local.yaml").write_text(text)

    def live(self) -> set[str]:
        return {row["id"] for row in self.emulator.cloud.dump()["instances"] if row["ended_at_s"] is None}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    sophia = Sophia(tmp_path / "project", tmp_path / "home")
    sophia.write_config({"core": A10})
    script = tmp_path / "bin" / "pulumi"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\necho v{PINNED_ENGINE}\n")
    script.chmod(0o755)
    with EmulatorServer(Cloud(CloudSettings(), ScaledClock(SPEED))) as emulator, serve() as prometheus:
        sophia.environment["LAMBDA_API_URL"] = emulator.url
        sophia.environment["PATH"] = f"{script.parent}:/usr/bin:/bin"
        prometheus.vectors["count(up)"] = [{"metric": {}, "value": [0, "3"]}]
        prometheus.vectors["lambda_node"] = [
            {"metric": {"node": "n", "instance_id": "measured"}, "value": [0, "1"]}
        ]
        prometheus.nodes = ["n"]
        prometheus.values = {"max by (node) (avg_over_time(DCGM": 55.0, "100 * (1": 30.0}
        made = Stage(sophia, emulator, prometheus)
        made.settings()
        yield made


def test_an_empty_account_has_nothing_to_advise(stage: Stage) -> None:
    done = stage.run()
    assert (done.code, done.err) == (ExitCode.OK, "")
    assert "nothing to advise" in done.out
    assert stage.run("--json").json()["recommendations"] == []


def test_an_orphan_is_listed_explained_ended_and_brought_back(stage: Stage) -> None:
    orphan = launch(stage.emulator, "lost", {**TAGS, "sophia-name": "lost"})
    stage.emulator.cloud.advance(7200)
    listed = stage.measured("--json")
    assert listed.code == ExitCode.FINDINGS
    (one,) = listed.json()["recommendations"]
    assert (one["kind"], one["risk"]["level"], one["applied_by"]) == ("orphan", "low", "itself")
    assert one["saving"]["expected_usd_per_month"] == "928.80"
    shown = stage.measured("explain", one["id"])
    assert "What is done" in shown.out
    assert "launch the same description again" in shown.out
    dry = stage.measured("apply", "--auto", "low")
    assert "would do" in dry.out
    assert "Nothing was done: --yes does it." in dry.out
    assert stage.live() == {orphan}
    done = stage.measured("apply", "--auto", "low", "--yes", "--json")
    (outcome,) = done.json()
    assert (done.code, outcome["outcome"], stage.live()) == (ExitCode.OK, "done", set())
    stage.emulator.cloud.advance(60)
    unanswered = stage.run("undo", outcome["action"])
    assert unanswered.code == ExitCode.USAGE
    assert "nobody can confirm here: pass --yes" in unanswered.err
    undone = stage.run("undo", outcome["action"], "--yes")
    assert (undone.code, len(stage.live())) == (ExitCode.OK, 1)
    log = stage.run("log", "--json").json()
    assert [row["event"] for row in log["lines"]] == [
        "dry-run", "intent", "done", "kept", "undo-intent", "undone",
    ]  # fmt: skip
    assert log["problems"] == []
    table = stage.run("log")
    assert (table.code, "undone" in table.out) == (ExitCode.OK, True)


def test_a_gate_that_fell_is_a_failure_of_the_command(stage: Stage) -> None:
    launch(stage.emulator, "lost", {**TAGS, "sophia-name": "lost"})
    stage.emulator.cloud.advance(7200)
    stage.measured("apply", "--auto", "low")
    # The alert fires as soon as the machine has ended.
    steady = stage.prometheus.answer

    def answer(path: str, question: dict[str, str]) -> str:
        if "ALERTS" in question["query"] and not stage.live():
            stage.prometheus.vectors["ALERTS"] = [{"metric": {"alertname": "Down"}, "value": [0, "1"]}]
        return steady(path, question)

    stage.prometheus.answer = answer  # type: ignore[method-assign]
    done = stage.measured("apply", "--auto", "low", "--yes")
    assert done.code == ExitCode.FAILED
    assert "undone" in done.out
    assert len(stage.live()) == 1


def test_what_is_medium_is_a_diff_that_applies(stage: Stage, tmp_path: Path) -> None:
    by_hand = launch(stage.emulator, "by-hand")
    (one,) = stage.run("--json").json()["recommendations"]
    assert (one["kind"], one["risk"]["level"]) == ("untagged", "high")
    out = tmp_path / "change.patch"
    done = stage.run("apply", one["id"], "--out", str(out), "--yes")
    assert done.code == ExitCode.OK
    assert stage.live() == {by_hand}
    subprocess.run(["git", "apply", "--unsafe-paths", str(out)], cwd=stage.sophia.project, check=True)
    text = (stage.sophia.project / "Pulumi.local.yaml").read_text()
    assert yaml.safe_load(text)["config"]["sophia:fleet"]["by-hand"]["adopt"] == {"id": by_hand}


def test_a_changed_log_is_a_finding(stage: Stage) -> None:
    launch(stage.emulator, "lost", {**TAGS, "sophia-name": "lost"})
    stage.emulator.cloud.advance(7200)
    stage.measured("apply", "--auto", "low")
    stage.measured("apply", "--auto", "low", "--yes")
    path = stage.sophia.home / "optimization" / "local.jsonl"
    path.write_text(path.read_text().replace("928.80", "1.00", 1))
    done = stage.run("log")
    assert done.code == ExitCode.FINDINGS
    assert "does not follow the line before it" in done.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("explain", "idle-0"), "No recommendation idle-0 is true now"),
        (("apply",), "--auto low"),
        (("apply", "x", "--auto", "low"), "--auto low"),
        (("apply", "x", "--yes", "--dry-run"), "exclude each other"),
        (("apply", "--auto", "low", "--yes"), "No metric source was named"),
        (("apply", "--auto", "high"), "risk is ever applied"),
        (("--prometheus", "nowhere"), "is not an http or https address"),
        (("--settings", "/none.yaml"), "does not exist"),
        (("undo", "a-0", "--yes"), "No action a-0"),
        (("undo", "a-0"), "No action a-0"),
    ],
)
def test_what_a_user_gets_wrong(stage: Stage, arguments: tuple[str, ...], says: str) -> None:
    done = stage.run(*arguments)
    assert done.code == ExitCode.USAGE
    assert says in done.err


def test_the_switch_is_off_by_default(stage: Stage) -> None:
    (stage.sophia.project / "optimization.local.yaml").unlink()
    done = stage.measured("apply", "--auto", "low", "--yes")
    assert done.code == ExitCode.USAGE
    assert "auto_apply is false" in done.err


def test_without_an_engine_nothing_counts_as_proven(stage: Stage) -> None:
    launch(stage.emulator, "lost", {**TAGS, "sophia-name": "lost"})
    stage.emulator.cloud.advance(7200)
    stage.sophia.environment["PATH"] = str(stage.sophia.home / "none")
    document = stage.run("--json").json()
    assert document["recommendations"][0]["risk"]["level"] == "medium"
    assert any("The state was not read" in note for note in document["notes"])
