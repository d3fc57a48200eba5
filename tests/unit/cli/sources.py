"""What `sophia monitor` and `sophia report` ask, as services on loopback. Not a test itself."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from sophia_infra.inference.gateway.metrics import GatewayMetrics
from tests.unit.lambda_cloud.service import Reply, ScriptedService
from tests.unit.metrics_client.prometheus_stand_in import PrometheusStandIn, success


@contextlib.contextmanager
def a_prometheus() -> Iterator[PrometheusStandIn]:
    """One without series of its own."""
    service = PrometheusStandIn()
    service.script("GET /api/v1/query_range", success({"resultType": "matrix", "result": []}))
    try:
        yield service
    finally:
        service.close()


@contextlib.contextmanager
def a_gateway() -> Iterator[ScriptedService]:
    """A page of the gateway's own registry: one backend, which is ready, and 42 % of a budget used."""
    metrics = GatewayMetrics(pressure=lambda _user: 42, users=("ann",))
    metrics.on_backend("there", ready=True)
    service = ScriptedService()
    service.script("GET /metrics", Reply(200, metrics.text()))
    try:
        yield service
    finally:
        service.close()


def address_of_nobody() -> str:
    """Where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
