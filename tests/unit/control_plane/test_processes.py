"""With real processes: a stand-in could not say what the kernel does with numbers and signals."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sophia_infra.control_plane.processes import Process, forget, is_running, read_record, start, stop

SLEEP = "import time; print('up', flush=True); time.sleep(60)"
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


class Starter:
    def __init__(self, folder: Path) -> None:
        self.record = folder / "record"
        self.log = folder / "log"
        self.started: list[Process] = []

    def __call__(self, program: str) -> Process:
        """Start a Python program and return once it is up."""
        command = [sys.executable, "-IS", "-c", program]
        process = start(command, record=self.record, log=self.log, environment={"ONLY": "this"})
        self.started.append(process)
        while is_running(process) and "up" not in self.log.read_text():
            os.sched_yield()
        return process


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Starter]:
    starter = Starter(tmp_path)
    yield starter
    stop(starter.started, grace_s=0)


def test_a_started_process_is_found_again_by_its_record(run: Starter) -> None:
    process = run(SLEEP)
    assert read_record(run.record) == process
    assert is_running(process)
    assert os.getsid(process.pid) == process.pid  # a Ctrl-C in the terminal does not reach it


def test_its_output_goes_to_the_log_and_the_log_before_is_kept(run: Starter) -> None:
    first = run("print('up', 'first')")
    while is_running(first):
        os.sched_yield()
    run("import os, sys; print('up', dict(os.environ), file=sys.stderr)")
    assert run.log.with_name("log.old").read_text() == "up first\n"
    assert run.log.stat().st_mode & 0o777 == 0o600


def test_it_sees_only_the_environment_it_is_given(run: Starter) -> None:
    process = run("import os; print('up', sorted(set(os.environ) - {'LC_CTYPE'}))")
    while is_running(process):
        os.sched_yield()
    assert run.log.read_text() == "up ['ONLY']\n"


def test_stop_ends_it_and_the_record_can_be_forgotten(run: Starter) -> None:
    process = run(SLEEP)
    assert stop([process]) == ()
    assert not is_running(process)
    forget(run.record)
    assert read_record(run.record) is None


def test_one_that_does_not_listen_is_killed(run: Starter) -> None:
    process = run(DEAF)
    assert stop([process], grace_s=0.05) == ()
    assert not is_running(process)


def test_a_number_that_somebody_else_has_now_is_never_signalled(run: Starter) -> None:
    other = run(SLEEP)
    ours = replace(other, began="another boot:1")
    assert not is_running(ours)
    assert stop([ours], grace_s=0) == ()
    assert is_running(other)


def test_one_that_lives_on_is_returned(run: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    process = run(SLEEP)
    sent: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", lambda pid, number: sent.append(number))
        time_s = iter(range(100))
        left = stop([process], sleep=lambda _: None, clock=lambda: next(time_s))
    assert left == (process,)
    assert sent == [signal.SIGTERM, signal.SIGKILL]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_start_that_was_killed_before_it_wrote_the_number_is_found(run: Starter) -> None:
    process = run(SLEEP)
    run.record.write_text(json.dumps({"pid": 0, "began": "", "command": process.command}))
    assert read_record(run.record) == process
    stop([process])
    assert read_record(run.record) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"pid": "x"}'])
def test_a_damaged_record_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "record").write_text(text)
    assert read_record(tmp_path / "record") is None
