"""`sophia up` as a user runs it: the real command, the real engine, an emulator of its own in the background.

Each update costs three to five seconds of processor time. What that buys: the moments at which a person
presses Ctrl-C or a machine loses a process, seen from outside and counted by the cloud.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.local_emulator import EmulatorEndpoint, find_emulator
from sophia_infra.engine.home import Home, open_home
from sophia_infra.engine.locate import Engine
from sophia_infra.engine.locks import find_locks
from sophia_infra.provider.tags import LAUNCH_TAG, LAUNCHED_AT_TAG, NAME_TAG, STACK_TAG
from tests.engine.project import A10, A6000, CHECKOUT, PUBLIC_KEY

pytestmark = pytest.mark.engine

SPEED = 600.0
LIVE = ("booting", "active", "unhealthy")
TIMEOUT_S = 120.0
TAGS = {STACK_TAG: "sophia-infra/local", NAME_TAG: "lost", LAUNCH_TAG: "g1-0123456789abcdef"}


@dataclass(frozen=True)
class Finished:
    """How one command ended; `said` has its white space made equal."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return " ".join(f"{self.out} {self.err}".split())


@dataclass
class CliProject:
    """A project folder with a home of its own, and the command on it."""

    root: Path
    home: Home
    background: ExitStack

    def write(self, fleet: Mapping[str, Any], *, speed: float = SPEED, **further: Any) -> None:
        values = {
            "phase": 1,
            "endpoint": "emulator",
            "emulator": {"speed": speed},
            "budget": {"limit": "$500/day"},
            "ssh": {"public_key": PUBLIC_KEY},
            "fleet": dict(fleet),
            **further,
        }
        config = {f"sophia:{key}": value for key, value in values.items()}
        text = yaml.safe_dump({"config": config}, sort_keys=False)
        (self.root / "Pulumi.local.yaml").write_text(text, encoding="utf-8")

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PULUMI_", "SOPHIA_HOME", "SOPHIA_PROJECT", "LAMBDA_"))
        }
        environment |= {"SOPHIA_HOME": str(self.home.root), "SOPHIA_PROJECT": str(self.root)}
        with subprocess.Popen(
            [sys.executable, "-m", "sophia_infra.cli", *arguments],
            env=environment,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def sophia(self, *arguments: str) -> Finished:
        with self.started(*arguments) as process:
            return finish(process)

    def up(self, *arguments: str) -> Finished:
        """`sophia up`, which must end well."""
        done = self.sophia("up", *arguments)
        assert done.code == 0, done.said
        return done

    def start_emulator(self, speed: float = SPEED) -> EmulatorEndpoint:
        """Before the command does, so that a fault can be set. Same files, so the command finds it."""
        files = {"--state-file": "cloud.json", "--endpoint-file": "endpoint.json"}
        options = [word for name, file in files.items() for word in (name, str(self.home.emulator / file))]
        self.background.enter_context(self.started("emulator", "--speed", str(speed), *options))
        wait_until(lambda: find_emulator(self.home) is not None)
        endpoint = find_emulator(self.home)
        assert endpoint is not None
        return endpoint

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        endpoint = find_emulator(self.home)
        assert endpoint is not None
        answer = requests.request(method, f"{endpoint.url}/_emulator/{path}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def hold(self, operation: str, when: str) -> str:
        return str(
            self.control("POST", "faults", {"operation": operation, "when": when, "action": "hold"})[
                "fault_id"
            ]
        )

    def wait_until_held(self, fault: str) -> None:
        wait_until(lambda: self.control("GET", f"faults/{fault}")["holding"] > 0)

    def machines(self) -> list[dict[str, Any]]:
        """Every machine that was ever launched."""
        return list(self.control("GET", "state")["instances"])

    def live(self) -> dict[str, str]:
        return {row["name"]: row["id"] for row in self.machines() if row["status"] in LIVE}

    def state(self) -> dict[str, Any]:
        file = self.home.state / ".pulumi/stacks/sophia-infra/local.json"
        if not file.exists():
            return {}
        return dict(json.loads(file.read_text(encoding="utf-8"))["checkpoint"].get("latest", {}))

    def ids_in_state(self) -> dict[str, str]:
        return {
            row["urn"].rsplit("::", 1)[-1]: row["id"]
            for row in self.state().get("resources", ())
            if row["type"].endswith("lambda:Instance") and not row.get("delete")
        }

    def check_nothing_lost_or_doubled(self, *names: str) -> None:
        """Cloud and state hold the same machines, one for each name, and never two at once for one key."""
        assert self.live() == self.ids_in_state()
        assert sorted(self.live()) == sorted(names)
        spans = sorted(
            (
                (row["launched_at_s"], row["ended_at_s"], row["tags"][LAUNCH_TAG], row["name"])
                for row in self.machines()
            ),
            key=lambda span: span[0],
        )
        for first, second in itertools.combinations(spans, 2):
            assert first[2:] != second[2:] or (first[1] is not None and first[1] <= second[0])

    def engine_pid(self) -> int:
        """The pulumi command of this project, by its stack file on the command line."""
        marker = str(self.home.stacks).encode()
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with suppress(OSError):
                    words = (folder / "cmdline").read_bytes().split(b"\0")
                    if words[0].endswith(b"/pulumi") and marker in b" ".join(words):
                        return int(folder.name)
        raise AssertionError("no engine runs")


@pytest.fixture
def project(tmp_path: Path, engine: Engine) -> Iterator[CliProject]:
    """A project whose emulator is not started yet; whatever runs at the end is ended."""
    root = tmp_path / "project"
    root.mkdir()
    shutil.copy(CHECKOUT / "__main__.py", root)
    document = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text(encoding="utf-8"))
    document["runtime"]["options"]["virtualenv"] = sys.prefix
    (root / "Pulumi.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    home = open_home(checkout=root, environ={"SOPHIA_HOME": str(tmp_path / "home")})
    with ExitStack() as background:
        yield CliProject(root, home, background)
    endpoint = find_emulator(home)
    if endpoint is not None:
        os.kill(endpoint.pid, signal.SIGKILL)


def finish(process: subprocess.Popen[str]) -> Finished:
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert "Traceback" not in out + err, out + err
    return Finished(process.returncode, out, err)


def wait_until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    """Read what the command prints until `text` comes: it shows progress while it works, not at the end."""
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"it ended and never said {text!r}")


def is_running(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def test_a_stack_comes_up_grows_and_goes_down(project: CliProject) -> None:
    project.write({"front": A10, "back": {**A6000, "phase": 2}})

    planned = project.sophia("preview", "--phase", "2")
    assert planned.code == 0
    assert "Would be: " in planned.said
    assert project.machines() == []

    first = project.up()
    row = next(line for line in first.out.splitlines() if line.startswith("front "))
    for shown in ("gpu_1x_a10", "x86_64", "us-west-1", "active", "$1.29", "$928.80"):
        assert shown in row
    assert "back" not in first.out
    assert "created" in first.said
    assert "on the emulator, engine Pulumi 3." in first.said
    assert "9 % of it at this rate" in first.said or "6 % of it at this rate" in first.said
    assert "Next: `sophia status`" in first.said

    assert "No changes (" in project.up().said
    assert len(project.machines()) == 1

    grown = project.sophia("preview", "--phase", "2")
    assert grown.code == 0, grown.said
    assert "Would be: " in grown.said
    assert json.loads(project.sophia("status", "--json").out)["phase"] == 1

    assert json.loads(project.up("--phase", "2", "--json").out)["changes"]["create"] == 1
    again = project.up()
    assert "No changes (" in again.said
    assert "Phase 2 was asked for in an earlier run" in again.said
    project.check_nothing_lost_or_doubled("front", "back")

    down = project.sophia("down")
    assert down.code == 0, down.said
    assert "Nothing of this stack runs; it costs $0.00/h. The emulator was stopped." in down.said
    assert find_emulator(project.home) is None
    assert project.ids_in_state() == {}
    kept = json.loads((project.home.emulator / "cloud.json").read_text())["state"]
    assert {row["status"] for row in kept["instances"].values()} <= {"terminating", "terminated"}
    assert [kept[kind] for kind in ("ssh_keys", "filesystems", "rulesets")] == [{}, {}, {}]
    assert "is stopped, so nothing runs" in project.sophia("status").said


def test_ctrl_c_lets_the_running_launch_end_and_the_next_up_goes_on(project: CliProject) -> None:
    project.write({"front": A10, "back": A6000})
    project.start_emulator()
    fault = project.hold("launchInstance", "before")
    with project.started("up") as process:
        project.wait_until_held(fault)
        process.send_signal(signal.SIGINT)
        wait_for_line(process, "stopping when the steps that run have ended; Ctrl-C again stops at once")
        project.control("POST", f"faults/{fault}/release", {})
        done = finish(process)
    assert done.code == ExitCode.INTERRUPTED
    assert "was stopped; what was finished is recorded. Start it again to go on." in done.said
    assert project.live() == project.ids_in_state()

    project.up()
    project.check_nothing_lost_or_doubled("front", "back")
    assert len(project.machines()) == 2


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_ends_the_wait_for_a_boot_and_loses_nothing(project: CliProject, presses: int) -> None:
    project.write({"front": A10})
    project.start_emulator(speed=5.0)  # on this clock a boot takes 48 seconds, and a poll one
    with project.started("up") as process:
        wait_for_line(process, "0 of 1 ready; waiting for front")
        process.send_signal(signal.SIGINT)
        if presses > 1:
            wait_for_line(process, "stopping when the steps that run have ended")
            process.send_signal(signal.SIGINT)
        pressed_s = time.monotonic()
        done = finish(process)
    assert done.code == ExitCode.INTERRUPTED
    assert "was stopped" in done.said
    assert time.monotonic() - pressed_s < 15
    (machine,) = project.live().values()

    project.control("POST", "advance", {"seconds": 300})
    project.up()
    assert project.live() == {"front": machine}
    project.check_nothing_lost_or_doubled("front")


@pytest.mark.parametrize("victims", ["command", "command and engine"])
def test_a_killed_command_costs_no_machine(project: CliProject, victims: str) -> None:
    project.write({"front": A10, "back": A6000})
    project.start_emulator()
    fault = project.hold("launchInstance", "after")
    with project.started("up") as process:
        project.wait_until_held(fault)
        engine = project.engine_pid()
        process.kill()
        process.communicate()
    if victims == "command":
        refused = project.sophia("up")
        assert refused.code == ExitCode.LOCKED
        assert f"is locked by process {engine}" in refused.said
        assert "which still runs. Nothing was touched." in refused.said
    else:
        os.kill(engine, signal.SIGKILL)
    project.control("POST", f"faults/{fault}/release", {})
    wait_until(lambda: not is_running(engine))
    if victims != "command":
        assert find_locks(project.home.state, "sophia-infra", "local") != ()

    project.up()
    project.check_nothing_lost_or_doubled("front", "back")
    assert len(project.machines()) == 2
    assert find_locks(project.home.state, "sophia-infra", "local") == ()
    assert not project.state().get("pending_operations"), "interrupted creates are settled, not warned of"
    assert "No changes (" in project.up().said


def test_a_killed_emulator_keeps_its_cloud_and_up_completes_it(project: CliProject) -> None:
    project.write({"front": A10, "back": A6000})
    emulator = project.start_emulator()
    fault = project.hold("launchInstance", "after")
    with project.started("up") as process:
        project.wait_until_held(fault)
        os.kill(emulator.pid, signal.SIGKILL)
        failed = finish(process)
    assert failed.code == ExitCode.FAILED
    assert find_emulator(project.home) is None

    project.up()
    project.check_nothing_lost_or_doubled("front", "back")
    assert len(project.machines()) == 2


def test_doctor_finds_a_machine_that_nobody_remembers_and_ends_it(project: CliProject) -> None:
    project.write({"front": A10})
    project.up()
    (kept,) = project.live().values()
    endpoint = find_emulator(project.home)
    assert endpoint is not None
    assert project.sophia("doctor").code == ExitCode.OK
    orphan = _launch_by_hand(endpoint, project)

    found = project.sophia("doctor")
    assert found.code == ExitCode.FINDINGS
    assert f"orphan: lost {orphan}" in found.said
    assert "costs $1.09/h, $" in found.said
    fix = f"sophia doctor --stack local --terminate {orphan}"
    assert f"fix: {fix}" in found.said
    warned = project.sophia("up")
    assert warned.code == ExitCode.FINDINGS
    assert "No changes (" in warned.said
    assert orphan in warned.said

    held = project.sophia("doctor", "--terminate", kept, "--yes")
    assert held.code == ExitCode.USAGE
    assert "is in the stack's state: remove it from the stack file instead" in held.said
    ended = project.sophia(*fix.split()[1:], "--yes")
    assert ended.code == ExitCode.OK, ended.said
    assert project.live() == {"front": kept}
    assert project.sophia("doctor").code == ExitCode.OK


def _launch_by_hand(endpoint: EmulatorEndpoint, project: CliProject) -> str:
    """A machine with our tags that no run of ours launched."""
    state = project.control("GET", "state")
    tags = {**TAGS, LAUNCHED_AT_TAG: str(int(state["now_s"]))}
    body = {
        "region_name": "us-south-1",
        "instance_type_name": "gpu_1x_a6000",
        "ssh_key_names": [state["ssh_keys"][0]["name"]],
        "name": "lost",
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    answer = requests.post(
        f"{endpoint.url}/api/v1/instance-operations/launch",
        json=body,
        headers={"Authorization": "Bearer any"},
        timeout=10,
    )
    answer.raise_for_status()
    return str(answer.json()["data"]["instance_ids"][0])
