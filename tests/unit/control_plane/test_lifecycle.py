"""Failing starts, with scripts in place of the components: the real ones start in tests/cluster."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from unittest.mock import ANY

import filelock
import pytest

from sophia_infra.control_plane import lifecycle, starting
from sophia_infra.control_plane.errors import ComponentEnded, InvalidPlane, PlaneBusy
from sophia_infra.control_plane.folder import PlaneFolder, plane_folder
from sophia_infra.control_plane.lifecycle import ensure_control_plane, find_control_plane, stop_control_plane
from sophia_infra.control_plane.nodes import NodeSpec
from sophia_infra.control_plane.ports import read_ports
from sophia_infra.control_plane.processes import Process, is_running, read_record
from sophia_infra.control_plane.status import read_status
from sophia_infra.control_plane.tools import KubeTools
from sophia_infra.engine.home import Home
from tests.unit.engine.fakes import write_script

NODES = (NodeSpec("a"),)
SERVE = "import time; time.sleep(60)"


@pytest.fixture
def folder(home: Home) -> PlaneFolder:
    return plane_folder(home, "local")


class FakeTools:
    def __init__(self, directory: Path) -> None:
        self.tools = KubeTools(directory)
        self.set("etcd", SERVE)
        self.set("kube-apiserver", SERVE)

    def set(self, name: str, program: str) -> None:
        write_script(self.tools.directory / name, f"#!{sys.executable} -IS\nimport sys\n{program}\n")


@pytest.fixture
def fake(tmp_path: Path) -> FakeTools:
    return FakeTools(tmp_path / "tools")


def recorded(folder: PlaneFolder) -> list[Process]:
    return [process for file in folder.processes.iterdir() if (process := read_record(file))]


def test_a_component_that_ends_is_named_with_its_last_words(
    home: Home, fake: FakeTools, folder: PlaneFolder
) -> None:
    fake.set("etcd", "sys.exit('E0101 data-dir is of a newer version')")
    with pytest.raises(ComponentEnded) as ended:
        ensure_control_plane(home, fake.tools, NODES)
    assert str(ended.value) == (
        "etcd of the control plane local ended by itself.\n"
        "  E0101 data-dir is of a newer version\n"
        f"Its log: {folder.log('etcd')}"
    )
    assert not ended.value.retry
    assert recorded(folder) == []


def test_a_lost_port_is_chosen_again_and_after_three_times_it_is_said(
    home: Home, fake: FakeTools, folder: PlaneFolder, tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    note = f"open({str(asked)!r}, 'a').write(sys.argv[3] + chr(10))"
    fake.set("etcd", f"{note}; sys.exit('listen tcp: bind: address already in use')")
    with pytest.raises(ComponentEnded, match="address already in use"):
        ensure_control_plane(home, fake.tools, NODES)
    addresses = asked.read_text().splitlines()
    assert len(addresses) == 3
    assert len(set(addresses)) > 1
    assert all(address.startswith("--listen-client-urls=https://127.0.0.1:") for address in addresses)


def test_ctrl_c_stops_what_was_started(
    home: Home, fake: FakeTools, folder: PlaneFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Process] = []

    def press_ctrl_c(_: object) -> bool:
        seen.extend(recorded(folder))
        raise KeyboardInterrupt

    monkeypatch.setattr(starting, "server_answers", press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        ensure_control_plane(home, fake.tools, NODES)
    assert len(seen) == 2
    assert [process for process in seen if is_running(process)] == []
    assert recorded(folder) == []


def test_what_ran_before_a_failed_start_runs_on(
    home: Home, fake: FakeTools, folder: PlaneFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: object) -> bool:
        raise SystemExit  # stands for SIGKILL: no clean-up of the first start

    monkeypatch.setattr(starting, "server_answers", killed)
    with monkeypatch.context() as patch:
        patch.setattr(starting, "stop_components", lambda *_: False)
        with pytest.raises(SystemExit):
            ensure_control_plane(home, fake.tools, NODES)
    before = recorded(folder)
    assert len(before) == 2
    with pytest.raises(SystemExit):
        ensure_control_plane(home, fake.tools, NODES)
    assert recorded(folder) == before
    assert all(is_running(process) for process in before)
    assert stop_control_plane(home)
    assert not any(is_running(process) for process in before)


def test_servers_end_before_their_certificates_are_made_anew(
    home: Home, fake: FakeTools, folder: PlaneFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    running_then: list[bool] = []

    def make(*_: object, **__: object) -> bool:
        running_then.extend(is_running(process) for process in before)
        raise SystemExit

    def killed(_: object) -> bool:
        raise SystemExit

    monkeypatch.setattr(starting, "server_answers", killed)
    with monkeypatch.context() as patch:
        patch.setattr(starting, "stop_components", lambda *_: False)
        with pytest.raises(SystemExit):
            ensure_control_plane(home, fake.tools, NODES)
    before = recorded(folder)
    (folder.certificates / "admin.crt").write_text("damaged")
    monkeypatch.setattr(starting, "ensure_certificates", make)
    with pytest.raises(SystemExit):
        ensure_control_plane(home, fake.tools, NODES)
    assert running_then == [False, False]


def test_a_plane_that_somebody_else_starts_is_waited_for_and_then_refused(
    home: Home, fake: FakeTools, folder: PlaneFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "LOCK_TIMEOUT_S", 0.0)
    folder.lock_file.parent.mkdir()
    with (
        filelock.FileLock(folder.lock_file),
        pytest.raises(PlaneBusy, match="Another process starts or stops"),
    ):
        ensure_control_plane(home, fake.tools, NODES)
    assert not folder.root.exists()


@pytest.mark.parametrize("nodes", [(), (NodeSpec("a"), NodeSpec("a"))])
def test_a_plane_without_machines_or_with_one_twice_is_refused(
    home: Home, fake: FakeTools, folder: PlaneFolder, nodes: tuple[NodeSpec, ...]
) -> None:
    with pytest.raises(InvalidPlane, match="each with a name of its own"):
        ensure_control_plane(home, fake.tools, nodes)
    assert not folder.root.exists()


def test_where_nothing_was_started_there_is_nothing_to_find_or_stop(home: Home, folder: PlaneFolder) -> None:
    assert find_control_plane(home) is None
    assert not stop_control_plane(home, wipe=True)
    assert read_status(home).as_json() == {
        "name": "local",
        "state": "absent",
        "server": "",
        "problem": "",
        "components": [],
        "nodes": {},
    }
    assert not folder.root.parent.exists()


def test_wipe_removes_what_a_failed_start_left(home: Home, fake: FakeTools, folder: PlaneFolder) -> None:
    fake.set("kube-apiserver", "sys.exit(3)")
    with pytest.raises(ComponentEnded):
        ensure_control_plane(home, fake.tools, NODES)
    assert read_ports(folder.ports_file) == ANY
    assert read_status(home).state == "stopped"
    assert not stop_control_plane(home, wipe=True)
    assert [entry.name for entry in folder.root.parent.iterdir()] == [".local.lock"]
    assert os.listdir(home.root / "kubernetes") == [".local.lock"]
