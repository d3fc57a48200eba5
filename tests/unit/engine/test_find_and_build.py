from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sophia_infra.engine import (
    BuildFailed,
    BuildProgress,
    Engine,
    EngineMissing,
    EngineTooOld,
    Home,
    find_engine,
)
from sophia_infra.engine.toolchain import INSTALLED_FILES, MANIFEST
from tests.unit.engine.fakes import FakeGo, wait_until_ended, write_script

Find = Callable[..., Engine]
TWO_WAYS_OUT = (
    "Either install the Pulumi CLI 3.259.0 or newer (https://www.pulumi.com/docs/install/), "
    "or install Go 1.26 or newer (https://go.dev/dl/), to build it here."
)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def find(home: Home, go: FakeGo, cache: Path) -> Find:
    def find_with(path: str = go.path, progress: Callable[[BuildProgress], None] | None = None) -> Engine:
        environ = {"PATH": path, "SOPHIA_ENGINE_DIR": str(cache), "PULUMI_HOME": "/nonexistent"}
        return find_engine(home, progress=progress, environ=environ)

    return find_with


def install_pulumi(folder: Path, script: str) -> str:
    write_script(folder / "pulumi", f"#!/bin/sh\n{script}\n")
    return str(folder)


def test_a_fitting_pulumi_on_path_is_used_and_nothing_is_built(
    find: Find, go: FakeGo, tmp_path: Path
) -> None:
    path = install_pulumi(tmp_path / "official", "echo v3.300.1")
    engine = find(f"{path}:{go.path}")
    assert (engine.directory, engine.version, engine.origin) == (tmp_path / "official", "3.300.1", "path")
    assert engine.ambient_plugins
    assert go.calls == []


def test_the_version_is_asked_without_the_users_pulumi_home(find: Find, home: Home, tmp_path: Path) -> None:
    path = install_pulumi(tmp_path / "official", f'echo "$PULUMI_HOME" > {tmp_path}/seen; echo v3.259.0')
    find(path)
    assert (tmp_path / "seen").read_text().strip() == str(home.pulumi)


@pytest.mark.parametrize(
    ("script", "note"),
    [
        ("echo v3.100.0", "is 3.100.0, older than 3.259.0, so it is not used."),
        ("echo v3.260.0-dev.0", "is the development build 3.260.0-dev.0, so it is not used."),
        ("exit 3", "version ended with code 3, so it is not used."),
    ],
)
def test_a_pulumi_that_does_not_fit_is_named_and_one_is_built(
    find: Find, go: FakeGo, tmp_path: Path, script: str, note: str
) -> None:
    path = install_pulumi(tmp_path / "official", script)
    engine = find(f"{path}:{go.path}")
    assert engine.origin == "built"
    assert engine.notes == (f"{path}/pulumi {note}",)


def test_a_build_is_whole_and_is_used_the_next_time(find: Find, go: FakeGo, cache: Path) -> None:
    built = find()
    assert (built.origin, built.version, built.ambient_plugins) == ("built", "3.259.0", False)
    assert {file.name for file in built.directory.iterdir()} == {*INSTALLED_FILES, MANIFEST}
    assert all(os.access(built.directory / name, os.X_OK) for name in INSTALLED_FILES)
    assert find() == Engine(built.directory, "3.259.0", "cache")
    assert len(go.builds) == 1
    assert sorted(entry.name for entry in cache.iterdir()) == [built.directory.name, "build.lock"]


def test_progress_counts_packages_and_ends_at_the_total(find: Find) -> None:
    seen: list[BuildProgress] = []
    find(progress=seen.append)
    lines = [progress.line for progress in seen]
    assert lines == [
        "loading the Go modules of the Pulumi engine",
        "go: downloading github.com/x/y v1.0.0",
        "building the Pulumi engine 3.259.0 with Go 1.26.8",
        "errors",
        "github.com/x/y",
        "installing",
        "done",
    ]
    assert [progress.packages_done for progress in seen] == [0, 0, 0, 1, 2, 3, 3]
    assert [progress.packages_total for progress in seen] == [0, 0, 3, 3, 3, 3, 3]
    assert all(earlier.elapsed_s <= later.elapsed_s for earlier, later in itertools.pairwise(seen))


@pytest.mark.parametrize("changed", ["go.mod", "go.sum", "cmd/host/main.go"])
def test_changed_sources_are_built_again(find: Find, go: FakeGo, checkout: Path, changed: str) -> None:
    first = find()
    with (checkout / "tools" / "pulumi" / changed).open("a") as file:
        file.write("// changed\n")
    assert find().directory != first.directory
    assert len(go.builds) == 2


def test_changed_tests_are_not_a_reason_to_build(find: Find, go: FakeGo, checkout: Path) -> None:
    find()
    (checkout / "tools" / "pulumi" / "cmd" / "host" / "main_test.go").write_text("package main\n")
    assert find().origin == "cache"


def test_another_go_builds_again_and_no_go_uses_what_is_there(find: Find, go: FakeGo) -> None:
    first = find()
    go.does(version="go1.27.0")
    assert find().directory != first.directory
    assert find(path="/nonexistent").origin == "cache"


def test_an_engine_with_a_file_missing_is_built_again(find: Find, go: FakeGo) -> None:
    engine = find()
    (engine.directory / "pulumi-language-python").unlink()
    assert find().origin == "built"
    assert (engine.directory / "pulumi-language-python").exists()


def test_without_pulumi_and_go_there_are_two_ways_out(find: Find) -> None:
    with pytest.raises(EngineMissing) as missing:
        find(path="/nonexistent")
    assert type(missing.value) is EngineMissing
    assert str(missing.value) == (
        f"There is no Pulumi engine here, and no Go toolchain to build one. {TWO_WAYS_OUT}"
    )


def test_an_old_go_is_named(find: Find, go: FakeGo) -> None:
    go.does(version="go1.22.1")
    with pytest.raises(EngineTooOld) as refused:
        find()
    assert f"{go.path}/go is Go 1.22.1, older than 1.26." in str(refused.value)
    assert str(refused.value).endswith(TWO_WAYS_OUT)
    assert go.builds == []


@pytest.mark.parametrize(
    ("mode", "cause", "shown", "next_step"),
    [
        ("network", "network", "dial tcp: lookup proxy.test: no such host", "GOPROXY"),
        ("disk", "disk", "no space left on device", "Free about 5 GB"),
        ("compile", "build", "./y.go:1:1: undefined: z", "A Pulumi CLI on PATH is used instead"),
        ("wrong-version", "build", "v0.0.1", "A Pulumi CLI on PATH is used instead"),
    ],
)
def test_a_failed_build_shows_why_and_leaves_nothing(
    find: Find, go: FakeGo, cache: Path, mode: str, cause: str, shown: str, next_step: str
) -> None:
    go.does(mode)
    with pytest.raises(BuildFailed) as failed:
        find()
    assert failed.value.cause == cause
    assert failed.value.retry is (cause == "network")
    assert shown in str(failed.value)
    assert next_step in str(failed.value)
    assert "github.com/x/y" not in failed.value.output
    assert [entry.name for entry in cache.iterdir()] == ["build.lock"]


def test_ctrl_c_ends_go_and_leaves_nothing(find: Find, go: FakeGo, cache: Path) -> None:
    def press_ctrl_c(progress: BuildProgress) -> None:
        if progress.line == "github.com/x/y":
            raise KeyboardInterrupt

    go.does("wait")
    with pytest.raises(KeyboardInterrupt):
        find(progress=press_ctrl_c)
    wait_until_ended(int(go.builds[0][0]))
    assert [entry.name for entry in cache.iterdir()] == ["build.lock"]


def test_two_starts_build_once_and_the_second_says_for_whom_it_waits(find: Find, go: FakeGo) -> None:
    go.does("wait")
    building = threading.Event()
    engines: list[Engine] = []
    lines: list[str] = []

    def first() -> None:
        engines.append(find(progress=show_first))

    def show_first(progress: BuildProgress) -> None:
        if progress.line == "errors":
            building.set()

    def second(progress: BuildProgress) -> None:
        lines.append(progress.line)
        go.release()

    thread = threading.Thread(target=first)
    thread.start()
    assert building.wait(timeout=10)
    engines.append(find(progress=second))
    thread.join()
    assert len(go.builds) == 1
    assert {engine.directory for engine in engines} == {engines[0].directory}
    assert {engine.origin for engine in engines} == {"built", "cache"}
    assert lines[0].startswith(f"waiting for process {os.getpid()} (since ")


def test_a_killed_build_leaves_no_engine_and_its_rest_is_removed(
    find: Find, go: FakeGo, cache: Path, checkout: Path
) -> None:
    go.does("wait")
    program = (
        "from pathlib import Path\n"
        "from sophia_infra.engine import find_engine, open_home\n"
        f"home = open_home(checkout=Path({str(checkout)!r}))\n"
        "find_engine(home, progress=lambda progress: print(progress.line, flush=True))\n"
    )
    environment = {"PATH": go.path, "SOPHIA_ENGINE_DIR": str(cache)}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if line.strip() == "github.com/x/y":
                process.send_signal(signal.SIGKILL)
    assert len(list(cache.glob("*.partial-*"))) == 1
    go.does()
    assert find().origin == "built"
    assert list(cache.glob("*.partial-*")) == []
    if sys.platform == "linux":  # elsewhere that `go` ends by itself, into a folder that is gone
        wait_until_ended(int(go.builds[0][0]))
