"""The pages over real HTTP: what is served where, to whom, and what an address is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import requests

from sophia_infra.metrics_server import AddressRefused, CannotListen, MetricsServer, parse_address
from tests.unit.exporter.stage import Stage

LOOPBACK = ("127.0.0.1", 0)


@pytest.fixture
def server(stage: Stage) -> Iterator[MetricsServer]:
    with MetricsServer(
        stage.registry,
        LOOPBACK,
        lambda: stage.poller.snapshot.was_tried,
        waits_for="no list of machines was tried yet",
    ) as running:
        yield running


def get(server: MetricsServer, path: str, **headers: str) -> requests.Response:
    return requests.get(f"{server.url}{path}", headers=headers, timeout=10)


def test_metrics_are_served_as_prometheus_asks_for_them(stage: Stage, server: MetricsServer) -> None:
    stage.launch("core")
    stage.poller.poll()
    plain = get(server, "/metrics")
    assert plain.status_code == 200
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "lambda_cloud_up 1.0\n" in plain.text
    assert "process_resident_memory_bytes " in plain.text
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    opened = get(server, "/metrics", Accept=accept)
    assert opened.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert opened.text.endswith("# EOF\n")
    assert opened.headers["Content-Encoding"] == "gzip"


def test_it_is_ready_once_the_account_was_asked_whatever_came_back(
    stage: Stage, server: MetricsServer
) -> None:
    assert get(server, "/health").status_code == 200
    waiting = get(server, "/ready")
    assert (waiting.status_code, waiting.text) == (503, "no list of machines was tried yet\n")
    assert get(server, "/metrics").status_code == 200
    stage.cloud.change_settings({"api_keys": ["another"]})
    stage.poller.poll()
    # A wrong key must not hold back a rollout: it is told by metrics, which have to be read for that.
    assert get(server, "/ready").status_code == 200


def test_another_page_is_not_there(server: MetricsServer) -> None:
    other = get(server, "/")
    assert (other.status_code, other.text) == (404, "there are /metrics, /health and /ready\n")


def test_many_may_ask_at_once_and_one_that_says_nothing_holds_up_nobody(
    stage: Stage, server: MetricsServer
) -> None:
    stage.launch("core")
    stage.poller.poll()
    host, port = server.url.removeprefix("http://").split(":")
    with closing(socket.create_connection((host, int(port)))), ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: get(server, "/metrics").text, range(32)))
    assert all("lambda_cloud_up 1.0\n" in answer for answer in answers)


def test_a_client_that_goes_away_is_no_line_on_standard_error(
    server: MetricsServer, capfd: pytest.CaptureFixture[str]
) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    for _ in range(3):
        gone = socket.create_connection((host, int(port)))
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closes by a reset
        gone.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
        gone.close()
    assert get(server, "/health").status_code == 200
    assert capfd.readouterr().err == ""


def test_the_server_ends_with_its_block(stage: Stage) -> None:
    with MetricsServer(stage.registry, LOOPBACK, lambda: True) as running:
        url = running.url
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/health", timeout=10)
    assert "metrics" not in {thread.name for thread in threading.enumerate()}


def test_it_listens_on_ipv6_too(stage: Stage) -> None:
    with MetricsServer(stage.registry, ("::1", 0), lambda: True) as running:
        assert running.url.startswith("http://[::1]:")
        assert get(running, "/health").status_code == 200


def test_an_address_that_is_taken_is_said(stage: Stage, server: MetricsServer) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with pytest.raises(CannotListen, match=rf"{server.url}: Address already in use. Next: choose another"):
        MetricsServer(stage.registry, (host, int(port)), lambda: True)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9105", ("127.0.0.1", 9105)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),  # noqa: S104
        ("[::]:9105", ("::", 9105)),
        ("localhost:80", ("localhost", 80)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "9105", ":9105", "localhost", "a:", "a:b", "a:70000", "::1:9105", "a:-1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(AddressRefused, match="HOST:PORT"):
        parse_address(text)
