"""`python -m sophia_infra.exporter` as a real process beside a real emulator process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from sophia_infra.exporter.__main__ import FAILED, USAGE, main
from sophia_infra.model.clock import VirtualClock
from tests.emulator.emulator_client import API_KEY
from tests.unit.exporter.stage import Shown, Stage, machine, settings_of

_WAIT_S = 60.0


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(settings_of({"core": machine()}, poll_s=5).as_json()))
    return path


@contextmanager
def running(config: Path, url: str, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, once it serves, and the address that it said in its log."""
    command = [
        sys.executable,
        "-m",
        "sophia_infra.exporter",
        "--config",
        str(config),
        "--listen",
        "127.0.0.1:0",
    ]
    process = subprocess.Popen(
        [*command, *more],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LAMBDA_API_KEY": API_KEY, "LAMBDA_API_URL": url},
    )
    with process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            assert " serving http" in first, first + process.stderr.read()
            yield process, first.partition(" serving ")[2].partition("/metrics")[0]
        finally:
            process.kill()


def until(condition: Callable[[], bool]) -> None:
    until_s = time.monotonic() + _WAIT_S
    while not condition():
        assert time.monotonic() < until_s, "it never came"
        time.sleep(0.01)


def scrape(url: str) -> Shown:
    return Shown(requests.get(f"{url}/metrics", timeout=10).text)


@contextmanager
def emulator() -> Iterator[str]:
    """An emulator of a hundred virtual seconds a second: an interval of five passes in a twentieth."""
    command = [sys.executable, "-m", "sophia_infra.emulator", "--speed", "100"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[2].rstrip(",")
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end(tmp_path: Path, config: Path, number: signal.Signals) -> None:
    """Costs two processes; buys that what a container starts polls, serves, keeps its state, and ends."""
    state = tmp_path / "state.json"
    with emulator() as cloud, running(config, cloud, "--state", str(state)) as (process, url):
        assert requests.get(f"{url}/health", timeout=10).text == "ok\n"
        until(lambda: requests.get(f"{url}/ready", timeout=10).status_code == 200)
        until(lambda: (scrape(url).find("lambda_cloud_polls_total", outcome="ok") or 0) >= 3)
        shown = scrape(url)
        assert shown.one("lambda_cloud_up") == 1
        assert shown.one("lambda_cloud_machine_missing") == 1
        assert (
            abs(shown.one("lambda_cloud_clock_skew_seconds")) < 60
        )  # the emulator's time, not this machine's
        process.send_signal(number)
        assert process.wait(_WAIT_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert json.loads(state.read_text())["stack"] == settings_of({}).stack


@pytest.mark.slow
def test_it_goes_on_after_a_kill(tmp_path: Path, config: Path) -> None:
    """Costs three processes; buys that no counter is lower than what was seen of it before a kill -9."""
    state = ("--state", str(tmp_path / "state.json"))
    cost = "lambda_cloud_instance_cost_usd_total"
    with emulator() as cloud:
        auth = {"Authorization": f"Bearer {API_KEY}"}
        key = {"name": "ops", "public_key": "ssh-ed25519 AAAA ops"}
        order = {"region_name": "us-east-3", "instance_type_name": "gpu_1x_gh200", "ssh_key_names": ["ops"]}
        for path, body in (("ssh-keys", key), ("instance-operations/launch", order)):
            requests.post(f"{cloud}/api/v1/{path}", json=body, headers=auth, timeout=10).raise_for_status()
        with running(config, cloud, *state) as (process, url):
            until(lambda: (scrape(url).find(cost) or 0) > 0)
            seen = scrape(url).one(cost)
            process.kill()
        with running(config, cloud, *state) as (_, url):
            until(lambda: scrape(url).find(cost) is not None)
            assert scrape(url).one(cost) >= seen


@pytest.fixture(autouse=True)
def _logs_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """A main() of this process must not filter what other tests log."""
    monkeypatch.setattr("sophia_infra.exporter.__main__.set_up_logs", lambda: None)


def wrong(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and what was said on standard error."""
    try:
        code = main(arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    return code, capsys.readouterr().err


def test_wrong_settings_are_said_before_any_request(
    stage: Stage, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMBDA_API_URL", stage.api.emulator.url)
    monkeypatch.setenv("LAMBDA_API_KEY", API_KEY)
    document = json.loads(config.read_text())
    config.write_text(json.dumps({**document, "poll_s": 3}))
    code, said = wrong(capsys, "--config", str(config))
    assert code == USAGE == 64
    assert said == ("error: settings.json poll_s: 3 is out of range; allowed: a whole number from 5 to 60\n")
    assert stage.cloud.requests.since(0) == []


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "said"),
    [
        ((), {}, USAGE, "the following arguments are required: --config"),
        (
            ("--config", "/nowhere/x.json"),
            {},
            USAGE,
            "/nowhere/x.json: cannot be read: No such file or directory",
        ),
        (("--config", "{config}", "--listen", "9105"), {}, USAGE, "'9105' is no address to listen on"),
        (("--config", "{config}", "--key", "x"), {}, USAGE, "unrecognized arguments: --key x"),
        (("--config", "{config}"), {"LAMBDA_API_KEY": ""}, USAGE, "There is no Lambda Cloud API key"),
        (
            ("--config", "{config}"),
            {"LAMBDA_API_URL": ""},
            USAGE,
            "LAMBDA_API_URL does not say where that is",
        ),
        (
            ("--config", "{config}"),
            {"LAMBDA_API_URL": "http://127.0.0.1:9"},
            USAGE,
            "No Lambda Cloud emulator answers at http://127.0.0.1:9",
        ),
        (("--config", "{config}", "--state", "/nowhere/x"), {}, USAGE, "folder of the state file /nowhere/x"),
        (("--config", "{config}", "--listen", "{taken}"), {}, FAILED, "Address already in use"),
    ],
)
def test_what_is_wrong_with_a_call_is_one_line_and_a_code(
    stage: Stage,
    config: Path,
    arguments: tuple[str, ...],
    environment: dict[str, str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage.cloud.core.clock = VirtualClock()
    # Its own clock stands still, which no other process can follow: any speed does here.
    monkeypatch.setattr("sophia_infra.emulator.cloud.Cloud.speed", property(lambda _: 1.0))
    url = stage.api.emulator.url
    for name, value in {"LAMBDA_API_KEY": API_KEY, "LAMBDA_API_URL": url, **environment}.items():
        monkeypatch.setenv(name, value)
    known = {"config": str(config), "taken": url.removeprefix("http://")}
    found, text = wrong(capsys, *(argument.format(**known) for argument in arguments))
    assert found == code
    assert said in text
    assert "Traceback" not in text
    assert API_KEY not in text


def test_a_stack_of_the_real_cloud_is_never_pointed_elsewhere(
    stage: Stage, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(json.dumps({**json.loads(config.read_text()), "endpoint": "lambda"}))
    monkeypatch.setenv("LAMBDA_API_URL", stage.api.emulator.url)
    monkeypatch.setenv("LAMBDA_API_KEY", API_KEY)
    code, said = wrong(capsys, "--config", str(config))
    assert code == USAGE
    assert "LAMBDA_API_URL is set, but this stack is of the real Lambda Cloud" in said
    assert stage.cloud.requests.since(0) == []
