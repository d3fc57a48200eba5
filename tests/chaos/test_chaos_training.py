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
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.emulator import Cloud, CloudSettings, EmulatorServer
from sophia_infra.engine.home import open_home
from sophia_infra.model.clock import ScaledClock
from sophia_infra.training.opening import ensure_watchdog, open_means, sweeping_means
from sophia_infra.training.run_folder import RunFolder
from sophia_infra.training.sweeping import sweep
from tests.chaos.training_site import NODES, SPEED, STACK, Site
from tests.chaos.victims import is_running, wait_until
from tests.summary import KILL_ROW, kill_row

pytestmark = pytest.mark.chaos

Record = Callable[[str, object], None]


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


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_starter_killed_while_it_replaces_a_lost_node_launches_it_again_once(
    site: Site, record_property: Record, when: str
) -> None:
    site.environment["SOPHIA_STAND_IN_JOB_S"] = "600"
    folder = site.new_run(replace_lost=True)
    process = site.attend(folder)
    wait_until(lambda: folder.state().phase == "running" or process.poll() is not None)
    site.watchdog(folder)
    rule = site.hold("launchInstance", when)
    lost = next(row for row in site.live(folder) if row["tags"]["sophia-node"] == "2")
    with site.cloud.lock:
        site.cloud.instances.set_status(lost["id"], "preempted")
    wait_until(lambda: rule.holding > 0 or process.poll() is not None)
    assert process.poll() is None, (folder.path / "attend.log").read_text()
    kill(process)
    site.release(rule)
    assert site.finish(folder).outcome == "done"
    rows, live = site.rows(folder), site.live(folder)
    doubles = len(rows) - NODES - 1
    record_property(
        KILL_ROW,
        kill_row("replacement", "starter", f"{when} the work", len(rows), len(live), len(live), doubles),
    )
    assert live == []
    assert doubles == 0
    assert [row["id"] for row in rows if row["status"] == "preempted"] == [lost["id"]]


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
