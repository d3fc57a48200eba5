"""SIGKILL of real processes of a node scaler at its I/O points: no orphan, no second machine, a held budget.

Needs no engine: the scaler is a process with the real session, journal and lock file, on an emulator in this
process whose clock runs 600 times as fast: a minute takes a tenth of a second.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.emulator import Cloud, CloudSettings, EmulatorServer
from sophia_infra.model.clock import ScaledClock
from tests.chaos.scaler_process import MAX
from tests.chaos.victims import wait_until
from tests.summary import KILL_ROW, kill_row

pytestmark = pytest.mark.chaos

SPEED = 600.0
LIVE = ("booting", "active", "unhealthy")
BILLED = (*LIVE, "terminating")
Record = Callable[[str, object], None]


@dataclass
class Site:
    """An account, a folder, and the processes that the test started; those are ended at its end, by id."""

    cloud: Cloud
    folder: Path
    environment: dict[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def asks(self, nodes: int) -> None:
        new = self.folder / "demand.new"
        new.write_text(str(nodes))
        new.replace(self.folder / "demand")

    def start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.scaler_process", str(self.folder)],
                env=self.environment,
                cwd=Path(__file__).resolve().parents[2],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.started.append(process)
        return process

    def hold(self, operation: str, when: str) -> Any:
        with self.cloud.lock:
            return self.cloud.faults.add(operation, when, "hold")

    def release(self, rule: Any) -> None:
        with self.cloud.lock:
            rule.release(go_on=True)

    def rows(self, *statuses: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.cloud.dump()["instances"]
        return [row for row in rows if row["status"] in statuses]

    def check(self) -> None:
        """What must never be seen in any list."""
        billed = self.rows(*BILLED)
        assert len(billed) <= MAX
        names = Counter(row["tags"]["sophia-name"] for row in billed)
        assert all(count == 1 for count in names.values()), names

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def reports(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]

    def wait(self, condition: Callable[[], bool]) -> None:
        def met() -> bool:
            self.check()
            return condition()

        try:
            wait_until(met)
        except AssertionError:
            raise AssertionError(self.log()[-3000:]) from None


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    settings = CloudSettings(boot_ranges_s=((0, 60.0, 90.0),), list_lag_s=20.0)
    with EmulatorServer(Cloud(settings, ScaledClock(SPEED))) as server:
        with server.cloud.lock:
            server.cloud.ssh_keys.add("key", "ssh-ed25519 x")
        environment = {
            **os.environ,
            "LAMBDA_API_URL": server.url,
            "LAMBDA_API_KEY": "any-key",
            "SOPHIA_HOME": str(tmp_path / "home"),
        }
        made = Site(server.cloud, tmp_path, environment)
        made.asks(0)
        yield made
        with server.cloud.lock:
            server.cloud.faults.clear()
        for process in made.started:
            process.kill()
            process.wait(10)


def kill_at(site: Site, process: subprocess.Popen[bytes], rule: Any) -> None:
    """End it while the service holds its request, and let the service go on."""
    site.wait(lambda: rule.holding > 0 or process.poll() is not None)
    assert process.poll() is None, site.log()
    process.kill()
    process.wait(10)
    # The request has left: the cloud carries it out although nobody waits for the answer.
    site.release(rule)


@pytest.mark.parametrize(
    ("operation", "when"),
    [
        ("listInstances", "before"),
        ("listInstances", "after"),
        ("listInstanceTypes", "before"),
        ("launchInstance", "before"),
        ("launchInstance", "after"),
        ("terminateInstance", "before"),
        ("terminateInstance", "after"),
    ],
)
def test_a_scaler_that_is_killed_is_followed_by_one_that_goes_on(
    site: Site, record_property: Record, operation: str, when: str
) -> None:
    is_end = operation == "terminateInstance"
    process = site.start()
    if is_end:
        site.asks(MAX)
        site.wait(lambda: len(site.rows("active")) == MAX)
        rule = site.hold(operation, when)
        site.asks(0)
    else:
        rule = site.hold(operation, when)
        site.asks(MAX)
    kill_at(site, process, rule)
    site.start()
    if not is_end:
        site.wait(lambda: len(site.rows("active")) == MAX)
        site.asks(0)
    site.wait(lambda: not site.rows(*BILLED))
    everything = site.cloud.dump()["instances"]
    doubles = max(0, len(everything) - MAX)
    assert "Traceback" not in site.log()
    record_property(
        KILL_ROW, kill_row(operation, "scaler", f"{when} the work", len(everything), 0, 0, doubles)
    )
    assert doubles == 0


def test_a_second_scaler_waits_and_takes_over_when_the_first_is_killed(
    site: Site, record_property: Record
) -> None:
    first = site.start()
    site.wait(lambda: any(one["leads"] for one in site.reports()))
    site.start()
    site.wait(lambda: any(not one["leads"] for one in site.reports()))
    site.asks(1)
    site.wait(lambda: len(site.rows("active")) == 1)
    first.kill()
    first.wait(10)
    site.asks(MAX)
    site.wait(lambda: len(site.rows("active")) == MAX)
    site.asks(0)
    site.wait(lambda: not site.rows(*BILLED))
    launched = len(site.cloud.dump()["instances"])
    record_property(KILL_ROW, kill_row("any", "scaler", "beside a second", launched, 0, 0, launched - MAX))
    assert launched == MAX


def test_one_that_is_killed_again_and_again_comes_to_what_was_asked_for(site: Site) -> None:
    site.asks(MAX)
    for operation, when in (
        ("launchInstance", "after"),
        ("listInstances", "after"),
        ("launchInstance", "before"),
    ):
        rule = site.hold(operation, when)
        kill_at(site, site.start(), rule)
    site.start()
    site.wait(lambda: len(site.rows("active")) == MAX)
    assert len(site.cloud.dump()["instances"]) == MAX
