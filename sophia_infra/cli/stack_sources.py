"""Whom `sophia monitor` and `sophia report` ask about a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sophia_infra.metrics_client.http_source import checked_address
from sophia_infra.metrics_client.prometheus import PrometheusApi
from sophia_infra.reports.fleet import Fleet, read_fleet
from sophia_infra.reports.gathering import Gatherer, Sources
from sophia_infra.reports.snapshot import BudgetTerms

if TYPE_CHECKING:
    from collections.abc import Callable

    from sophia_infra.cli.stack_context import StackContext

__all__ = ["open_gatherer", "prometheus_of", "say_stopped"]


def prometheus_of(address: str | None) -> PrometheusApi | None:
    """The Prometheus that was named, with the token of PROMETHEUS_TOKEN. Raises AddressRefused."""
    return None if address is None else PrometheusApi.from_environment(address)


def open_gatherer(
    context: StackContext, *, prometheus: PrometheusApi | None, gateway: str | None
) -> Gatherer:
    """The sources of the stack; nothing is asked yet but whether a local gateway runs.

    Args:
        gateway: address as given on the command line.

    Raises:
        AddressRefused: the gateway's address cannot be asked.
        SettingsRefused: see `provider.settings`.
    """
    address = _local_gateway(context) if gateway is None else checked_address(gateway, "--gateway")
    list_fleet, name = _fleet(context)
    sources = Sources(
        list_fleet=list_fleet,
        fleet_name=name,
        prometheus=prometheus,
        gateway_address=address,
    )
    budget = context.config.budget
    return Gatherer(context.name, BudgetTerms(budget.limit.usd_per_month, budget.alert_percent), sources)


def say_stopped(context: StackContext) -> None:
    """Nothing runs, and that is no failure."""
    print(f"The emulator of stack {context.name} is stopped, so nothing runs. `sophia up` starts it.")


def _fleet(context: StackContext) -> tuple[Callable[[], tuple[Fleet, float]], str]:
    if context.emulator_is_stopped:
        import time

        return lambda: (read_fleet(context.tag, context.instances, (), time.time()), time.time()), (
            "the emulator, which is stopped, so nothing runs"
        )
    from sophia_infra.provider.clustered_machines import machines_of_clusters

    session = context.open_session()

    def list_fleet() -> tuple[Fleet, float]:
        machines = session.instances.rows(0)
        now_s = session.clock.now()
        fleet = read_fleet(
            context.tag,
            context.instances,
            machines,
            now_s,
            launches=context.wanted_launches,
            clustered=machines_of_clusters(session.client, context.config.one_click_ids),
        )
        return fleet, now_s

    is_real = context.config.endpoint == "lambda"
    return list_fleet, "Lambda Cloud, list of instances" if is_real else "the emulator, list of instances"


def _local_gateway(context: StackContext) -> str | None:
    if not context.has_own_emulator:
        return None
    from sophia_infra.cli.local_inference import find_local_inference

    found = find_local_inference(context.home)
    return None if found is None else found.url
