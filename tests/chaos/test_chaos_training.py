"""SIGKILL of real processes of a training run at its I/O points: no orphan, no second machine, a held cap.

Needs no engine: the starter is `python -m sophia_infra.training attend`, with the watchdog that it starts,
on an emulator in this process whose clock runs 600 times as fast: an hour takes six seconds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.emulator import Cloud, CloudSettings, EmulatorServer
from sophia_infra.engine.home import open_home
from sophia_infra.model.clock import ScaledClock
from sophia_infra.training import opening
from sophia_infra.training.opening import ensure_watchdog, open_means, sweeping_means
from sophia_infra.training.run_folder import RunFolder, new_run_id, runs_folder
from sophia_infra.training.run_spec import Choice, RunSpec
from sophia_infra.training.run_state import RunState
from sophia_infra.training.sweeping import sweep
from tests.chaos.victims import is_running, wait_until
from tests.summary import KILL_ROW, kill_row

pytestmark = pytest.mark.chaos

SPEED = 600.0
STACK = "sophia-infra/test"
H100, EAST = "gpu_8x_h100_sxm5", "us-east-3"
NODES = 2
LIVE = ("booting", "active", "unhealthy")
Record = Callable[[str, object], None]


@dataclass
class Site:
    """An account, a home, and the processes that the test started; those are ended at its end, by id."""

    cloud: Cloud
    environment: dict[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    watchdogs: list[int] = field(default_factory=list)

    def new_run(self, **changes: Any) -> RunFolder:
        now_s = self.cloud.now()
        spec = {
            "run_id": new_run_id(now_s),
            "stack": STACK,
            "endpoint": "emulator",
            "cluster": "trainer",
            "workload": "large-model-training",
            "nodes": NODES,
            "min_nodes": NODES,
            # Three times what an hour costs: what is billed beyond that hour would show.
            "max_usd": Decimal(192),
            "max_hours": 12,
            "choices": (Choice(H100, EAST, Decimal("31.92")),),
            "command": "train.py",
            "ssh_key": "key",
            "began_s": now_s,
            **changes,
        }
        whole = RunSpec(**spec)
        folder = RunFolder(runs_folder(open_home(environ=self.environment)) / whole.run_id)
        folder.make(whole)
        return folder

    def attend(self, folder: RunFolder) -> subprocess.Popen[bytes]:
        with (folder.path / "attend.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "sophia_infra.training", "attend", str(folder.path)],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.started.append(process)
        return process

    def finish(self, folder: RunFolder) -> RunState:
        """Attend it to its end."""
        process = self.attend(folder)
        process.wait(60)
        log = (folder.path / "attend.log").read_text()
        assert process.returncode == 0, log
        assert "Traceback" not in log
        return folder.state()

    def watchdog(self, folder: RunFolder) -> int:
        """The id of its living watchdog."""
        wait_until(lambda: folder.is_held("watchdog"))
        pid = folder.holder("watchdog")
        assert pid is not None
        self.watchdogs.append(pid)
        return pid

    def hold(self, operation: str, when: str) -> Any:
        with self.cloud.lock:
            return self.cloud.faults.add(operation, when, "hold")

    def release(self, rule: Any) -> None:
        with self.cloud.lock:
            rule.release(go_on=True)

    def rows(self, folder: RunFolder) -> list[dict[str, Any]]:
        rows = self.cloud.dump()["instances"]
        return [row for row in rows if row["tags"].get("sophia-run") == folder.run_id]

    def live(self, folder: RunFolder) -> list[dict[str, Any]]:
        return [row for row in self.rows(folder) if row["status"] in LIVE]

    def close(self) -> None:
        with self.cloud.lock:
            self.cloud.faults.clear()
        for process in self.started:
            process.kill()
            process.wait(10)
        for pid in self.watchdogs:
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)
        while opening._started:
            opening._started.pop().wait(10)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.delenv("SOPHIA_PROJECT", raising=False)
    with EmulatorServer(Cloud(CloudSettings(boot_ranges_s=((0, 60.0, 90.0),)), ScaledClock(SPEED))) as server:
        with server.cloud.lock:
            server.cloud.ssh_keys.add("key", "ssh-ed25519 x")
        environment = {
            **os.environ,
            "LAMBDA_API_URL": server.url,
            "LAMBDA_API_KEY": "any-key",
            "SOPHIA_HOME": str(tmp_path / "home"),
            "SOPHIA_STAND_IN_JOB_S": "120",
        }
        site = Site(server.cloud, environment)
        yield site
        site.close()


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(10)


def check(site: Site, folder: RunFolder, record: Record, label: tuple[str, str, str]) -> None:
    rows, live = site.rows(folder), site.live(folder)
    doubles = sum(count - 1 for count in Counter(row["tags"]["sophia-node"] for row in rows).values())
    record(KILL_ROW, kill_row(*label, len(rows), len(live), len(live), doubles))
    assert live == []
    assert doubles == 0
    assert len(rows) == NODES


@pytest.mark.parametrize(
    ("operation", "when"),
    [
        ("listInstanceTypes", "after"),
        ("listInstances", "before"),
        ("launchInstance", "before"),
        ("launchInstance", "after"),
        ("terminateInstance", "before"),
        ("terminateInstance", "after"),
    ],
)
def test_a_starter_that_is_killed_is_followed_by_one_that_ends_the_run(
    site: Site, record_property: Record, operation: str, when: str
) -> None:
    folder = site.new_run()
    rule = site.hold(operation, when)
    process = site.attend(folder)
    wait_until(lambda: rule.holding > 0 or process.poll() is not None)
    assert process.poll() is None, (folder.path / "attend.log").read_text()
    site.watchdog(folder)
    kill(process)
    # The request has left: the cloud carries it out although nobody waits for the answer.
    site.release(rule)
    assert site.finish(folder).outcome == "done"
    check(site, folder, record_property, (operation, "starter", f"{when} the work"))


@pytest.mark.parametrize("operation", ["launchInstance", "job"])
def test_without_a_starter_the_watchdog_ends_the_machines_at_the_cap(
    site: Site, record_property: Record, operation: str
) -> None:
    site.environment["SOPHIA_STAND_IN_JOB_S"] = "1000000"
    folder = site.new_run(max_hours=1)
    rule = site.hold(operation, "after") if operation != "job" else None
    process = site.attend(folder)

    def is_there() -> bool:
        return folder.state().phase == "running" if rule is None else bool(rule.holding)

    wait_until(lambda: is_there() or process.poll() is not None)
    assert process.poll() is None, (folder.path / "attend.log").read_text()
    pid = site.watchdog(folder)
    kill(process)
    if rule is not None:
        site.release(rule)
    wait_until(lambda: not is_running(pid))
    assert site.live(folder) == []
    assert folder.state().phase == "ended"
    billed = sum((Decimal(row["billed_usd"]) for row in site.rows(folder)), Decimal(0))
    assert billed <= folder.spec().max_usd
    record_property(KILL_ROW, kill_row(operation, "starter", "then the cap", len(site.rows(folder)), 0, 0, 0))


def test_a_killed_watchdog_is_started_anew_by_the_starter(site: Site) -> None:
    site.environment["SOPHIA_STAND_IN_JOB_S"] = "1000000"
    folder = site.new_run()
    process = site.attend(folder)
    wait_until(lambda: folder.state().phase == "running")
    first = site.watchdog(folder)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not is_running(first))
    wait_until(lambda: folder.is_held("watchdog") and folder.holder("watchdog") != first)
    second = site.watchdog(folder)
    folder.ask_to_stop()
    process.wait(60)
    assert process.returncode == 1  # stopped, and says so
    wait_until(lambda: not is_running(second))
    assert site.live(folder) == []
    assert folder.state().outcome == "stopped"


def test_starter_and_watchdog_killed_together_are_followed_by_a_sweep(
    site: Site, record_property: Record
) -> None:
    site.environment["SOPHIA_STAND_IN_JOB_S"] = "1000000"
    folder = site.new_run()
    process = site.attend(folder)
    wait_until(lambda: folder.state().phase == "running")
    pid = site.watchdog(folder)
    kill(process)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_running(pid))
    means = open_means(folder, environment=site.environment, say=lambda _: None, with_watchdog=False)
    session = _session(site, means)
    home = open_home(environ=site.environment)
    closing = sweeping_means(session, home, lambda _: None)
    first = sweep(
        session,
        STACK,
        [folder],
        closing,
        grace_s=1e9,
        start_watchdog=lambda one: ensure_watchdog(one, site.environment),
    )
    assert (first.kept, first.watchdogs_started) == (NODES, 1)
    again = site.watchdog(folder)
    assert again != pid
    folder.ask_to_stop()
    wait_until(lambda: not is_running(again))
    check(site, folder, record_property, ("job", "both", "then a sweep"))


def test_a_second_watchdog_leaves_at_once(site: Site) -> None:
    folder = site.new_run()
    with folder.held("watchdog"):
        done = subprocess.run(
            [sys.executable, "-m", "sophia_infra.training", "watch", str(folder.path)],
            env=site.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0
    assert "Another process attends run" in done.stdout
    assert done.stderr == ""


def _session(site: Site, means: Any) -> Any:
    from sophia_infra.provider.journal import Journal
    from sophia_infra.provider.session import Session

    home = open_home(environ=site.environment)
    return Session(means.client, means.clock, Journal(home.launches), say=lambda _: None)
