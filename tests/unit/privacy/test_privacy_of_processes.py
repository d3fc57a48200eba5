"""Other users of the machine see no file of ours, and no crash writes our memory to a disk."""

from __future__ import annotations

import ast
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sophia_infra.cli.stack_context import open_stack
from sophia_infra.engine.event_log import new_run_files
from sophia_infra.engine.home import ensure_passphrase, open_home, write_private_file
from sophia_infra.lambda_cloud import Pacer
from sophia_infra.model.clock import VirtualClock
from sophia_infra.privacy import make_private_folders
from tests.engine.canaries import open_to_others

ROOT = Path(__file__).parents[3]
LIMIT = "import resource; print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
GUARDED = (
    "cli/main.py",
    "inference/gateway/__main__.py",
    "exporter/__main__.py",
    "scaling/serving/__main__.py",
    "training/__main__.py",
    "esc/emulator/__main__.py",
)
"""Programs that are given a secret and are not started by one of the others, or not always."""


@pytest.fixture
def careless() -> Iterator[None]:
    """A user whose umask closes nothing."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_no_child_of_a_guarded_process_can_write_a_core_dump() -> None:
    text = (
        "import subprocess, sys\n"
        "from sophia_infra.privacy import forbid_core_dumps\n"
        "forbid_core_dumps()\n"
        f"subprocess.run([sys.executable, '-c', {LIMIT!r}], check=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


@pytest.mark.parametrize("file", GUARDED)
def test_a_program_with_secrets_forbids_dumps_before_it_reads_one(file: str) -> None:
    tree = ast.parse((ROOT / "sophia_infra" / file).read_text(encoding="utf-8"))
    (main,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main")
    assert ast.unparse(main.body[1]) == "forbid_core_dumps()"


@pytest.mark.usefixtures("careless")
def test_all_missing_folders_are_made_private(tmp_path: Path) -> None:
    make_private_folders(tmp_path / "a/b/c")
    make_private_folders(tmp_path / "a/b/c")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a").rglob("*")] == [0o700, 0o700]
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


@pytest.mark.usefixtures("careless")
def test_a_home_is_closed_even_where_it_was_open_before(tmp_path: Path) -> None:
    (tmp_path / "home/state").mkdir(parents=True, mode=0o777)
    home = open_home(checkout=tmp_path, environ={"SOPHIA_HOME": str(tmp_path / "home")})
    ensure_passphrase(home)
    write_private_file(home.stacks / "Pulumi.local.yaml", "config: {}\n")
    new_run_files(home.logs, "up", "local")
    Pacer(home.pacing, "a-key", VirtualClock()).wait("request")
    assert len(list(home.root.rglob("*"))) > 10
    assert open_to_others(home.root) == []


def test_nothing_of_the_users_environment_is_put_back_into_the_engines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's environment leaves the user's Pulumi settings out for stack local: a state with secrets
    must not go to a backend that was meant for something else.
    """
    monkeypatch.setenv("SOPHIA_HOME", str(tmp_path))
    monkeypatch.setenv("SOPHIA_PROJECT", str(ROOT))
    monkeypatch.delenv("LAMBDA_API_URL", raising=False)
    for name in ("PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE"):
        monkeypatch.setenv(name, "of-the-user")
    monkeypatch.setenv("LAMBDA_API_KEY", "key-of-the-user")
    variables = open_stack("local").cloud_variables()
    assert variables.keys() <= {"SOPHIA_HOME", "LAMBDA_API_URL", "LAMBDA_API_KEY"}
    assert not any("of-the-user" in value for value in variables.values())
