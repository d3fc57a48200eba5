"""`sophia train` in this process, on an emulator 600 times as fast, and the end of what it leaves behind."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from sophia_infra.components.fleet_props import ssh_key_name
from sophia_infra.emulator import Cloud, CloudSettings, EmulatorServer
from sophia_infra.engine.home import open_home
from sophia_infra.model.clock import ScaledClock
from sophia_infra.training import opening
from sophia_infra.training.errors import TrainingError
from sophia_infra.training.run_folder import RunFolder, list_runs
from tests.unit.cli.sophia_command import CHECKOUT, PUBLIC_KEY
from tests.unit.model.test_model_training import RIGHT
from tests.unit.training.ground import LIVE

with warnings.catch_warnings():
    # typer uses what click 9 will not have any more, and says so when it is imported.
    warnings.simplefilter("ignore", DeprecationWarning)
    import typer

    from sophia_infra.cli.train_commands import train_app

    COMMAND = typer.main.get_command(train_app)

SPEED = 600.0
RUN = ["run", "--workload", "large-model-training", "--nodes", "2"]


class Site:
    def __init__(self, cloud: Cloud, root: Path) -> None:
        self.cloud = cloud
        self.root = root

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(COMMAND, list(arguments))

    def refused(self, kind: type[TrainingError], *arguments: str) -> str:
        """The sentence of an error that `reporting_failures` turns into a line and a code."""
        result = self(*arguments)
        assert isinstance(result.exception, kind), result.exception or result.output
        return str(result.exception)

    @property
    def runs(self) -> list[RunFolder]:
        return list_runs(open_home())

    def live(self) -> list[dict[str, Any]]:
        return [row for row in self.cloud.dump()["instances"] if row["status"] in LIVE]


@contextlib.contextmanager
def open_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    project = tmp_path / "project"
    project.mkdir()
    (project / "Pulumi.yaml").write_text((CHECKOUT / "Pulumi.yaml").read_text())
    write_stack(project, {"trainer": RIGHT})
    settings = CloudSettings(boot_ranges_s=((0, 60.0, 90.0),))
    with EmulatorServer(Cloud(settings, ScaledClock(SPEED))) as server:
        with server.cloud.lock:
            server.cloud.ssh_keys.add(ssh_key_name("sophia-infra/local", PUBLIC_KEY), PUBLIC_KEY)
        monkeypatch.setenv("SOPHIA_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("SOPHIA_PROJECT", str(project))
        monkeypatch.setenv("LAMBDA_API_URL", server.url)
        monkeypatch.setenv("SOPHIA_STAND_IN_JOB_S", "120")
        yield Site(server.cloud, tmp_path)
        for folder in list_runs(open_home()):
            for role in ("starter", "watchdog"):
                pid = folder.holder(role)
                if pid not in (None, os.getpid()) and folder.is_held(role):
                    os.kill(int(pid), signal.SIGKILL)
        while opening._started:
            opening._started.pop().wait(10)
        end_processes_of(tmp_path)


def end_processes_of(folder: Path) -> None:
    """End a watchdog that has only just begun, and holds nothing yet by which it could be found."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{folder}/".encode() in (process / "cmdline").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)


def write_stack(project: Path, training: dict[str, Any]) -> None:
    config = {
        "sophia:endpoint": "emulator",
        "sophia:budget": {"limit": "$500/day"},
        "sophia:ssh": {"public_key": PUBLIC_KEY},
        "sophia:fleet": {},
        "sophia:training": training,
    }
    (project / "Pulumi.local.yaml").write_text(yaml.safe_dump({"config": config}))


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
