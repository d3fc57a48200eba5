"""`sophia scaler`: what is printed, what is done, and the exit codes."""

from __future__ import annotations

import json
import os
import signal
import warnings
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sophia_infra.cli import scaler_opening, scaler_running
from sophia_infra.engine.home import Home
from sophia_infra.model.scaler import ScalerConfig
from sophia_infra.scaling.errors import SettingsRefused
from tests.unit.scaling_nodes.ground import API_KEY, KEY_NAME, Ground

with warnings.catch_warnings():
    # typer uses what click 9 will not have any more, and says so when it is imported.
    warnings.simplefilter("ignore", DeprecationWarning)
    import typer

    from sophia_infra.cli.scaler_commands import scaler_app

    COMMAND = typer.main.get_command(scaler_app)

POOL: dict[str, Any] = {"type": "1xA10", "regions": ["us-east-1"], "max": 2, "min": 1, "ssh_key": KEY_NAME}


@pytest.fixture
def sophia(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The commands on a stack of one pool; the file itself is read elsewhere."""
    home = Home(root=tmp_path / "home", checkout=tmp_path)
    config = SimpleNamespace(
        endpoint="emulator",
        ssh=None,
        quota=None,
        kubernetes=None,
        scaler=ScalerConfig.model_validate({"pools": {"gpu": POOL}}),
    )
    context = SimpleNamespace(
        home=home,
        name="test",
        tag="sophia-infra/test",
        instances={},
        config=config,
        budget_usd_per_hour=Decimal(5),
    )
    environment = {**os.environ, "LAMBDA_API_URL": ground.url, "LAMBDA_API_KEY": API_KEY}
    environment["SOPHIA_HOME"] = str(home.root)
    monkeypatch.setattr(scaler_opening, "open_training_stack", lambda _stack: context)
    monkeypatch.setattr(scaler_opening, "environment_of", lambda _context: environment)
    # The emulator's clock stands still here, so that the session's clock would never reach a pace.
    monkeypatch.setattr("sophia_infra.provider.opening.clock_of", lambda _access: ground.clock)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(COMMAND, list(arguments), catch_exceptions=False)

    call.config = config  # type: ignore[attr-defined]
    return call


def test_a_plan_says_what_and_why_and_does_nothing(ground: Ground, sophia: Any) -> None:
    done = sophia("plan")
    assert done.exit_code == 0
    assert "launch 1" in done.stdout
    assert "1 nodes at least; 0 are there or coming" in " ".join(done.stdout.split())
    assert "$5.00/h of its budget are left" in " ".join(done.stdout.split())
    document = json.loads(sophia("plan", "--json").stdout)
    assert document["dry_run"] is True
    assert document["decisions"][0]["launch"] == 1
    assert ground.rows() == []


def test_a_run_is_dry_unless_it_is_told_to_act(ground: Ground, sophia: Any) -> None:
    done = sophia("run", "--once")
    assert done.exit_code == 0
    assert "Dry run" in done.output
    assert "would launch: gpu" in done.output
    assert ground.rows() == []


def test_one_look_that_acts_and_the_machines_afterwards(ground: Ground, sophia: Any) -> None:
    done = sophia("run", "--once", "--apply")
    assert (done.exit_code, ground.names()) == (0, ["gpu-scaled-1"])
    assert "gpu: launch gpu-scaled-1 (gpu_1x_a10 in us-east-1" in " ".join(done.output.split())
    shown = sophia("status")
    assert "1 machines of the scaler, $1.29/h." in shown.stdout
    assert "Leader: none." in shown.stdout
    [machine] = json.loads(sophia("status", "--json").stdout)["pools"][0]["machines"]
    assert (machine["name"], machine["state"]) == ("gpu-scaled-1", "coming")


def test_empty_ends_every_machine_and_leaves(ground: Ground, sophia: Any) -> None:
    sophia("run", "--once", "--apply")
    ground.pass_time(600)
    done = sophia("run", "--empty", "--apply")
    assert (done.exit_code, ground.live()) == (0, [])


def test_another_leader_is_an_exit_code(ground: Ground, sophia: Any, tmp_path: Path) -> None:
    from sophia_infra.scaling.nodes.lease import FileLease

    held = FileLease(tmp_path / "home" / "scaler" / "test" / "leader.lock", "somebody-else")
    assert held.take()
    done = sophia("run", "--once", "--apply")
    assert (done.exit_code, ground.rows()) == (8, [])
    assert "Leader: somebody-else." in sophia("status").stdout
    held.give_up()


def test_ctrl_c_ends_the_loop_after_the_look_that_runs(
    ground: Ground, sophia: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGINT)
    looks = []

    def show(_console: Any, report: Any) -> None:
        looks.append(report)
        if len(looks) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(scaler_running, "show_pass", show)
    done = sophia("run", "--apply")
    assert (done.exit_code, len(looks)) == (130, 2)
    assert "Every machine stays" in done.output
    assert ground.names() == ["gpu-scaled-1"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_problem_is_an_exit_code(ground: Ground, sophia: Any) -> None:
    ground.fault("listInstances", "before", "status", status=401, code="global/invalid-api-key", times=9)
    done = sophia("run", "--once", "--apply")
    assert done.exit_code == 6
    assert API_KEY not in done.output


def test_a_file_without_a_scaler_and_one_that_cannot_be_are_refused_in_words(sophia: Any) -> None:
    pools = {"gpu": {**POOL, "lead_time_s": 120}}
    sophia.config.scaler = ScalerConfig.model_validate({"pools": pools})
    with pytest.raises(SettingsRefused, match=r"pools\.gpu\.lead_time_s is 120.* up to 360 s"):
        sophia("plan")
    pools = {"gpu": {key: value for key, value in POOL.items() if key != "ssh_key"}}
    sophia.config.scaler = ScalerConfig.model_validate({"pools": pools})
    with pytest.raises(SettingsRefused, match=r"ssh_key is missing"):
        sophia("plan")
    sophia.config.scaler = None
    with pytest.raises(SettingsRefused, match="has no sophia:scaler"):
        sophia("plan")
