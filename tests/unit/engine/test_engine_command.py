"""`python -m sophia_infra.engine`, which `make engine` runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.engine.fakes import FakeGo


@pytest.fixture
def environment(go: FakeGo, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": go.path,
        "SOPHIA_HOME": str(tmp_path / "home"),
        "SOPHIA_ENGINE_DIR": str(tmp_path / "cache"),
        "HOME": str(tmp_path),
    }


def run_command(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sophia_infra.engine"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_it_builds_once_and_says_where_the_engine_is(environment: dict[str, str]) -> None:
    first = run_command(environment)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("Pulumi 3.259.0, built now: ")
    assert first.stderr.startswith("[0:00] loading the Go modules of the Pulumi engine\n")
    second = run_command(environment)
    assert second.stdout == first.stdout.replace("built now", "built before")
    assert second.stderr == ""


def test_without_go_it_ends_with_one_sentence(environment: dict[str, str]) -> None:
    answer = run_command({**environment, "PATH": os.devnull})
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.startswith(
        "There is no Pulumi engine here, and no Go toolchain to build one. Either"
    )
    assert "Traceback" not in answer.stderr


def test_it_imports_no_pulumi_and_starts_fast() -> None:
    program = "import sys, sophia_infra.engine; print(sorted({m.partition('.')[0] for m in sys.modules}))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "'pulumi'" not in answer.stdout
    assert "'rich'" not in answer.stdout
    assert "'pydantic'" not in answer.stdout
