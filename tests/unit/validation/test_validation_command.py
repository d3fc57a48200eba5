"""`sophia validate` and `sophia baseline` as a user runs them, on an emulated account and written manifests.

The engine is only asked for its version and has no stack, so a script takes its place. Machines carry the
tags of a launch of ours; for the doctor they are strays then, and that is one of the faults.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sophia_infra.audit import audit_log_of
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.emulator import EmulatorServer
from sophia_infra.engine.versions import PINNED_ENGINE
from sophia_infra.lambda_cloud import LambdaCloud, Pacer
from sophia_infra.model.clock import VirtualClock
from sophia_infra.provider.tags import LAUNCH_TAG, NAME_TAG, STACK_TAG
from tests.unit.cli.conftest import emulator, sophia, stopped
from tests.unit.cli.sophia_command import A10, CHECKOUT, Sophia
from tests.unit.cli.sources import a_prometheus, address_of_nobody
from tests.unit.cli.test_cli_looking import launch

__all__ = ["emulator", "sophia", "stopped"]

TAGS = {STACK_TAG: "sophia-infra/local", NAME_TAG: "a", LAUNCH_TAG: "g1-0123456789abcdef"}
SMALL = ("--criterion", "K3", "--criterion", "R6", "--criterion", "2.1e", "--criterion", "K9")


@pytest.fixture
def validated(sophia: Sophia, tmp_path: Path) -> Sophia:
    """The command with an engine that knows its version and no stack."""
    script = tmp_path / "bin" / "pulumi"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\necho v{PINNED_ENGINE}\n")
    script.chmod(0o755)
    sophia.environment["PATH"] = f"{script.parent}:/usr/bin:/bin"
    return sophia


def verdicts(done: Any) -> dict[str, str]:
    return {row["id"]: row["verdict"] for row in done.json()["criteria"]}


def test_a_machine_that_was_terminated_is_found(validated: Sophia, emulator: EmulatorServer) -> None:
    machine = launch(emulator, "a", TAGS)
    before = verdicts(validated.run("validate", "--json"))
    assert (before["K3"], before["R1"]) == ("pass", "fail")
    LambdaCloud(emulator.url, "a-key", pacer=Pacer(None, "test", VirtualClock())).terminate_instances(
        [machine]
    )
    emulator.cloud.advance(3600)
    done = validated.run("validate", "--json")
    after = verdicts(done)
    assert done.code == ExitCode.FINDINGS
    assert {name for name in after if after[name] != before[name]} == {"K3", "R1"}
    assert (after["K3"], after["R1"]) == ("fail", "pass")


def test_what_closes_the_gate_is_told_with_where_to_look(validated: Sophia) -> None:
    done = validated.run("validate", "--criterion", "K3")
    assert done.code == ExitCode.FINDINGS
    assert "K3: 0 of 1 active: a absent. See: sophia status --stack local" in done.said
    assert "all criteria asked for: red" in done.said


def test_a_budget_that_is_exceeded_is_found(validated: Sophia, emulator: EmulatorServer) -> None:
    launch(emulator, "a", TAGS)
    assert verdicts(validated.run("validate", *SMALL, "--json"))["R6"] == "pass"
    validated.write_config({"a": A10}, budget={"limit": "$900/month"})
    found = verdicts(validated.run("validate", *SMALL, "--json"))
    assert (found["R6"], found["K3"]) == ("fail", "pass")


def test_a_changed_line_of_the_audit_log_is_found(validated: Sophia) -> None:
    log = audit_log_of(validated.home, "local")
    for subject in ("one", "two", "three"):
        log.record(action="up", subject=subject, why="a test")
    assert verdicts(validated.run("validate", *SMALL, "--json"))["2.1e"] == "pass"
    log.path.write_text(log.path.read_text().replace("two", "owt"))
    assert verdicts(validated.run("validate", *SMALL, "--json"))["2.1e"] == "fail"


def manifests(sophia: Sophia, edit: Callable[[dict[str, Any]], object] = lambda _row: None) -> None:
    """A folder as `up` writes it, with one node of the file."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "labels": {}}}
    node["metadata"]["labels"] = {"workload.sophia.internal/inference": "true"}  # type: ignore[index]
    edit(node)
    folder = sophia.home / "manifests" / "local" / "sophia"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "node.yaml").write_text(yaml.safe_dump(node))


def test_a_label_that_was_dropped_is_found(validated: Sophia) -> None:
    kube = {"topology": "overlay", "node_roles": {"a": ["inference"]}}
    validated.write_config({"a": A10}, kubernetes=kube)
    manifests(validated)
    assert verdicts(validated.run("validate", "--criterion", "1.3b", "--json")) == {"1.3b": "pass"}
    manifests(validated, lambda row: row["metadata"]["labels"].clear())
    done = validated.run("validate", "--criterion", "1.3b", "--json")
    assert verdicts(done) == {"1.3b": "fail"}
    assert done.json()["criteria"][0]["value"] == "0 of 1 nodes: not a"


def test_a_gate_is_recorded_and_a_look_at_one_criterion_is_none(validated: Sophia) -> None:
    file = validated.home / "gates" / "local" / "phase-1.json"
    done = validated.run("validate", "--phase", "1", "--json")
    record = json.loads(file.read_text())
    assert {key: record[key] for key in ("green", "failed", "gate", "taken_at")} == {
        key: done.json()[key] for key in ("green", "failed", "gate", "taken_at")
    }
    assert "K3" in record["failed"]
    validated.run("validate", "--phase", "1", "--criterion", "K3")
    assert json.loads(file.read_text()) == record


def test_a_gate_of_a_later_phase_is_refused_and_nobody_is_asked(
    validated: Sophia, emulator: EmulatorServer
) -> None:
    done = validated.run("validate", "--phase", "2")
    assert done.code == ExitCode.USAGE
    assert "Stack local is in phase 1: there is no gate of phase 2 to measure yet." in done.said
    assert not emulator.cloud.requests.since(0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("validate", "--criterion", "Q1"), "There is no criterion 'Q1'"),
        (("validate", "--phase", "4"), "is not in the range"),
        (("validate", "--stack", "nowhere"), "nowhere"),
        (("validate", "--markdown", "/nowhere/a.md"), "There is no folder /nowhere"),
        (("validate", "--prometheus", "ftp://a"), "ftp://a"),
        (("baseline", "compare"), "sophia baseline capture"),
        (("baseline", "capture", "--out", "/nowhere/a.json"), "There is no folder /nowhere"),
    ],
)
def test_what_a_user_gets_wrong(arguments: tuple[str, ...], says: str, stopped: Sophia) -> None:
    done = stopped.run(*arguments)
    assert done.code == ExitCode.USAGE
    assert says in done.said


def test_a_prometheus_that_does_not_answer_keeps_the_gate_closed(validated: Sophia) -> None:
    done = validated.run("validate", "--criterion", "C6", "--prometheus", address_of_nobody())
    assert done.code == ExitCode.CLOUD
    assert "all criteria asked for: red" in done.said


def test_a_cloud_that_does_not_answer_is_an_error_and_no_report(
    validated: Sophia, emulator: EmulatorServer
) -> None:
    emulator.cloud.faults.add("listInstances", "before", "status", times=None, status=401)
    done = validated.run("validate", "--criterion", "C6")
    assert (done.code, done.out) == (ExitCode.CLOUD, "")


def test_what_prometheus_knows_is_judged(validated: Sophia) -> None:
    with a_prometheus() as prometheus:
        prometheus.vectors = {"DCGM_FI_DEV_GPU_UTIL": [({"node": "a", "gpu": "0", "UUID": "u"}, 45)]}
        done = validated.run("validate", "--criterion", "M1.4", "--prometheus", prometheus.url, "--json")
    (row,) = done.json()["criteria"]
    assert (done.code, row["verdict"], row["value"]) == (
        ExitCode.FINDINGS,
        "fail",
        "45 % on average of 1 GPUs",
    )


def test_the_list_needs_no_stack_and_the_page_has_everything(validated: Sophia, tmp_path: Path) -> None:
    listed = validated.run("validate", "--list", "--phase", "3", "--json")
    assert listed.code == ExitCode.OK
    assert {"3.2b", "D6", "K3"} <= {row["id"] for row in listed.json()}
    page = tmp_path / "report.md"
    validated.run("validate", "--markdown", str(page))
    assert "| H1 |" in page.read_text()
    assert "not provable here" in page.read_text()


def test_a_baseline_from_before_is_kept_and_compared(
    validated: Sophia, emulator: EmulatorServer, tmp_path: Path
) -> None:
    launch(emulator, "a", TAGS)
    out = tmp_path / "baseline.json"
    first = validated.run("baseline", "capture", "--out", str(out), "--json")
    assert first.code == ExitCode.OK
    assert first.json()["figures"]["usd_per_month"]["value"] == "928.8"
    again = validated.run("baseline", "capture", "--out", str(out))
    assert (again.code, again.out[:5]) == (ExitCode.OK, "Kept:")
    assert json.loads(out.read_text())["taken_at"] == first.json()["taken_at"]
    compared = validated.run("baseline", "compare", str(out))
    assert compared.code == ExitCode.OK
    assert "$928.80" in compared.out
    assert validated.run("baseline", "compare", "--json").json()["before_at"] == first.json()["taken_at"]
    assert verdicts(validated.run("validate", "--criterion", "N9", "--json")) == {"N9": "pass"}


def test_the_plans_scripts_are_the_commands(stopped: Sophia) -> None:
    import subprocess
    import sys

    for script, says in (
        ("validate_phase1", "Measure the plan's criteria"),
        ("monitor_performance", "Watch machines"),
    ):
        done = subprocess.run(
            [sys.executable, str(CHECKOUT / "scripts" / f"{script}.py"), "--help"],
            env=stopped.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert says in done.stdout
