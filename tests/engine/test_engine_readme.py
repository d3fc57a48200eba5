"""The README's commands, run as they stand there, in an empty project folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.engine.locate import Engine
from tests.engine.project import CHECKOUT

pytestmark = pytest.mark.engine

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_the_first_command_ends_in_the_table_and_the_ten_lines_work(tmp_path: Path, engine: Engine) -> None:
    up = _run("make --no-print-directory up", tmp_path)
    assert "5 instances" in up
    assert "$7.35" in up
    assert "$5,292.00" in up
    assert up.count(" active ") == 5

    call = next(line.strip() for line in up.splitlines() if line.strip().startswith("curl -sK "))
    assert call.partition("/inference/curl")[2] in README
    answer = json.loads(_run(call, tmp_path))
    usage = json.loads(_run("sophia inference usage --json", tmp_path))
    assert usage["total"]["requests"] == 1
    assert usage["total"]["output_tokens"] == answer["usage"]["completion_tokens"] > 0
    # The plan's prices of qwen-3-32b, exactly.
    tokens = answer["usage"]
    usd = (tokens["prompt_tokens"] * Decimal("0.10") + tokens["completion_tokens"] * Decimal("0.30")) / 10**6
    assert Decimal(usage["total"]["usd"]) == usd

    ten = _shell_block("## Ten lines of use").splitlines()
    *lines, down = [*ten[:-1], *_shell_block("And, before `down`:").splitlines(), ten[-1]]
    assert len(ten) == 10
    outputs = {line.partition("#")[0].strip(): _run(line, tmp_path) for line in [*lines, down]}

    assert "No changes" in outputs["sophia preview"]
    assert "state and account agree" in outputs["sophia doctor"]
    assert "costs $0.00/h" in outputs["sophia down --yes"]


def test_the_second_command_is_a_target_of_the_makefile() -> None:
    assert "make test " in _shell_block("## Two commands")
    dry = subprocess.run(["make", "-n", "test"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert "tools/run_tests.py" in dry.stdout


def test_the_documented_exit_codes_are_those_of_the_command() -> None:
    documented = re.findall(r"^\| (\d+) \|", README, re.MULTILINE)
    assert [int(code) for code in documented] == sorted(ExitCode)


def _shell_block(heading: str) -> str:
    section = README.partition(heading)[2]
    match = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert match, heading
    return match[1]


def _run(line: str, home: Path) -> str:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("LAMBDA_API_URL", "LAMBDA_API_KEY")
    }
    environment |= {"SOPHIA_HOME": str(home), "PATH": f"{CHECKOUT}/.venv/bin:{environment['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", line], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    return done.stdout
