"""What is done on the machines: shell texts by a real bash, ssh by its arguments, the end by itself."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from sophia_infra.emulator import Cloud, CloudSettings, EmulatorServer
from sophia_infra.model.clock import VirtualClock
from sophia_infra.provider.run_tags import node_owner
from sophia_infra.training.access import JobLook, JobStart, Node
from sophia_infra.training.errors import MachineUnreachable
from sophia_infra.training.job_script import cancel_script, look_script, read_look, start_script
from sophia_infra.training.self_terminate import self_terminate_text
from sophia_infra.training.ssh import Completed, SshAccess, SubprocessExecutor
from tests.unit.training.ground import API_KEY, STACK, Ground

NODES = [Node(1, "a", "192.0.2.1", "10.0.0.1"), Node(3, "c", "192.0.2.3", "10.0.0.3")]


def job(command: str = "train.py", **more: object) -> JobStart:
    return JobStart("r1", 1, NODES, 8, command, **more)  # type: ignore[arg-type]


class Machine:
    """A home folder, a torchrun of our own on its PATH, and a bash that runs what would come by SSH."""

    def __init__(self, home: Path) -> None:
        self.home = home
        tools = home / "bin"
        tools.mkdir(parents=True)
        torchrun = tools / "torchrun"
        torchrun.write_text('#!/bin/bash\necho "$@" >> "$HOME/calls"\nshift 5\nexec "$@"\n')
        torchrun.chmod(0o755)
        self.environment = {"HOME": str(home), "PATH": f"{tools}:{os.environ['PATH']}"}

    def __call__(self, script: str) -> str:
        done = subprocess.run(
            ["bash", "-s"],
            input=script,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        return done.stdout

    def look(self, one: JobStart) -> JobLook:
        return read_look(self(look_script(one)))

    def wait_until(self, one: JobStart, state: str) -> JobLook:
        deadline = time.monotonic() + 20
        while (look := self.look(one)).state != state:
            assert time.monotonic() < deadline, look
            time.sleep(0.02)
        return look

    def end(self) -> None:
        for file in self.home.glob("sophia-training/*/start-*/pid"):
            try:
                os.killpg(int(file.read_text()), signal.SIGKILL)
            except (OSError, ValueError):
                continue


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path / "machine")
    yield machine
    machine.end()


def test_a_job_is_started_once_with_torchruns_options_and_leaves_its_code(machine: Machine) -> None:
    one = job("bash -c 'echo hello; exit 7'", variables={"TOKEN": 'it\'s "secret" $HOME'})
    assert machine.look(one) == JobLook("absent")
    assert "sophia-job begun" in machine(start_script(one, NODES[1]))
    assert machine.wait_until(one, "ended") == JobLook("ended", 7)
    assert "sophia-job begun" in machine(start_script(one, NODES[1]))
    [call] = (machine.home / "calls").read_text().splitlines()
    assert call.startswith(
        "--nnodes=2 --nproc-per-node=8 --node-rank=1 --master-addr=10.0.0.1 --master-port=29500 bash"
    )
    assert (machine.home / "sophia-training/r1/start-1/log").read_text() == "hello\n"


def test_a_jobs_environment_holds_what_was_named_and_only_its_user_can_read_it(machine: Machine) -> None:
    value = 'it\'s "secret" $HOME `id`'
    one = job(
        "bash -c 'echo \"$TOKEN\"; echo $SOPHIA_CHECKPOINTS; pwd'",
        variables={"TOKEN": value},
        checkpoints="/c",
    )
    machine(start_script(one, NODES[0]))
    machine.wait_until(one, "ended")
    folder = machine.home / "sophia-training/r1"
    assert (folder / "start-1/log").read_text().splitlines() == [value, "/c", str(folder)]
    assert (folder / "start-1/job.sh").stat().st_mode & 0o077 == 0
    assert value not in repr(one)


def test_two_starts_at_once_make_one_job(machine: Machine) -> None:
    """The second one looked before the first had begun, and goes on to run the same text."""
    one = job("sleep 60")
    machine(start_script(one, NODES[0]))
    machine.wait_until(one, "running")
    here = machine.home / "sophia-training/r1/start-1"
    assert machine(f"timeout 10 bash {here}/run.sh {here}; echo code $?") == "code 0\n"
    deadline = time.monotonic() + 10
    while not (machine.home / "calls").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert len((machine.home / "calls").read_text().splitlines()) == 1
    assert machine.look(one) == JobLook("running")


def test_a_running_job_outlives_who_started_it_and_is_cancelled_whole(machine: Machine) -> None:
    one = job("bash -c 'sleep 60 & echo $! > child; wait'")
    machine(start_script(one, NODES[0]))
    assert machine.wait_until(one, "running").state == "running"
    child_file = machine.home / "sophia-training/r1/child"
    deadline = time.monotonic() + 20
    while not (child_file.exists() and child_file.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    machine(cancel_script(one))
    assert machine.look(one).state == "ended"
    with pytest.raises(ProcessLookupError):
        os.kill(int(child_file.read_text()), 0)


def test_a_job_that_vanished_without_a_code_has_ended(machine: Machine) -> None:
    one = job("sleep 60")
    machine(start_script(one, NODES[0]))
    machine.wait_until(one, "running")
    machine.end()
    look = machine.wait_until(one, "ended")
    assert look.code == 255
    assert "vanished" in look.words


def test_rank_0_is_found_by_a_public_address_when_one_node_has_no_private_one() -> None:
    assert job().master_address == "10.0.0.1"
    mixed = JobStart("r", 1, [NODES[0], Node(2, "b", "192.0.2.2")], 8, "x")
    assert mixed.master_address == "192.0.2.1"


def ssh_with(
    tmp_path: Path, *answers: Completed, rsync: bool = True
) -> tuple[SshAccess, list[Sequence[str]]]:
    seen: list[Sequence[str]] = []
    given = iter(answers)

    def execute(command: Sequence[str], *, stdin: str, timeout_s: float) -> Completed:
        seen.append(command)
        assert "s3cret" not in " ".join(command), "a secret on a command line"
        return next(given)

    find: Callable[[str], str | None] = lambda name: f"/usr/bin/{name}" if rsync else None  # noqa: E731
    return SshAccess("ubuntu", tmp_path / "known hosts", execute, lambda _: True, find), seen


def test_ssh_is_asked_without_questions_and_learns_keys_of_this_run_alone(tmp_path: Path) -> None:
    access, seen = ssh_with(
        tmp_path, Completed(0, "sophia-job begun\n"), Completed(0, "sophia-job running\n")
    )
    one = job(variables={"TOKEN": "s3cret"})
    access.start(one, NODES[0])
    assert access.look(one, NODES[0]) == JobLook("running")
    command = list(seen[0])
    assert command[0] == "ssh"
    assert command[-2:] == ["ubuntu@192.0.2.1", "bash -s"]
    assert "BatchMode=yes" in command
    assert "StrictHostKeyChecking=accept-new" in command
    assert any(word.startswith("UserKnownHostsFile=") and "known\\ hosts" in word for word in command)


def test_what_ssh_says_is_passed_on_and_a_failed_connection_is_silence(tmp_path: Path) -> None:
    access, _ = ssh_with(
        tmp_path, Completed(255, "", "Connection refused"), Completed(255, "", "Permission denied")
    )
    assert access.look(job(), NODES[0]) == JobLook("silent", words="Connection refused")
    with pytest.raises(MachineUnreachable, match="Permission denied"):
        access.start(job(), NODES[0])


@pytest.mark.parametrize("rsync", [True, False])
def test_results_are_copied_by_rsync_or_scp(tmp_path: Path, rsync: bool) -> None:
    access, seen = ssh_with(tmp_path, Completed(0), Completed(23, "", "no such file"), rsync=rsync)
    access.collect(job(), NODES[0], "results", tmp_path / "back")
    assert seen[0][0] == ("rsync" if rsync else "scp")
    assert seen[0][-2:] == ["ubuntu@192.0.2.1:sophia-training/r1/results", f"{tmp_path}/back/"]
    with pytest.raises(MachineUnreachable, match="/data/x of node 1 was not copied: no such file"):
        access.collect(job(), NODES[0], "/data/x", tmp_path / "back")


def test_the_real_executor_runs_a_real_ssh_that_finds_nobody(tmp_path: Path) -> None:
    """A port where nothing listens: the system's own ssh says so, and no question is asked."""
    execute = SubprocessExecutor()
    done = execute(["ssh", "-o", "BatchMode=yes", "-p", "1", "127.0.0.1", "true"], stdin="", timeout_s=20)
    assert done.code == 255
    with pytest.raises(MachineUnreachable, match="cannot be run"):
        execute([str(tmp_path / "none")], stdin="", timeout_s=5)
    with pytest.raises(MachineUnreachable, match="did not end within 0 s"):
        execute(["sleep", "5"], stdin="", timeout_s=0.05)


@pytest.fixture(scope="module")
def _server(clock: VirtualClock) -> Iterator[EmulatorServer]:
    """Over HTTP: a machine that ends itself is another process."""
    with EmulatorServer(Cloud(CloudSettings(validate_answers=True), clock)) as server:
        yield server


def boot_text(ground: Ground, run_id: str, number: int, key: str = API_KEY) -> str:
    return self_terminate_text(
        base_url=ground.url,
        api_key=key,
        stack=STACK,
        run_id=run_id,
        number=number,
        deadline_s=1_790_003_600,
    )


def run_on_machine(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    files = {row["path"]: row["content"] for row in yaml.safe_load(text)["write_files"]}
    folder.mkdir()
    for name in ("self-terminate.json", "self-terminate.py"):
        (folder / name).write_text(files[f"/etc/sophia/{name}"])
    return subprocess.run(
        [sys.executable, "-I", "self-terminate.py", "self-terminate.json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_a_machine_ends_itself_and_no_other(ground: Ground, tmp_path: Path) -> None:
    for number in (1, 2):
        owner = node_owner(STACK, "r1", number)
        tags = {"sophia-stack": owner.stack, "sophia-name": owner.name, "sophia-run": "r1"}
        ground.launch_outside(f"node-{number}", tags)
    ground.launch_outside("somebody else's")
    done = run_on_machine(boot_text(ground, "r1", 2), tmp_path / "machine")
    assert (done.returncode, done.stderr) == (0, "")
    by_name = {row["name"]: row["status"] for row in ground.cloud.dump()["instances"]}
    assert by_name == {"node-1": "booting", "node-2": "terminating", "somebody else's": "booting"}


def test_a_machine_that_is_refused_says_so_to_systemd_and_is_tried_again(
    ground: Ground, tmp_path: Path
) -> None:
    ground.set(api_keys=["another"])
    done = run_on_machine(boot_text(ground, "r1", 1), tmp_path / "machine")
    assert done.returncode != 0
    [service] = [
        row["content"]
        for row in yaml.safe_load(boot_text(ground, "r1", 1))["write_files"]
        if "service" in row["path"]
    ]
    assert "Restart=on-failure" in service


def test_the_boot_text_of_a_machine_is_a_timer_for_its_deadline_and_its_key_is_roots(ground: Ground) -> None:
    document = yaml.safe_load(boot_text(ground, "r1", 1))
    files = {row["path"]: row for row in document["write_files"]}
    assert (
        "OnCalendar=2026-09-21 15:13:20 UTC"
        in files["/etc/systemd/system/sophia-self-terminate.timer"]["content"]
    )
    secret = files["/etc/sophia/self-terminate.json"]
    assert (secret["permissions"], secret["owner"]) == ("0600", "root:root")
    assert json.loads(secret["content"])["api_key"] == API_KEY
    assert re.search("systemctl.*enable", str(document["runcmd"]))


def test_a_run_with_self_terminate_gives_each_machine_its_text_and_no_file_keeps_the_key(
    ground: Ground,
) -> None:
    folder = ground.new_run(self_terminate_key_env="END_KEY")
    key = "a-key-of-its-own"
    state = ground.attend(folder, boot_text=lambda number: boot_text(ground, folder.run_id, number, key))
    assert state.outcome == "done"
    sizes = {row["user_data_bytes"] for row in ground.rows(folder.run_id)}
    assert min(sizes) > 1000
    for file in folder.path.rglob("*"):
        assert not file.is_file() or key not in file.read_text(errors="replace"), file
