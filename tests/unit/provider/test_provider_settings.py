"""Which cloud a run talks to is decided by the stack file, and refused when the environment disagrees."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.emulator import Cloud, CloudSettings, EmulatorServer
from sophia_infra.model.clock import ScaledClock, SystemClock
from sophia_infra.provider.errors import SettingsRefused
from sophia_infra.provider.opening import open_session
from sophia_infra.provider.settings import LAMBDA_URL, cloud_access

KEY = "a-key-for-this-test"


def access(endpoint: str | None, environment: dict[str, str], **config: str) -> Any:
    known = {"sophia:endpoint": endpoint, **{f"sophia:{name}": value for name, value in config.items()}}
    return cloud_access(known.get, environment)


def test_a_stack_of_the_real_cloud_goes_to_the_real_cloud() -> None:
    found = access("lambda", {"LAMBDA_API_KEY": KEY})
    assert (found.endpoint, found.base_url, found.api_key) == ("lambda", LAMBDA_URL, KEY)
    assert LAMBDA_URL == "https://cloud.lambda.ai"


def test_a_stack_of_the_emulator_goes_where_the_environment_says() -> None:
    found = access("emulator", {"LAMBDA_API_KEY": KEY, "LAMBDA_API_URL": "http://127.0.0.1:8080/"})
    assert (found.endpoint, found.base_url) == ("emulator", "http://127.0.0.1:8080")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "https://cloud.lambda.ai", "anything"])
def test_a_stack_of_the_real_cloud_refuses_any_other_address(url: str) -> None:
    with pytest.raises(SettingsRefused, match="unset LAMBDA_API_URL"):
        access("lambda", {"LAMBDA_API_KEY": KEY, "LAMBDA_API_URL": url})


def test_a_stack_of_the_emulator_needs_its_address() -> None:
    for environment in ({"LAMBDA_API_KEY": KEY}, {"LAMBDA_API_KEY": KEY, "LAMBDA_API_URL": "/"}):
        with pytest.raises(SettingsRefused, match="sophia up"):
            access("emulator", environment)


@pytest.mark.parametrize(
    "url",
    [
        "https://cloud.lambda.ai",
        "http://192.168.1.7:8080",
        "http://0.0.0.0:8080",
        "http://localhost.example.com",
        "http://127.0.0.1@cloud.lambda.ai",
        "http://127.0.0.1.example.com:80",
        "http://127.1:8080",
        "http://[2001:db8::1]:80",
        "http://[::1",
        "http://",
        "127.0.0.1:8080",
        "emulator",
    ],
)
def test_an_emulator_elsewhere_than_on_this_machine_is_refused(url: str) -> None:
    with pytest.raises(SettingsRefused, match="only ever served from this machine"):
        access("emulator", {"LAMBDA_API_KEY": KEY, "LAMBDA_API_URL": url})


@pytest.mark.parametrize("url", ["http://localhost:1", "http://127.0.0.9:1", "http://[::1]:1"])
def test_every_loopback_address_is_this_machine(url: str) -> None:
    assert access("emulator", {"LAMBDA_API_KEY": KEY, "LAMBDA_API_URL": url}).base_url == url


@pytest.mark.parametrize("endpoint", [None, "", "Lambda", "http://127.0.0.1"])
def test_an_unknown_endpoint_is_named(endpoint: str | None) -> None:
    with pytest.raises(SettingsRefused, match="set it to `emulator` or `lambda`") as caught:
        access(endpoint, {"LAMBDA_API_KEY": KEY})
    assert repr(endpoint) in str(caught.value)


def test_without_a_key_both_ways_to_give_one_are_named() -> None:
    for environment in ({}, {"LAMBDA_API_KEY": ""}):
        with pytest.raises(SettingsRefused, match=r"export LAMBDA_API_KEY, or `pulumi config set --secret"):
            access("lambda", environment)


def test_the_key_of_the_environment_wins_over_that_of_the_stack_file() -> None:
    assert access("lambda", {}, lambda_api_key="from-the-file").api_key == "from-the-file"
    assert access("lambda", {"LAMBDA_API_KEY": KEY}, lambda_api_key="from-the-file").api_key == KEY


def test_the_key_is_in_no_repr() -> None:
    found = access("lambda", {"LAMBDA_API_KEY": KEY})
    assert KEY not in repr(found)
    assert found.key_id in repr(found)
    assert KEY not in found.key_id


def test_a_session_of_the_emulator_runs_on_the_emulators_clock(tmp_path: Path) -> None:
    with EmulatorServer(Cloud(CloudSettings(), ScaledClock(600, 1_790_000_000.0))) as server:
        environment = {
            "LAMBDA_API_KEY": KEY,
            "LAMBDA_API_URL": server.url,
            "SOPHIA_HOME": str(tmp_path / "home"),
        }
        session = open_session({"sophia:endpoint": "emulator"}.get, environment=environment)
        assert isinstance(session.clock, ScaledClock)
        assert session.clock.speed == 600
        assert abs(session.clock.now() - server.cloud.now()) < 600
        assert session.instances.rows(0) == []
        session.client.close()


def test_a_session_of_the_real_cloud_runs_on_the_machines_clock_and_sends_nothing(tmp_path: Path) -> None:
    environment = {"LAMBDA_API_KEY": KEY, "SOPHIA_HOME": str(tmp_path / "home")}
    session = open_session({"sophia:endpoint": "lambda"}.get, environment=environment)
    assert isinstance(session.clock, SystemClock)
    session.client.close()


def refusing(environment: dict[str, str], tmp_path: Path) -> str:
    with pytest.raises(SettingsRefused) as caught:
        open_session(
            {"sophia:endpoint": "emulator"}.get,
            environment={"LAMBDA_API_KEY": KEY, "SOPHIA_HOME": str(tmp_path / "home"), **environment},
        )
    return str(caught.value)


def test_an_emulator_that_is_not_there_is_told_with_two_ways_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    text = refusing({"LAMBDA_API_URL": f"http://127.0.0.1:{port}"}, tmp_path)
    assert "No Lambda Cloud emulator answers" in text
    assert "`sophia up`" in text


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{}", b'{"speed": "fast", "now_s": 1}', b'{"speed": 0, "now_s": 1}']
)
def test_another_server_on_that_port_is_no_emulator(tmp_path: Path, body: bytes) -> None:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        text = refusing({"LAMBDA_API_URL": f"http://127.0.0.1:{server.server_port}"}, tmp_path)
        server.shutdown()
        thread.join()
    assert "No Lambda Cloud emulator answers" in text
