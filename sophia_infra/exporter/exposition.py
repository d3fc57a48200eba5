"""A snapshot as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from sophia_infra.exporter.attempts import Attempts
from sophia_infra.exporter.dollar_series import dollar_families
from sophia_infra.exporter.machine_series import machine_families
from sophia_infra.exporter.poller import Poller
from sophia_infra.exporter.service_series import service_families
from sophia_infra.lambda_cloud import Pacer
from sophia_infra.model.clock import Clock
from sophia_infra.monitoring.exporter_settings import ExporterSettings

__all__ = ["FleetCollector", "registry_of"]


class FleetCollector(Collector):
    """Shows what the poller saw last. Waits for nothing and asks nobody.

    Args:
        settings: of the stack.
        poller: whose snapshot.
        attempts, pacer: of its client.
        clock: for ages, which grow between two lists.
    """

    def __init__(
        self, settings: ExporterSettings, poller: Poller, attempts: Attempts, pacer: Pacer, clock: Clock
    ) -> None:
        self._settings = settings
        self._poller = poller
        self._attempts = attempts
        self._pacer = pacer
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """For prometheus-client."""
        snapshot, now_s = self._poller.snapshot, self._clock.now()
        yield from service_families(snapshot, self._attempts, self._pacer, now_s)
        yield from machine_families(snapshot, now_s)
        yield from dollar_families(snapshot, self._settings)


def registry_of(collector: FleetCollector) -> CollectorRegistry:
    """Everything that /metrics shows: the collector's series and those of this process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    ProcessCollector(registry=registry)
    return registry
