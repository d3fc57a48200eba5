"""Series for cases about dollars: lines in promtool's notation."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BUDGET", "FLEET_USD_PER_HOUR", "FORGOTTEN_USD_PER_HOUR", "cost", "counter", "run_rate", "steady"]

FLEET_USD_PER_HOUR = 7.35
"""The five machines of stack `local` at the list prices of 2026-08-20."""

FORGOTTEN_USD_PER_HOUR = 15.92
"""Eight A100 at $1.99."""

BUDGET = {
    "lambda_cloud_budget_usd_per_hour": "8.333333333x5000",
    "lambda_cloud_budget_usd_per_month": "6000x5000",
    "lambda_cloud_budget_alert_ratio": "0.8x5000",
}
"""$200 a day, as stack `local` has it."""


def steady(value: float, samples: int = 5_000) -> str:
    """The same value in every sample."""
    return f"{value:.9g}x{samples}"


def counter(per_hour: float, step_s: int = 60, *, start: float = 0.0, samples: int = 5_000) -> str:
    """A counter that grows by `per_hour` an hour."""
    return f"{start:.9g}+{per_hour * step_s / 3_600:.12g}x{samples}"


def run_rate(**usd_per_hour: float) -> Mapping[str, str]:
    """Dollars per hour by owner; 0 for the owners that are not named."""
    owners = {"stack": 0.0, "orphan": 0.0, "other": 0.0, "unknown": 0.0, **usd_per_hour}
    return {f'lambda_cloud_usd_per_hour{{owner="{owner}"}}': steady(usd) for owner, usd in owners.items()}


def cost(values: str, *, instance_id: str = "i-1", owner: str = "stack") -> Mapping[str, str]:
    """The counter of dollars of one machine."""
    labels = (
        f'instance_id="{instance_id}",name="core",instance_type="gpu_1x_a100",gpu_model="A100",'
        f'region="us-south-1",owner="{owner}"'
    )
    return {f"lambda_cloud_instance_cost_usd_total{{{labels}}}": values}
