"""Which plugin the engine gets: official where a CLI of the user's gets it, else ours."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Literal

import pytest

from sophia_infra.engine.home import Home, open_home
from sophia_infra.engine.kubernetes_plugin import KUBERNETES_PLUGIN_VERSION, ensure_kubernetes_plugin
from sophia_infra.engine.locate import Engine
from sophia_infra.kubernetes_plugin import PLUGIN_VERSION

HERE_WITHIN_S = 0.05


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "checkout").mkdir()
    return open_home(checkout=tmp_path / "checkout", environ={"SOPHIA_HOME": str(tmp_path / "home")})


def engine(folder: Path, origin: Literal["path", "cache"], installs: str = "exit 1") -> Engine:
    """An engine whose CLI is a script that runs `installs` when asked for a plugin."""
    folder.mkdir(exist_ok=True)
    script = folder / "pulumi"
    text = f"""\
        #!/bin/sh
        echo "$*" >> {folder}/calls
        plugin=$PULUMI_HOME/plugins/resource-kubernetes-v{KUBERNETES_PLUGIN_VERSION}
        {installs}
        """
    script.write_text(textwrap.dedent(text))
    script.chmod(0o755)
    return Engine(folder, "3.259.0", origin)


OFFICIAL = "mkdir -p $plugin; printf '\\177ELF' > $plugin/pulumi-resource-kubernetes"


def calls(folder: Path) -> str:
    file = folder / "calls"
    return file.read_text() if file.exists() else ""


def executable(home: Home) -> Path:
    folder = home.pulumi / "plugins" / f"resource-kubernetes-v{KUBERNETES_PLUGIN_VERSION}"
    return folder / "pulumi-resource-kubernetes"


def test_versions_agree() -> None:
    assert PLUGIN_VERSION == KUBERNETES_PLUGIN_VERSION


def test_our_engine_gets_the_stand_in_and_asks_nobody(home: Home, tmp_path: Path) -> None:
    plugin = ensure_kubernetes_plugin(engine(tmp_path / "cli", "cache", OFFICIAL), home)
    assert plugin.origin == "stand-in"
    assert "stand-in, not the official one" in plugin.note
    assert calls(tmp_path / "cli") == ""
    assert os.access(executable(home), os.X_OK)


def test_the_stand_in_starts_from_anywhere(home: Home, tmp_path: Path) -> None:
    ensure_kubernetes_plugin(engine(tmp_path / "cli", "cache"), home)
    answer = subprocess.run(
        [str(executable(home)), "--help"], cwd=tmp_path, env={}, capture_output=True, text=True, check=True
    )
    assert "address of the engine" in answer.stdout
    assert sys.executable in executable(home).read_text()


def test_a_second_call_is_quick_and_changes_nothing(home: Home, tmp_path: Path) -> None:
    ours = engine(tmp_path / "cli", "cache")
    ensure_kubernetes_plugin(ours, home)
    before = executable(home).stat()
    took_s = []
    for _ in range(5):
        started = time.perf_counter()
        ensure_kubernetes_plugin(ours, home)
        took_s.append(time.perf_counter() - started)
    assert executable(home).stat() == before
    assert min(took_s) < HERE_WITHIN_S


def test_the_users_cli_gets_the_official_one_once(home: Home, tmp_path: Path) -> None:
    theirs = engine(tmp_path / "cli", "path", OFFICIAL)
    for _ in range(2):
        plugin = ensure_kubernetes_plugin(theirs, home)
        assert (plugin.origin, plugin.note) == (
            "official",
            "The Kubernetes plugin is the official one, version 4.33.0.",
        )
    assert calls(tmp_path / "cli") == "plugin install resource kubernetes v4.33.0 --reinstall\n"


@pytest.mark.parametrize("installs", ["exit 1", "exec sleep 60"])
def test_where_it_cannot_be_had_the_stand_in_takes_its_place(
    home: Home, tmp_path: Path, installs: str
) -> None:
    theirs = engine(tmp_path / "cli", "path", installs)
    assert ensure_kubernetes_plugin(theirs, home, install_timeout_s=0.2).origin == "stand-in"


def test_a_failed_installation_is_not_tried_again_at_once(home: Home, tmp_path: Path) -> None:
    theirs = engine(tmp_path / "cli", "path")
    for _ in range(3):
        assert ensure_kubernetes_plugin(theirs, home).origin == "stand-in"
    assert calls(tmp_path / "cli").count("plugin install") == 1
    (failed,) = home.pulumi.glob("*failed")
    os.utime(failed, (0, 0))  # as if it were long ago
    assert ensure_kubernetes_plugin(engine(tmp_path / "cli", "path", OFFICIAL), home).origin == "official"
    assert not failed.exists()


def test_the_stand_in_can_be_asked_for_and_replaced_again(home: Home, tmp_path: Path) -> None:
    theirs = engine(tmp_path / "cli", "path", OFFICIAL)
    wanted = {**os.environ, "SOPHIA_KUBERNETES_PLUGIN": "stand-in"}
    assert ensure_kubernetes_plugin(theirs, home, wanted).origin == "stand-in"
    assert ensure_kubernetes_plugin(theirs, home).origin == "official"
    assert ensure_kubernetes_plugin(theirs, home, wanted).origin == "stand-in"
    assert executable(home).read_bytes().startswith(b"#!")
