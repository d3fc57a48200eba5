"""The emulator as a process: endpoint file, state file, signals, two of them on one file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from sophia_infra.emulator import Cloud
from sophia_infra.emulator.__main__ import main
from sophia_infra.emulator.persistence import StateFile
from tests.emulator.emulator_client import PUBLIC_KEY, launch_body

AUTH = {"Authorization": "Bearer any"}
EMULATOR = [sys.executable, "-m", "sophia_infra.emulator"]


class Running:
    """One emulator process and its endpoint file."""

    def __init__(self, folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        endpoint_path = folder / "endpoint.json"
        endpoint_path.unlink(missing_ok=True)
        command = [*EMULATOR, "--endpoint-file", str(endpoint_path), *arguments]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        pause = threading.Event()
        for _ in range(2000):
            if endpoint_path.exists() or self.process.poll() is not None:
                break
            pause.wait(0.005)
        assert self.process.poll() is None, self.process.communicate()[1]
        self.endpoint: dict[str, Any] = json.loads(endpoint_path.read_text("utf-8"))
        self.mode = endpoint_path.stat().st_mode & 0o777
        self.url = self.endpoint["url"]

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = requests.get(f"{self.url}/_emulator/state", timeout=10).json()
        return state

    def post(self, path: str, body: Any) -> requests.Response:
        return requests.post(self.url + path, json=body, headers=AUTH, timeout=10)

    def end(self, signal_number: int) -> tuple[int, str]:
        """Exit code and what it said on standard error."""
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        _, stderr = self.process.communicate(timeout=10)
        return self.process.returncode, stderr


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Running] = []

    def begin(*arguments: str, **more: Any) -> Running:
        running = Running(tmp_path, *arguments, **more)
        started.append(running)
        return running

    yield begin
    for running in started:
        running.end(signal.SIGKILL)


def fill(running: Running) -> str:
    running.post("/api/v1/ssh-keys", {"name": "ops", "public_key": PUBLIC_KEY})
    running.post("/api/v1/filesystems", {"name": "models", "region": "us-east-3"})
    rules = [{"protocol": "icmp", "source_network": "192.0.2.0/24", "description": ""}]
    running.post("/api/v1/firewall-rulesets", {"name": "w", "region": "us-east-3", "rules": rules})
    running.post("/api/v1/fabric", {"name": "p", "region": "us-east-3"})
    ticket = {"subject": "s", "description": "d", "type": "service_request"}
    ticket_id = running.post("/api/v1/tickets", ticket).json()["data"]["id"]
    upload = {"filename": "f", "content_type": "text/plain", "size_bytes": 1}
    running.post(f"/api/v1/tickets/{ticket_id}/attachments", upload)
    running.post("/_emulator/capacity", {"instance_type": "gpu_1x_a10", "region": "us-east-3", "count": 0})
    body = launch_body(file_system_names=["models"], tags=[{"key": "ab", "value": "c"}])
    answer = running.post("/api/v1/instance-operations/launch", body)
    return str(answer.json()["data"]["instance_ids"][0])


def without_time(state: dict[str, Any]) -> dict[str, Any]:
    kept = {key: state[key] for key in ("ssh_keys", "firewall_rulesets", "capacity")}
    kept["instances"] = [
        {key: one[key] for key in ("id", "type", "tags", "launched_at_s", "filesystem_names")}
        for one in state["instances"]
    ]
    kept["filesystems"] = [{key: one[key] for key in ("id", "name")} for one in state["filesystems"]]
    return kept


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL])
def test_the_account_survives_its_process_and_time_goes_on(
    start: Start, tmp_path: Path, signal_number: int
) -> None:
    state_file = str(tmp_path / "cloud.json")
    first = start("--speed", "1", "--state-file", state_file)
    instance_id = fill(first)
    requests.post(f"{first.url}/_emulator/advance", json={"seconds": 100}, timeout=10)
    before = first.state()
    requests.get(f"{first.url}/api/v1/instances", headers=AUTH, timeout=10)
    code, stderr = first.end(signal_number)
    assert code == (0 if signal_number == signal.SIGTERM else -signal.SIGKILL)
    assert stderr == ""

    second = start("--speed", "1", "--state-file", state_file)
    after = second.state()
    assert without_time(after) == without_time(before)
    assert 0 <= after["now_s"] - before["now_s"] < 60
    requests.post(f"{second.url}/_emulator/advance", json={"seconds": 140}, timeout=10)
    (instance,) = second.state()["instances"]
    assert (instance["id"], instance["status"]) == (instance_id, "active")
    assert second.end(signal.SIGTERM) == (0, "")


def test_after_kill_time_never_runs_behind_the_last_request(start: Start, tmp_path: Path) -> None:
    state_file = str(tmp_path / "cloud.json")
    first = start("--speed", "100000", "--state-file", state_file)
    first.post("/api/v1/ssh-keys", {"name": "ops", "public_key": PUBLIC_KEY})
    requests.get(f"{first.url}/api/v1/regions", headers=AUTH, timeout=10)
    last_s = requests.get(f"{first.url}/_emulator/requests", timeout=10).json()[-1]["at_s"]
    saved_s = json.loads(Path(state_file).read_text("utf-8"))["now_s"]
    assert last_s > saved_s
    first.end(signal.SIGKILL)
    reached_s = StateFile(Path(state_file)).load(Cloud().core)
    assert reached_s is not None
    assert last_s - 1e-3 <= reached_s


def test_a_second_emulator_on_one_state_file_refuses(start: Start, tmp_path: Path) -> None:
    state_file = str(tmp_path / "cloud.json")
    start("--state-file", state_file)
    second = subprocess.run(
        [*EMULATOR, "--state-file", state_file], capture_output=True, text=True, timeout=20, check=False
    )
    assert second.returncode == 2
    assert "in use by another emulator" in second.stderr


def test_a_state_file_of_the_version_before_is_read(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "cloud.json"
    running = start("--state-file", str(path))
    fill(running)
    running.end(signal.SIGTERM)
    saved = json.loads(path.read_text("utf-8"))
    saved["version"] = 1
    for record in saved["state"]["instances"].values():
        del record["cluster_id"]
    path.write_text(json.dumps(saved), "utf-8")
    cloud = Cloud()
    file = StateFile(path)
    try:
        file.load(cloud.core)
    finally:
        file.close()
    assert [one.cluster_id for one in cloud.core.state.instances.values()] == [None]


@pytest.mark.parametrize("damage", ["cut", "empty", "foreign", "version", "field", "type", "binary"])
def test_a_damaged_state_file_is_never_an_empty_cloud(
    start: Start, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cloud.json"
    running = start("--state-file", str(path))
    fill(running)
    running.end(signal.SIGTERM)
    whole = path.read_text("utf-8")
    saved = json.loads(whole)
    if damage == "field":
        next(iter(saved["state"]["instances"].values())).pop("status")
    elif damage == "type":
        saved["state"]["audit_sequence"] = "many"
    elif damage == "version":
        saved["version"] = 99
    damaged: dict[str, bytes] = {
        "cut": whole[: len(whole) // 2].encode(),
        "empty": b"",
        "foreign": b'{"hello": 1}',
        "binary": b"\xff\xfe\x00",
    }
    content = damaged.get(damage, json.dumps(saved).encode())
    path.write_bytes(content)
    assert main(["--state-file", str(path)]) == 2
    message = capsys.readouterr().err
    assert str(path) in message
    assert "restore it, or move it away" in message
    assert path.read_bytes() == content


def test_the_endpoint_file_tells_where_it_is_and_is_private(start: Start) -> None:
    running = start("--speed", "60", "--control-token-env", "TOKEN", environment={"TOKEN": "t0ken"})
    assert running.endpoint == {
        "url": running.url,
        "pid": running.process.pid,
        "speed": 60.0,
        "control_token": "t0ken",
    }
    assert running.mode == 0o600
    health = f"{running.url}/_emulator/health"
    assert requests.get(health, timeout=10).status_code == 401
    answer = requests.get(health, headers={"Authorization": "Bearer t0ken"}, timeout=10)
    assert answer.json()["speed"] == 60
    code, stderr = running.end(signal.SIGINT)
    assert (code, stderr) == (0, "")


def test_a_dropped_connection_says_nothing_on_the_terminal(start: Start) -> None:
    running = start()
    for action in ("drop", "truncate"):
        fault = {"operation": "listRegions", "when": "after", "action": action}
        running.post("/_emulator/faults", fault)
        with pytest.raises(requests.exceptions.RequestException):
            requests.get(f"{running.url}/api/v1/regions", headers=AUTH, timeout=10)
    assert running.end(signal.SIGTERM) == (0, "")


def test_settings_come_from_the_command_line(start: Start) -> None:
    running = start("--set", "quota_instances=0", "--set", 'api_keys=["k"]', "--set", "limits=text")
    regions = f"{running.url}/api/v1/regions"
    assert requests.get(regions, headers=AUTH, timeout=10).status_code == 401
    settings = requests.get(f"{running.url}/_emulator/settings", timeout=10).json()
    assert (settings["quota_instances"], settings["limits"]) == (0, "text")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--host", "0.0.0.0"], "--allow-remote permits it"),  # noqa: S104
        (["--host", "example.com"], "--allow-remote permits it"),
        (["--set", "colour=1"], "unknown setting 'colour'"),
        (["--set", "seed"], "is not NAME=JSON"),
        (["--speed", "0"], "must be above 0"),
        (["--speed", "nan"], "must be above 0"),
        (["--speed", "inf"], "must be above 0"),
        (["--port", "70000"], "must be 0 to 65535"),
        (["--port", "-1"], "must be 0 to 65535"),
        (["--control-token-env", "NO_SUCH_VARIABLE"], "is not set"),
    ],
)
def test_wrong_arguments_end_with_2_and_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert sentence in capsys.readouterr().err


def test_a_port_that_is_taken_ends_with_2(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    port = start().url.rpartition(":")[2]
    assert main(["--port", port]) == 2
    assert "cannot listen or write" in capsys.readouterr().err
