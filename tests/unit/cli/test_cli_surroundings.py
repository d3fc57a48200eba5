"""What the surroundings must not change: a proxy, a Ctrl-C that comes early, an engine to build."""

from __future__ import annotations

import builtins
import json
import os
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.cli import __main__ as entry
from sophia_infra.cli import finding_engine
from sophia_infra.cli.finding_engine import find_engine_aloud
from sophia_infra.emulator import EmulatorServer
from sophia_infra.engine.build import BuildProgress
from sophia_infra.engine.home import Home
from sophia_infra.engine.locate import Engine
from tests.unit.cli.sophia_command import Sophia, finish

NOBODY = "http://127.0.0.1:9"


def test_a_proxy_of_the_environment_is_not_asked_for_our_own_loopback(
    stopped: Sophia, emulator: EmulatorServer
) -> None:
    """Asked through it, a running emulator seems stopped: `status` shows nothing and `up` starts a second."""
    stopped.run("status")  # makes the folders
    found = {"url": emulator.url, "pid": os.getpid(), "speed": 600}
    (stopped.home / "emulator" / "endpoint.json").write_text(json.dumps(found), encoding="utf-8")
    with stopped.started("status", http_proxy=NOBODY, HTTP_PROXY=NOBODY, all_proxy=NOBODY) as process:
        done = finish(process)
    assert done.code == 0
    assert "1 instances" in done.said


def test_ctrl_c_while_the_command_is_still_imported_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import_of: Callable[..., Any] = builtins.__import__

    def interrupted(name: str, *rest: Any) -> Any:
        if name == "sophia_infra.cli.main":
            raise KeyboardInterrupt
        return import_of(name, *rest)

    monkeypatch.setattr(builtins, "__import__", interrupted)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(entry.__file__), run_name="__main__")
    assert ended.value.code == 130
    assert capsys.readouterr().err == "sophia: Interrupted. Nothing was begun.\n"


def test_a_command_that_only_looks_says_that_it_builds_the_engine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    engine = Engine(tmp_path, "3.259.0", "built")

    def build(_home: Home, *, progress: Callable[[BuildProgress], None]) -> Engine:
        progress(BuildProgress(line="compiling", packages_done=3, packages_total=700, elapsed_s=65))
        return engine

    monkeypatch.setattr(finding_engine, "find_engine", build)
    assert find_engine_aloud(Home(tmp_path, tmp_path)) is engine
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "[1:05] 3/700 packages compiling\n"
