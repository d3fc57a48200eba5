"""docs/inference.md: its commands and its program, run as they stand there, beside the local gateway."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sophia_infra.cli.local_inference import LocalInference, ensure_local_inference, stop_local_inference
from sophia_infra.engine.home import Home, open_home
from sophia_infra.model.stack_config import load_stack_config
from tests.engine.project import CHECKOUT

DOCUMENT = (CHECKOUT / "docs" / "inference.md").read_text(encoding="utf-8")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    opened = open_home(checkout=CHECKOUT, environ={"SOPHIA_HOME": str(tmp_path / "home")})
    yield opened
    stop_local_inference(opened)


@pytest.fixture
def gateway(home: Home) -> LocalInference:
    config = load_stack_config(CHECKOUT / "Pulumi.local.yaml").gateway
    assert config is not None
    return ensure_local_inference(home, config)


def test_the_commands_work_and_the_ledger_knows_the_call(home: Home, gateway: LocalInference) -> None:
    lines = _block("sh").splitlines()
    outputs = [_run(line.replace(".sophia/", f"{home.root}/"), home) for line in lines]
    answer = json.loads(outputs[0])
    assert answer["usage"]["completion_tokens"] > 0
    assert "llama-4-scout-17b-16e-instruct" in outputs[1]
    assert "73.1 % less" in outputs[3]
    assert "keep the key" in outputs[4]


def test_the_program_prints_an_answer_and_its_exact_cost(home: Home, gateway: LocalInference) -> None:
    environment = {**os.environ, **gateway.variables(), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-c", _block("python")],
        env=environment,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r" \d+ 0\.0{3,}\d+$", done.stdout.strip()), done.stdout


def test_the_plans_own_import_works_from_the_copied_file(home: Home, tmp_path: Path) -> None:
    services = tmp_path / "backend" / "services"
    services.mkdir(parents=True)
    script = (CHECKOUT / "scripts" / "lambda_serverless_service.py").read_text(encoding="utf-8")
    (services / "lambda_serverless_service.py").write_text(script, encoding="utf-8")
    program = (
        "from backend.services.lambda_serverless_service import LambdaServerlessService as Service\n"
        "print(sorted(name for name in ('generate_async', 'track_usage') if hasattr(Service, name)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['generate_async', 'track_usage']"


def test_the_plans_configure_script_is_the_command(home: Home, gateway: LocalInference) -> None:
    said = _run("python scripts/configure_lambda_serverless.py --json", home)
    assert json.loads(said)["url"] == gateway.url


def _block(language: str) -> str:
    match = re.search(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    assert match, language
    return match[1]


def _run(line: str, home: Home) -> str:
    environment = {**os.environ, "SOPHIA_HOME": str(home.root), "LAMBDA_API_URL": ""}
    environment["PATH"] = f"{CHECKOUT}/.venv/bin:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    return done.stdout
