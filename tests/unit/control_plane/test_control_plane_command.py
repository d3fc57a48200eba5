from __future__ import annotations

import json
from pathlib import Path

import pytest

from sophia_infra.control_plane import __main__ as command
from sophia_infra.control_plane.__main__ import main
from sophia_infra.control_plane.errors import PlaneBusy
from sophia_infra.control_plane.lifecycle import RunningControlPlane
from sophia_infra.control_plane.nodes import NodeSpec
from sophia_infra.control_plane.status import ComponentStatus, PlaneStatus
from sophia_infra.control_plane.tools import KubeTools

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPHIA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SOPHIA_ENGINE_DIR", str(tmp_path / "cache"))


def test_the_documented_exit_codes_are_the_ones_in_use() -> None:
    codes = (command.OK, command.FAILED, command.NOT_RUNNING, command.USAGE, command.INTERRUPTED)
    for code in codes:
        assert f"{code} " in str(command.__doc__).partition("Exit codes:")[2]


@pytest.mark.parametrize("arguments", [[], ["frob"], ["start", "--frob"]])
def test_a_wrong_command_line_is_64(arguments: list[str], capsys: Captured) -> None:
    assert main(arguments) == 64
    assert "usage: python -m sophia_infra.control_plane" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["start", "status", "stop", "wipe", "kubeconfig"])
def test_a_wrong_name_is_64_and_nothing_is_made(verb: str, capsys: Captured, tmp_path: Path) -> None:
    assert main([verb, "--name", "../x"]) == 64
    assert "'../x' cannot be the name of a control plane." in capsys.readouterr().err
    assert not (tmp_path / "home" / "kubernetes").exists()


def test_a_stack_file_that_is_not_there_is_64(capsys: Captured) -> None:
    assert main(["start", "--stack", "nowhere"]) == 64
    assert "Pulumi.nowhere.yaml" in capsys.readouterr().err


def test_where_nothing_runs_status_and_kubeconfig_are_3(capsys: Captured) -> None:
    assert main(["status", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["state"] == "absent"
    assert main(["kubeconfig"]) == 3
    assert capsys.readouterr().err == "local does not run, or not whole. `start` starts or repairs it.\n"


def test_stop_and_wipe_of_nothing_are_done(capsys: Captured) -> None:
    assert main(["stop"]) == 0
    assert main(["wipe"]) == 0
    assert main(["wipe", "--json"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Nothing ran.\nThere is no local.\n")
    assert json.loads(out.split("\n", 2)[2]) == {"name": "local", "stopped": False, "wiped": False}


def test_no_build_says_that_there_is_none(capsys: Captured) -> None:
    assert main(["build", "--no-build"]) == 1
    assert "There is no Kubernetes control plane here" in capsys.readouterr().err


def test_start_takes_the_machines_of_the_stack_file(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    given: list[NodeSpec] = []

    def ensure(_: object, tools: KubeTools, nodes: tuple[NodeSpec, ...], name: str) -> RunningControlPlane:
        given.extend(nodes)
        return RunningControlPlane(name, Path("/k"), "https://127.0.0.1:1")

    monkeypatch.setattr(command, "find_kube_tools", lambda *_: KubeTools(Path("/tools")))
    monkeypatch.setattr(command, "ensure_control_plane", ensure)
    assert main(["start"]) == 0
    assert capsys.readouterr().out == "local runs at https://127.0.0.1:1 with 5 nodes; KUBECONFIG=/k\n"
    core = next(spec for spec in given if spec.name == "sophia-ai-core")
    assert (core.architecture, core.capacity["nvidia.com/gpu"]) == ("arm64", "1")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (PlaneBusy("It is busy.", next_step="Wait."), 1, "It is busy. Wait.\n"),
        (KeyboardInterrupt(), 130, "Stopped; nothing half-started is left.\n"),
    ],
)
def test_an_error_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, error: BaseException, code: int, said: str
) -> None:
    def fail(*_: object, **__: object) -> bool:
        raise error

    monkeypatch.setattr(command, "stop_control_plane", fail)
    assert main(["stop"]) == code
    assert capsys.readouterr().err == said


def test_status_names_what_ended_and_its_last_words(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    rows = (
        ComponentStatus("etcd", 7, ended=False),
        ComponentStatus("kwok", None, ended=True, last_lines=("no",)),
    )
    status = PlaneStatus("local", "degraded", "https://127.0.0.1:1", "kwok ended.", rows, {"a": True})
    monkeypatch.setattr(command, "read_status", lambda *_: status)
    assert main(["status"]) == 3
    assert capsys.readouterr().out.splitlines() == [
        "local: degraded",
        "  kwok ended. `start` repairs it.",
        "  etcd                     process 7",
        "  kwok                     ended by itself",
        "    no",
        "  node a                              ready",
    ]
