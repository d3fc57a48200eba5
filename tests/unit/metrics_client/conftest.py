"""A service on loopback that answers like Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.metrics_client.prometheus_stand_in import PrometheusStandIn


@pytest.fixture
def prometheus() -> Iterator[PrometheusStandIn]:
    service = PrometheusStandIn()
    yield service
    service.close()
