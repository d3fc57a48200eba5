"""Prometheus' API over HTTP: what is read, and what is said when it is not there or something else is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from sophia_infra.optimization.errors import SourceRefused, SourceUnavailable
from sophia_infra.optimization.prometheus import Prometheus, PrometheusGate, PrometheusUsage
from tests.unit.optimization.prometheus_server import Server, serve
from tests.unit.optimization.shapes import END_S, STEP_S


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as made:
        yield made


def series(node: str, *values: float | str, first_s: int) -> dict[str, Any]:
    rows = [[first_s + (place + 1) * STEP_S, str(value)] for place, value in enumerate(values)]
    return {"metric": {"node": node}, "values": rows}


def test_series_become_tracks_of_machines(server: Server) -> None:
    start_s = END_S - 4 * STEP_S
    server.vectors["lambda_node"] = [
        {"metric": {"node": "a", "instance_id": "id-a"}, "value": [END_S, "1"]},
        {"metric": {"node": "gone", "instance_id": "id-g"}, "value": [END_S, "1"]},
    ]
    server.matrices["DCGM_FI_DEV_GPU_UTIL"] = [
        series("a", 10, "NaN", 30, 40, first_s=start_s),
        series("stranger", 1, 1, 1, 1, first_s=start_s),
    ]
    server.matrices["node_cpu"] = [series("a", 1, 2, 3, 4, first_s=start_s)]
    recorded = PrometheusUsage(Prometheus(server.url, token="t0ken")).read(start_s, END_S, STEP_S)
    assert list(recorded.machines) == ["id-a"]
    machine = recorded.machines["id-a"]
    assert machine.gpu_percent.values == (10.0, None, 30.0, 40.0)
    assert machine.cpu_percent is not None
    assert machine.cpu_percent.values == (1.0, 2.0, 3.0, 4.0)
    assert machine.memory_gib is None
    assert "memory_gib is not recorded of any node" in recorded.notes
    assert set(server.tokens) == {"Bearer t0ken"}
    ranged = next(one for one in server.asked if "start" in one)
    assert (ranged["start"], ranged["end"]) == (str(start_s + STEP_S), str(END_S))
    assert f"[{STEP_S}s]" in ranged["query"]


def test_a_long_window_is_read_in_pieces_below_the_limit(server: Server) -> None:
    server.vectors["lambda_node"] = [{"metric": {"node": "a", "instance_id": "i"}, "value": [END_S, "1"]}]
    PrometheusUsage(Prometheus(server.url, token="")).read(END_S - 90 * 86_400, END_S, 300)
    for one in server.asked:
        if "start" in one:
            assert (int(one["end"]) - int(one["start"])) // 300 < 11_000


def test_without_nodes_nothing_is_asked_and_it_is_said(server: Server) -> None:
    recorded = PrometheusUsage(Prometheus(server.url, token="")).read(END_S - STEP_S, END_S, STEP_S)
    assert recorded.machines == {}
    assert "no node of the stack is known" in recorded.notes[0]


@pytest.mark.parametrize(
    ("status", "body", "error", "says"),
    [
        (503, "busy", SourceUnavailable, "HTTP 503"),
        (429, "{}", SourceUnavailable, "HTTP 429"),
        (401, "no", SourceRefused, "HTTP 401"),
        (302, "", SourceRefused, "HTTP 302"),
        (200, "<html>", SourceRefused, "answered HTTP 200"),
        (200, "[]", SourceRefused, "answered HTTP 200"),
        (400, '{"status": "error", "error": "bad_data: x"}', SourceRefused, "bad_data: x"),
        (
            200,
            '{"status": "success", "data": {"resultType": "matrix", "result": []}}',
            SourceRefused,
            "is not",
        ),
        (
            200,
            '{"status": "success", "data": {"resultType": "vector", "result": [{}]}}',
            SourceRefused,
            "is not",
        ),
        (200, '{"status": "success", "data": null}', SourceRefused, "is not Prometheus"),
    ],
)
def test_wrong_answers_are_named(
    server: Server, status: int, body: str, error: type[Exception], says: str
) -> None:
    server.status, server.body = status, body
    with pytest.raises(error, match=says):
        Prometheus(server.url, token="").query("up")
    health = PrometheusGate(Prometheus(server.url, token="")).look()
    assert not health.is_well
    assert health.reason


def test_nobody_there_is_not_well() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
    with pytest.raises(SourceUnavailable, match="does not answer"):
        Prometheus(url, token="").query("up")
    assert not PrometheusGate(Prometheus(url, token="")).look().is_well


def test_the_gate_falls_with_a_critical_alert(server: Server) -> None:
    gate = PrometheusGate(Prometheus(server.url, token=""))
    # No series at all answers like no alert: a server that scrapes nothing sees none.
    assert "scrapes nothing" in gate.look().reason
    server.vectors["count(up)"] = [{"metric": {}, "value": [END_S, "3"]}]
    assert gate.look().is_well
    server.vectors["ALERTS"] = [{"metric": {"alertname": "GatewayDown"}, "value": [END_S, "1"]}]
    health = gate.look()
    assert (health.is_well, health.reason) == (False, "critical alerts fire: GatewayDown")


@pytest.mark.parametrize("url", ["", "prometheus", "ftp://x", "http://", "http://[::1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SourceRefused, match="is no address of Prometheus"):
        Prometheus(url, token="")


def test_a_token_never_crosses_the_network_in_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_TOKEN", "t0ken")
    with pytest.raises(SourceRefused, match="in plain text") as caught:
        Prometheus("http://prometheus.example:9090")
    assert "t0ken" not in str(caught.value)
    Prometheus("https://prometheus.example")
    Prometheus("http://prometheus.example:9090", token="")
