"""Series in dollars that are not of one machine: run rate, month, budget, prices, storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from prometheus_client.metrics_core import Metric

from sophia_infra.exporter.families import gauge, single
from sophia_infra.exporter.machines import OWNERS, MachineOwner
from sophia_infra.exporter.snapshot import Snapshot
from sophia_infra.monitoring.exporter_settings import ExporterSettings

__all__ = ["dollar_families"]

_BYTES_PER_GIB = 1024**3


def dollar_families(snapshot: Snapshot, settings: ExporterSettings) -> Iterator[Metric]:
    """Without a sample before the first list that succeeded: an unknown cost is no cost of 0."""
    dollars = snapshot.dollars
    yield _by_owner(
        "lambda_cloud_usd_per_hour",
        "Run rate at list price, dollars per hour, by owner.",
        None if dollars is None else dollars.usd_per_hour,
    )
    yield _by_owner(
        "lambda_cloud_month_spent_usd",
        "Dollars since the first of the month (UTC), ended machines included as far as they were seen.",
        None if dollars is None else dollars.month_usd,
    )
    yield single(
        "lambda_cloud_month_spent_complete",
        "1 when all of the month so far was watched; 0: month_spent is at least what was spent.",
        None if dollars is None else int(dollars.month_is_complete),
    )
    yield _by_owner(
        "lambda_cloud_month_forecast_usd",
        "Dollars of the whole month: spent so far, and the run rate until its end.",
        None if dollars is None else dollars.forecast_usd,
    )
    yield single(
        "lambda_cloud_budget_usd_per_month",
        "Limit of the stack, dollars per month of 720 h.",
        None if dollars is None else settings.budget_usd_per_month,
    )
    yield single(
        "lambda_cloud_budget_usd_per_hour",
        "Limit of the stack, dollars per hour.",
        None if dollars is None else settings.budget_usd_per_hour,
    )
    yield single(
        "lambda_cloud_budget_alert_ratio",
        "Share of the limit from which the file wants a warning, 0 to 1.",
        Decimal(settings.budget_alert_percent) / 100,
    )
    market = snapshot.market
    yield gauge(
        "lambda_cloud_type_usd_per_hour",
        "Price of one instance now, dollars per hour, of every type that is sold.",
        ("instance_type",),
        () if market is None else [((name,), usd) for name, usd in market.usd_per_hour.items()],
    )
    yield gauge(
        "lambda_cloud_type_planned_usd_per_hour",
        "Price of one instance in the dated price book, of the types of the file.",
        ("instance_type",),
        () if dollars is None else [((name,), usd) for name, usd in settings.prices.usd_per_hour.items()],
    )
    price = settings.prices.file_storage_usd_per_gib_month
    yield gauge(
        "lambda_cloud_filesystem_usd_per_month",
        "Dollars per month for what is in a filesystem now.",
        ("name", "region"),
        [
            ((one.name, one.region), Decimal(one.bytes_used) / _BYTES_PER_GIB * price)
            for one in snapshot.filesystems or ()
            if one.bytes_used is not None
        ],
    )


def _by_owner(name: str, text: str, dollars: Mapping[MachineOwner, Decimal] | None) -> Metric:
    rows = () if dollars is None else [((owner,), dollars[owner]) for owner in OWNERS]
    return gauge(name, text, ("owner",), rows)
