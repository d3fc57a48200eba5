"""A command is a process of its own: output kept, Ctrl-C passed on, ended with its runner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sophia_infra.migration.children import last_lines, run_child, still_runs

PYTHON = (sys.executable, "-I", "-S", "-c")
WAITS = "import sys, time; print('ready', flush=True); time.sleep(60)"


def run(program: str, log_file: Path, seen: list[str] | None = None) -> tuple[int, bool]:
    shown = [] if seen is None else seen
    ended = run_child(
        [*PYTHON, program],
        log_file,
        environment=dict(os.environ),
        on_start=lambda child: shown.append(f"alive: {still_runs(child)}"),
        on_output=shown.append,
    )
    return ended.exit_code, ended.stop_asked


def test_output_of_both_streams_is_kept_and_the_exit_code_told(tmp_path: Path) -> None:
    log_file = tmp_path / "log"
    program = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(6)"
    seen: list[str] = []
    assert run(program, log_file, seen) == (6, False)
    assert log_file.read_text() == "out\nerr\n"
    assert seen[0] == "alive: True"


def test_a_command_killed_by_a_signal_has_the_code_of_a_shell(tmp_path: Path) -> None:
    assert run("import os; os.kill(os.getpid(), 9)", tmp_path / "log") == (137, False)


def test_ctrl_c_reaches_the_command_and_is_told(tmp_path: Path) -> None:
    log_file = tmp_path / "log"

    def press() -> None:
        while not last_lines(log_file, 1):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    code, stop_asked = run(WAITS, log_file)
    assert stop_asked
    assert code != 0
    assert "KeyboardInterrupt" in log_file.read_text()


def test_a_command_does_not_outlive_a_killed_runner(tmp_path: Path) -> None:
    log_file = tmp_path / "log"
    runner = (
        "import os, sys; from pathlib import Path; from sophia_infra.migration.children import run_child\n"
        f"run_child([{sys.executable!r}, '-I', '-S', '-c', {WAITS!r}], Path({str(log_file)!r}),"
        " environment=dict(os.environ), on_start=lambda child: print(*child, flush=True),"
        " on_output=lambda line: None)"
    )
    with subprocess.Popen([sys.executable, "-c", runner], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid, started = map(int, process.stdout.readline().split())
        deadline_s = time.monotonic() + 60
        while not last_lines(log_file, 1):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        assert still_runs((pid, started))
        process.kill()
    while still_runs((pid, started)):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_another_process_of_the_same_number_is_not_taken_for_the_command() -> None:
    assert not still_runs((os.getpid(), 1))
    assert not still_runs((os.getpid(), 0))


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    log_file = tmp_path / "log"
    log_file.write_text("x" * 10_000 + "\n\nlast but one\n\nlast\n")
    assert last_lines(log_file, 2) == ["last but one", "last"]
    assert last_lines(tmp_path / "none", 2) == []


@pytest.mark.parametrize("missing", ["/nowhere/python"])
def test_a_program_that_is_not_there_ends_with_a_code(tmp_path: Path, missing: str) -> None:
    ended = run_child(
        [missing],
        tmp_path / "log",
        environment=dict(os.environ),
        on_start=lambda _child: None,
        on_output=lambda _line: None,
    )
    assert ended.exit_code != 0
