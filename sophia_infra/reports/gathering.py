"""Asks every source of a snapshot, again and again: what a source does not tell now stays as it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sophia_infra.lambda_cloud.errors import LambdaCloudError
from sophia_infra.metrics_client.errors import SourceError
from sophia_infra.metrics_client.prometheus import PrometheusApi
from sophia_infra.reports.figures import Figure, first_known, known, unknown
from sophia_infra.reports.fleet import Fleet
from sophia_infra.reports.gateway_page import GatewayPage, read_gateway_page
from sophia_infra.reports.inference_facts import (
    Inference,
    inference_of_page,
    inference_of_prometheus,
    no_inference,
)
from sophia_infra.reports.prometheus_facts import Alert, GpuUse, Month, read_alerts, read_gpus, read_month
from sophia_infra.reports.slo_facts import Slos, read_slo
from sophia_infra.reports.snapshot import BudgetTerms, Snapshot, forecast_of, month_of_fleet

__all__ = ["FLEET_EVERY_S", "Gatherer", "Sources"]

FLEET_EVERY_S: Final = 5.0
"""Seconds of real time between two lists of the account, which takes one request a second from everybody."""

_NO_PROMETHEUS: Final = "no Prometheus was given: --prometheus URL"


@dataclass(frozen=True, slots=True)
class Sources:
    """Whom to ask.

    Attributes:
        list_fleet: asks the cloud once; the fleet and the moment (seconds since 1970 on the cloud's clock).
        fleet_name: what figures of the fleet name as their source.
    """

    list_fleet: Callable[[], tuple[Fleet, float]]
    fleet_name: str
    prometheus: PrometheusApi | None = None
    gateway_address: str | None = None


@dataclass(frozen=True, slots=True)
class _Told:
    """What Prometheus told the last time it answered, or why it told nothing."""

    month: Figure[Month]
    inference: Inference
    gpus: Figure[tuple[GpuUse, ...]]
    slo: Figure[Slos]
    alerts: Figure[tuple[Alert, ...]]


class Gatherer:
    """Makes snapshots of one stack. Not safe to share between threads.

    Args:
        monotonic, now: clocks in seconds, of intervals and since 1970.

    Attributes:
        failed: the sources that gave nothing in the last round.
    """

    def __init__(
        self,
        stack: str,
        budget: BudgetTerms,
        sources: Sources,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._stack = stack
        self._budget = budget
        self._sources = sources
        self._monotonic = monotonic
        self._now = now
        self._fleet: Figure[Fleet] | None = None
        self._listed_at_s = 0.0
        self._told: _Told | None = None
        self._page: GatewayPage | None = None
        self._of_page: Inference | None = None
        self.failed: tuple[SourceError | LambdaCloudError, ...] = ()

    def gather(self) -> Snapshot:
        """One round.

        Raises:
            LambdaCloudError: the cloud did not answer in the first round. Later its last list stays, with
                its age, as do the figures of the other sources.
        """
        failed: list[SourceError | LambdaCloudError] = []
        fleet = self._list_fleet(failed)
        told = self._ask_prometheus(failed)
        of_page = self._look_at_gateway(failed)
        self.failed = tuple(failed)
        month = first_known(told.month, month_of_fleet(fleet))
        return Snapshot(
            stack=self._stack,
            taken_at_s=self._now(),
            budget=self._budget,
            fleet=fleet,
            month=month,
            forecast=forecast_of(month, fleet),
            inference=self._inference(told.inference, of_page),
            gpus=told.gpus,
            slo=told.slo,
            alerts=told.alerts,
            trouble=tuple(str(error) for error in failed),
        )

    def _inference(self, told: Inference, of_page: Inference | None) -> Inference:
        """Prometheus knows all gateways and longer; the page of one fills in what that does not tell."""
        if of_page is None:
            return told
        return of_page if self._sources.prometheus is None else told.or_else(of_page)

    def _list_fleet(self, failed: list[SourceError | LambdaCloudError]) -> Figure[Fleet]:
        now_s = self._monotonic()
        if self._fleet is not None and now_s - self._listed_at_s < FLEET_EVERY_S:
            return self._fleet
        self._listed_at_s = now_s
        try:
            fleet, at_s = self._sources.list_fleet()
        except LambdaCloudError as error:
            if self._fleet is None:
                raise
            failed.append(error)
            return self._fleet
        self._fleet = known(fleet, self._sources.fleet_name, at_s)
        return self._fleet

    def _ask_prometheus(self, failed: list[SourceError | LambdaCloudError]) -> _Told:
        api = self._sources.prometheus
        if api is None:
            return _nothing_told(_NO_PROMETHEUS)
        try:
            self._told = _Told(
                month=read_month(api),
                inference=inference_of_prometheus(api),
                gpus=read_gpus(api),
                slo=read_slo(api),
                alerts=read_alerts(api, self._now()),
            )
        except SourceError as error:
            failed.append(error)
            return self._told or _nothing_told(error.message.rstrip("."))
        return self._told

    def _look_at_gateway(self, failed: list[SourceError | LambdaCloudError]) -> Inference | None:
        address = self._sources.gateway_address
        if address is None:
            return None
        try:
            page = read_gateway_page(address, now=self._now)
        except SourceError as error:
            failed.append(error)
            return self._of_page or no_inference(error.message.rstrip("."))
        self._of_page = inference_of_page(page, self._page)
        self._page = page
        return self._of_page


def _nothing_told(missing: str) -> _Told:
    return _Told(
        month=unknown(missing),
        inference=no_inference(missing),
        gpus=unknown(missing),
        slo=unknown(missing),
        alerts=unknown(missing),
    )
