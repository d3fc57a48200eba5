from __future__ import annotations

import os
from pathlib import Path

import pytest

from sophia_infra.engine import Home, open_home
from tests.unit.engine.fakes import FakeGo, FakePulumi


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("PULUMI_", "SOPHIA_", "LAMBDA_")):
            monkeypatch.delenv(name)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    sources = folder / "tools" / "pulumi"
    (sources / "cmd" / "host").mkdir(parents=True)
    (sources / "go.mod").write_text("module test\n")
    (sources / "go.sum").write_text("")
    (sources / "cmd" / "host" / "main.go").write_text("package main\n")
    (folder / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (folder / "Pulumi.local.yaml").write_text("config:\n  sophia:phase: 1\n")
    return folder


@pytest.fixture
def home(checkout: Path) -> Home:
    return open_home(checkout=checkout, environ={})


@pytest.fixture
def pulumi(tmp_path: Path) -> FakePulumi:
    directory = tmp_path / "engine"
    directory.mkdir()
    return FakePulumi(directory)


@pytest.fixture
def go(tmp_path: Path) -> FakeGo:
    return FakeGo(tmp_path / "go")
