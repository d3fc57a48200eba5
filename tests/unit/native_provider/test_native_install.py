"""The plugin in the engine's home, and the word that chooses it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sophia_infra.engine.home import open_home
from sophia_infra.engine.locate import Engine
from sophia_infra.engine.plugin_scripts import ensure_native_plugin
from sophia_infra.engine.run import run_operation
from sophia_infra.engine.stack_file import PreparedStack
from sophia_infra.model.errors import Refused


def test_the_plugin_starts_from_anywhere_and_is_written_once(tmp_path: Path) -> None:
    home = open_home(checkout=tmp_path, environ={})
    ensure_native_plugin(home)
    executable = home.pulumi / "plugins/resource-lambda-v1.0.0/pulumi-resource-lambda"
    before = executable.stat()
    answer = subprocess.run(
        [str(executable), "--help"], cwd=tmp_path, env={}, capture_output=True, text=True, check=True
    )
    assert "address of the engine" in answer.stdout
    ensure_native_plugin(home)
    assert executable.stat() == before
    assert os.listdir(executable.parent) == [executable.name]


def test_another_word_is_refused_before_the_engine_starts(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n", encoding="utf-8")
    home = open_home(checkout=tmp_path, environ={})
    engine = Engine(tmp_path, version="3.259.0", origin="cache")
    stack = PreparedStack("local", tmp_path / "Pulumi.local.yaml", 1, "default")
    with pytest.raises(Refused, match="SOPHIA_PROVIDER is 'grpc'; allowed: dynamic, native"):
        run_operation(engine, "up", stack, home, environ={"SOPHIA_PROVIDER": "grpc"})
