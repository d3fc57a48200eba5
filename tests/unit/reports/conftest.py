"""A service on loopback that answers like Prometheus, and one that answers as scripted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.lambda_cloud.service import ScriptedService
from tests.unit.metrics_client.prometheus_stand_in import PrometheusStandIn


@pytest.fixture
def prometheus() -> Iterator[PrometheusStandIn]:
    service = PrometheusStandIn()
    yield service
    service.close()


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    service = ScriptedService()
    yield service
    service.close()
