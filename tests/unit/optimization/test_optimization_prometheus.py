"""Prometheus' API over HTTP: what is read, and what is said when it is not there or something else is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from sophia_infra.metrics_client.prometheus import PrometheusApi
from sophia_infra.optimization.prometheus import PrometheusGate, PrometheusUsage
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
    recorded = PrometheusUsage(PrometheusApi(server.url, "t0ken")).read(start_s, END_S, STEP_S)
    assert list(recorded.machines) == ["id-a"]
    machine = recorded.machines["id-a"]
    assert machine.gpu_percent.values == (10.0, None, 30.0, 40.0)
    assert machine.cpu_percent is not None
    assert machine.cpu_percent.values == (1.0, 2.0, 3.0, 4.0)
    assert machine.memory_gib is None
    assert "memory_gib is not recorded of any node" in recorded.notes
    assert set(server.tokens) == {"Bearer t0ken"}
    ranged = next(one for one in server.asked if "start" in one)
    assert (ranged["start"], ranged["end"]) == (f"{start_s + STEP_S}.000", f"{END_S}.000")
    assert f"[{STEP_S}s]" in ranged["query"]


def test_a_long_window_is_read_in_pieces_below_the_limit(server: Server) -> None:
    server.vectors["lambda_node"] = [{"metric": {"node": "a", "instance_id": "i"}, "value": [END_S, "1"]}]
    PrometheusUsage(PrometheusApi(server.url)).read(END_S - 90 * 86_400, END_S, 300)
    for one in server.asked:
        if "start" in one:
            assert (float(one["end"]) - float(one["start"])) / 300 < 11_000


def test_without_nodes_nothing_is_asked_and_it_is_said(server: Server) -> None:
    recorded = PrometheusUsage(PrometheusApi(server.url)).read(END_S - STEP_S, END_S, STEP_S)
    assert recorded.machines == {}
    assert "no node of the stack is known" in recorded.notes[0]


@pytest.mark.parametrize(("status", "body"), [(503, "busy"), (401, "no"), (200, "<html>")])
def test_what_gives_no_answer_is_not_well(server: Server, status: int, body: str) -> None:
    server.status, server.body = status, body
    health = PrometheusGate(PrometheusApi(server.url)).look()
    assert not health.is_well
    assert server.url in health.reason


def test_nobody_there_is_not_well() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
    assert not PrometheusGate(PrometheusApi(url)).look().is_well


def test_the_gate_falls_with_a_critical_alert(server: Server) -> None:
    gate = PrometheusGate(PrometheusApi(server.url))
    # No series at all answers like no alert: a server that scrapes nothing sees none.
    assert "scrapes nothing" in gate.look().reason
    server.vectors["count(up)"] = [{"metric": {}, "value": [END_S, "3"]}]
    assert gate.look().is_well
    server.vectors["ALERTS"] = [{"metric": {"alertname": "GatewayDown"}, "value": [END_S, "1"]}]
    health = gate.look()
    assert (health.is_well, health.reason) == (False, "critical alerts fire: GatewayDown")
