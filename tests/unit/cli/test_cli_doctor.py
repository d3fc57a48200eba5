"""`sophia doctor`: what it finds, what it costs, and that it ends only what was named and confirmed.

No stack was made here, so the engine is only asked for its version: a script that answers takes its place.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.emulator import EmulatorServer
from sophia_infra.engine.versions import PINNED_ENGINE
from sophia_infra.model.scaled_tags import SCALER_TAG, ScaledName
from sophia_infra.provider.run_tags import RunTags, node_owner
from sophia_infra.provider.tags import NAME_TAG, STACK_TAG
from tests.unit.cli.sophia_command import Sophia

from .test_cli_looking import TAGS, launch

UNKNOWN_ID = "0" * 32


@pytest.fixture
def doctor(sophia: Sophia, tmp_path: Path) -> Sophia:
    """The command with an engine that knows its version and no stack."""
    script = tmp_path / "bin" / "pulumi"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\necho v{PINNED_ENGINE}\n")
    script.chmod(0o755)
    sophia.environment["PATH"] = f"{script.parent}:/usr/bin:/bin"
    return sophia


def live(emulator: EmulatorServer) -> set[str]:
    return {row["id"] for row in emulator.cloud.dump()["instances"] if row["ended_at_s"] is None}


def test_state_and_account_agree(doctor: Sophia) -> None:
    done = doctor.run("doctor")
    assert (done.code, done.err) == (ExitCode.OK, "")
    assert "state and account agree" in done.out
    assert doctor.run("doctor", "--json").json() == []


def test_an_orphan_is_shown_with_its_cost_and_the_fix(doctor: Sophia, emulator: EmulatorServer) -> None:
    orphan = launch(emulator, "a", TAGS)
    done = doctor.run("doctor")
    assert done.code == ExitCode.FINDINGS
    assert f"orphan: a {orphan}" in done.out
    assert "costs $1.29/h, $1." in done.out
    assert f"fix: sophia doctor --stack local --terminate {orphan}" in done.out


def test_findings_as_json_have_the_documented_keys(doctor: Sophia, emulator: EmulatorServer) -> None:
    orphan = launch(emulator, "a", TAGS)
    done = doctor.run("doctor", "--json")
    assert done.code == ExitCode.FINDINGS
    (finding,) = done.json()
    assert finding.keys() == {"kind", "name", "id", "detail", "fix", "usd_per_hour", "usd_so_far"}
    assert (finding["kind"], finding["id"], finding["usd_per_hour"]) == ("orphan", orphan, "1.29")
    assert Decimal(finding["usd_so_far"]) >= Decimal("1.29")


def test_doubles_are_both_shown(doctor: Sophia, emulator: EmulatorServer) -> None:
    ids = {launch(emulator, "a", TAGS), launch(emulator, "a", TAGS)}
    rows = doctor.run("doctor", "--json").json()
    assert {row["id"] for row in rows} == ids
    assert {row["kind"] for row in rows} == {"duplicate"}


def test_a_machine_of_somebody_else_is_no_finding(doctor: Sophia, emulator: EmulatorServer) -> None:
    launch(emulator, "theirs")
    assert doctor.run("doctor").code == ExitCode.OK


def test_an_unknown_machine_is_not_terminated(doctor: Sophia, emulator: EmulatorServer) -> None:
    machine = launch(emulator, "a", TAGS)
    done = doctor.run("doctor", "--terminate", UNKNOWN_ID, "--yes")
    assert done.code == ExitCode.USAGE
    assert f"no machine with id {UNKNOWN_ID} is in the account" in done.err
    assert live(emulator) == {machine}


def test_nothing_is_terminated_where_nobody_can_confirm(doctor: Sophia, emulator: EmulatorServer) -> None:
    machine = launch(emulator, "a", TAGS)
    done = doctor.run("doctor", "--terminate", machine)
    assert done.code == ExitCode.USAGE
    assert "nobody can confirm here: pass --yes. Nothing was terminated." in done.err
    assert live(emulator) == {machine}
    assert "terminateInstance" not in {seen.operation for seen in emulator.cloud.requests.since(0)}


def test_a_named_and_confirmed_machine_is_ended_and_no_other(
    doctor: Sophia, emulator: EmulatorServer
) -> None:
    orphan, theirs = launch(emulator, "a", TAGS), launch(emulator, "theirs")
    done = doctor.run("doctor", "--terminate", orphan, "--yes")
    assert done.code == ExitCode.OK
    assert "a: gpu_1x_a10 in us-west-1, active, $1.29/h" in done.out
    assert "no longer lists it as running" in done.out
    assert live(emulator) == {theirs}
    assert doctor.run("doctor").code == ExitCode.OK


def test_machines_of_the_node_scaler_are_no_finding_and_not_ended_one_by_one(
    doctor: Sophia, emulator: EmulatorServer
) -> None:
    scaled = ScaledName("burst", 1, 1_790_000_000)
    machine = launch(emulator, "a", {**TAGS, NAME_TAG: scaled.name, SCALER_TAG: scaled.value})
    assert doctor.run("doctor").code == ExitCode.OK
    done = doctor.run("doctor", "--terminate", machine, "--yes")
    assert done.code == ExitCode.USAGE
    assert "sophia scaler run --empty --apply" in done.said
    assert live(emulator) == {machine}


def test_down_does_not_leave_the_node_scalers_machines_behind(
    doctor: Sophia, emulator: EmulatorServer
) -> None:
    scaled = ScaledName("burst", 1, 1_790_000_000)
    machine = launch(emulator, "a", {**TAGS, NAME_TAG: scaled.name, SCALER_TAG: scaled.value})
    done = doctor.run("down", "--yes")
    assert done.code == ExitCode.USAGE
    assert "1 machines of the node scaler run, at $1.29/h, in no state." in done.said
    assert "sophia scaler run --stack" in done.said
    assert live(emulator) == {machine}


def test_down_does_not_take_key_and_cloud_from_under_a_training_run(
    doctor: Sophia, emulator: EmulatorServer
) -> None:
    stack, run_id = TAGS[STACK_TAG], "20260820-101112-3fa9c1"
    owner, run = node_owner(stack, run_id, 1), RunTags(stack, run_id, 1, 4_000_000_000, Decimal(400))
    machine = launch(emulator, "a", {STACK_TAG: owner.stack, NAME_TAG: owner.name, **run.build(24)})
    assert doctor.run("doctor").code == ExitCode.OK
    done = doctor.run("down", "--yes")
    assert done.code == ExitCode.USAGE
    assert "1 training runs of the stack have machines" in done.said
    assert f"sophia train stop {run_id} --stack local" in done.said
    assert live(emulator) == {machine}
