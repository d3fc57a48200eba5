"""The engine room against the real engine, with a small project of its own: no emulator, no account.

Costs about 60 s, and 5 minutes more where the engine has to be built first (said on the terminal). It buys
the proof of what other tests take for granted: options, event log, exit codes, locks and signals of the CLI.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.engine import (
    BuildProgress,
    Engine,
    Event,
    Home,
    LockHolder,
    OperationOptions,
    OperationResult,
    PassphraseWrong,
    PolicyRefused,
    ResourceStarted,
    StackLocked,
    StackMissing,
    UnexpectedChanges,
    UpdateCancelled,
    UpdateFailed,
    ensure_stack,
    export_stack,
    find_engine,
    lock_holders,
    open_home,
    prepare_stack,
    run_operation,
    stack_outputs,
    unlock_if_dead,
)
from sophia_infra.engine.run import Verb

pytestmark = pytest.mark.engine

STACK_FILE = "config:\n  sophia:phase: 1 # kept\n  small:count: 2\n  small:seconds: '0'\n"
PROGRAM = """\
import pulumi
from small_provider import Thing
config = pulumi.Config()
for number in range(config.require_int("count")):
    Thing(f"thing{number}", {"seconds": config.require("seconds"), "refused": config.get("refused")})
pulumi.export("phase", pulumi.Config("sophia").require_int("phase"))
pulumi.export("password", pulumi.Output.secret("hunter2"))
"""
PROVIDER = """\
import os, time
from pulumi.dynamic import CreateResult, Resource, ResourceProvider
class Provider(ResourceProvider):
    serialize_as_secret_always = False
    def create(self, props):
        note("create " + props["name"])
        time.sleep(float(props["seconds"]))
        if props.get("refused") == props["name"]:
            raise RuntimeError("no capacity in us-east-3")
        note("created " + props["name"])
        return CreateResult(props["name"], dict(props))
    def delete(self, identity, props):
        note("delete " + identity)
class Thing(Resource):
    def __init__(self, name, props):
        super().__init__(Provider(), name, {"name": name, **props})
def note(line):
    with open(os.path.join(os.path.dirname(__file__), "calls"), "a") as calls:
        print(os.getpid(), line, file=calls)
"""
POLICY_PACK = """\
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy
def forbid(args, report):
    if args.name == "thing1":
        report("thing1 costs too much")
PolicyPack("small", policies=[
    ResourceValidationPolicy("budget", "Stay in the budget.", forbid, EnforcementLevel.MANDATORY)])
"""


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Engine:
    capture = request.config.pluginmanager.getplugin("capturemanager")
    shown_s = 0.0

    def say(progress: BuildProgress) -> None:
        nonlocal shown_s
        if progress.elapsed_s >= shown_s:
            shown_s = progress.elapsed_s + 15
            count = f"{progress.packages_done}/{progress.packages_total}"
            with capture.global_and_fixture_disabled():
                print(f"\nengine: {progress.elapsed_s:.0f} s, {count} packages, {progress.line}", flush=True)

    home = open_home(environ={"SOPHIA_HOME": str(tmp_path_factory.mktemp("home"))})
    return find_engine(home, progress=say)


@dataclass
class Project:
    """A project in a temporary folder and the usual way through the engine room."""

    engine: Engine
    home: Home

    def run(
        self,
        verb: Verb,
        *,
        on_event: Callable[[Event], None] | None = None,
        environ: dict[str, str] | None = None,
        phase: int | None = None,
        **options: Any,
    ) -> OperationResult:
        environ = dict(os.environ) if environ is None else environ
        stack = ensure_stack(
            self.engine, prepare_stack("local", self.home, phase=phase), self.home, environ=environ
        )
        return run_operation(
            self.engine,
            verb,
            stack,
            self.home,
            options=OperationOptions(**options),
            on_event=on_event,
            extra_environment={"PYTHONPATH": str(self.home.checkout)},
            environ=environ,
        )

    def resources(self) -> list[str]:
        deployment = export_stack(self.engine, "local", self.home)["deployment"]
        urns = [resource["urn"] for resource in deployment.get("resources", [])]
        return sorted(urn.rsplit("::", 1)[-1] for urn in urns if ":dynamic:" in urn)

    @property
    def calls(self) -> list[str]:
        """What the provider did so far: its pid, the verb and the name."""
        file = self.home.checkout / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def verbs(self) -> list[str]:
        return sorted(line.partition(" ")[2] for line in self.calls)

    def start_slow_up(self) -> subprocess.Popen[str]:
        """Start `up` of two things of 60 s each in another process; return once both are being created."""
        program = (
            "from pathlib import Path\n"
            "from sophia_infra.engine import *\n"
            f"home = open_home(checkout=Path({str(self.home.checkout)!r}))\n"
            f"engine = Engine(Path({str(self.engine.directory)!r}), '3.259.0', {self.engine.origin!r})\n"
            "stack = ensure_stack(engine, prepare_stack('local', home), home)\n"
            "options = OperationOptions(config={'small:seconds': '60'})\n"
            "run_operation(engine, 'up', stack, home, options=options,\n"
            f"              extra_environment={{'PYTHONPATH': {str(self.home.checkout)!r}}})\n"
        )
        process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
        wait_for(lambda: sum(" create " in line for line in self.calls) == 2)
        return process

    def holder(self) -> LockHolder:
        (holder,) = lock_holders(self.engine, "local", self.home)
        return holder


@pytest.fixture
def project(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    for name in list(os.environ):
        if name.startswith(("PULUMI_", "SOPHIA_")):
            monkeypatch.delenv(name)
    checkout = tmp_path / "small"
    checkout.mkdir()
    runtime = f"runtime: {{name: python, options: {{virtualenv: {sys.prefix}}}}}\n"
    (checkout / "Pulumi.yaml").write_text(f"name: small\n{runtime}")
    (checkout / "Pulumi.local.yaml").write_text(STACK_FILE)
    (checkout / "__main__.py").write_text(PROGRAM)
    (checkout / "small_provider.py").write_text(PROVIDER)
    (checkout / "policies").mkdir()
    (checkout / "policies" / "PulumiPolicy.yaml").write_text(runtime)
    (checkout / "policies" / "__main__.py").write_text(POLICY_PACK)
    project = Project(engine, open_home(checkout=checkout, environ={}))
    yield project
    assert (checkout / "Pulumi.local.yaml").read_text() == STACK_FILE, "the tracked stack file was changed"


def wait_for(condition: Callable[[], bool], *, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_a_stack_lives_from_preview_to_destroy(project: Project) -> None:
    started: list[str] = []

    def note(event: Event) -> None:
        if isinstance(event, ResourceStarted) and not event.step.is_bookkeeping:
            started.append(f"{event.step.op} {event.step.name}")

    planned = project.run("preview", phase=2)
    assert planned.changes == {"create": 3}
    assert project.calls == []
    assert project.run("up", on_event=note).changes == {"create": 3}
    assert sorted(started) == ["create thing0", "create thing1"]
    assert stack_outputs(project.engine, "local", project.home) == {"phase": 2, "password": "[secret]"}
    shown = stack_outputs(project.engine, "local", project.home, show_secrets=True)
    assert shown["password"] == "hunter2"
    assert project.run("up", expect_no_changes=True).changes == {"same": 3}
    assert project.run("refresh", expect_no_changes=True).changes == {"same": 3}
    with pytest.raises(UnexpectedChanges):
        project.run("preview", expect_no_changes=True, config={"small:count": "3"})
    assert "[urn=" in project.run("preview", diff=True).log_file.read_text()
    assert project.run("destroy").changes == {"delete": 3}
    assert project.resources() == []
    assert "delete thing0" in project.verbs()


def test_the_users_own_pulumi_is_neither_read_nor_written(project: Project, tmp_path: Path) -> None:
    trap = tmp_path / "user"
    (trap / ".pulumi").mkdir(parents=True)
    (trap / ".pulumi" / "credentials.json").write_text("not json: reading it is an error")
    for folder in (trap / ".pulumi", trap):
        folder.chmod(0o500)
    before = sorted((path, path.stat().st_mtime_ns) for path in trap.rglob("*"))
    environ = {
        **os.environ,
        "HOME": str(trap),
        "PULUMI_HOME": str(trap / ".pulumi"),
        "PULUMI_BACKEND_URL": "https://pulumi.invalid",
        "PULUMI_ACCESS_TOKEN": "pul-invalid",
        "PULUMI_CONFIG_PASSPHRASE": "not ours",
        "PULUMI_STACK": "production",
    }
    assert project.run("up", environ=environ).changes == {"create": 3}
    assert sorted((path, path.stat().st_mtime_ns) for path in trap.rglob("*")) == before
    for folder in (trap, trap / ".pulumi"):
        folder.chmod(0o700)


def test_a_resource_that_fails_is_named_with_its_reason(project: Project) -> None:
    with pytest.raises(UpdateFailed) as failed:
        project.run("up", config={"small:refused": "thing1"})
    assert failed.value.message == "up of stack 'local' failed: thing1: no capacity in us-east-3."
    assert project.resources() == ["thing0"]


def test_a_mandatory_policy_stops_a_preview(project: Project) -> None:
    with pytest.raises(PolicyRefused, match="stopped by budget") as refused:
        project.run("preview", policy_packs=[project.home.checkout / "policies"])
    (violation,) = refused.value.violations
    assert violation.message == "Stay in the budget.\nthing1 costs too much"


def test_a_stack_of_the_users_needs_the_users_passphrase(project: Project) -> None:
    (project.home.checkout / "Pulumi.staging.yaml").write_text("config: {}\n")
    stack = prepare_stack("staging", project.home)
    with pytest.raises(PassphraseWrong, match="is not set"):
        ensure_stack(project.engine, stack, project.home, environ=dict(os.environ))
    theirs = {**os.environ, "PULUMI_CONFIG_PASSPHRASE": "theirs"}
    ensure_stack(project.engine, stack, project.home, environ=theirs)
    assert "encryptionsalt" in stack.config_file.read_text()
    other = {**os.environ, "PULUMI_CONFIG_PASSPHRASE": "other"}
    with pytest.raises(PassphraseWrong, match="is wrong"):
        run_operation(project.engine, "preview", stack, project.home, environ=other)


def test_a_stack_that_nobody_made_is_missing(project: Project) -> None:
    with pytest.raises(StackMissing):
        export_stack(project.engine, "local", project.home)


def test_the_second_of_two_runs_is_refused_and_does_nothing(project: Project) -> None:
    project.run("preview")
    first = project.start_slow_up()
    calls = project.calls
    with pytest.raises(StackLocked, match=r"which still runs\. Nothing was touched\. Wait") as refused:
        project.run("up")
    assert refused.value.holders[0].pid == project.holder().pid
    with pytest.raises(StackLocked):
        unlock_if_dead(project.engine, "local", project.home)
    assert len(project.calls) == len(calls) == 2
    os.kill(project.holder().pid, signal.SIGKILL)
    first.communicate()


def test_a_killed_engine_takes_its_program_and_provider_with_it(project: Project) -> None:
    process = project.start_slow_up()
    provider = int(project.calls[0].split()[0])
    os.kill(project.holder().pid, signal.SIGKILL)
    assert "the engine was killed by signal 9" in process.communicate()[1]
    if project.engine.origin != "path":  # the official plugin lives on when its engine is killed
        wait_for(lambda: not is_running(provider), timeout_s=5)
    with pytest.raises(StackLocked, match="`sophia up` takes its lock away"):
        project.run("up")
    (holder,) = unlock_if_dead(project.engine, "local", project.home)
    assert holder.alive is False
    assert project.run("up").changes == {"create": 2, "same": 1}
    assert "created thing0" in project.verbs()


def test_a_run_killed_while_it_wrote_attributes_leaves_a_stack_that_can_be_unlocked(project: Project) -> None:
    process = project.start_slow_up()
    os.kill(project.holder().pid, signal.SIGKILL)
    process.communicate()
    torn = sorted((project.home.root / "state").rglob("small/local.json*.attrs"))
    assert torn
    for file in torn:
        file.write_text("")  # what a kill between its truncation and its writing leaves
    with pytest.raises(StackLocked, match="That run died"):
        project.run("up")
    (holder,) = unlock_if_dead(project.engine, "local", project.home)
    assert holder.alive is False
    assert not any(file.exists() for file in torn)
    assert project.run("up").changes == {"create": 2, "same": 1}


def test_the_first_interrupt_lets_what_runs_end_and_be_recorded(project: Project) -> None:
    interrupted: list[str] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, ResourceStarted) and event.step.name.startswith("thing") and not interrupted:
            interrupted.append(event.step.name)
            wait_for(lambda: len(project.calls) >= 1)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(UpdateCancelled) as cancelled:
        project.run("up", on_event=interrupt, config={"small:seconds": "1"})
    assert not cancelled.value.forced
    assert lock_holders(project.engine, "local", project.home) == ()
    created = [line.removeprefix("created ") for line in project.verbs() if line.startswith("created ")]
    assert project.resources() == sorted(created) != []


def test_the_second_interrupt_ends_the_engine_at_once(project: Project) -> None:
    process = project.start_slow_up()
    engine_pid = project.holder().pid
    process.send_signal(signal.SIGINT)
    wait_for(
        lambda: any("^C received; cancelling" in file.read_text() for file in project.home.logs.glob("*.log"))
    )
    process.send_signal(signal.SIGINT)
    assert "a step may have been cut off" in process.communicate(timeout=30)[1]
    assert not is_running(engine_pid)
    assert not is_running(int(project.calls[0].split()[0]))
