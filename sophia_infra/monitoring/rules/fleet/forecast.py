"""Rules that look ahead: the month's dollars, the inference month, and capacity that is running out.

`predict_linear` extends a straight line. Each rule therefore asks for a full window of history before it says
anything: a line through the first minutes points anywhere.
"""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Alert, Recording, RuleGroup
from sophia_infra.monitoring.rules.fleet.texts import (
    PERCENT,
    USD,
    USD_ROUND,
    VALUE_USD,
    asked,
)
from sophia_infra.monitoring.terms import Terms

__all__ = ["groups"]

_SPENT: Final = "fleet:month_spent_usd:sum"
_FORECAST: Final = "fleet:month_forecast_usd:sum"
_RATE: Final = "fleet:usd_per_hour:sum"
_BUDGET: Final = "fleet:budget_usd_per_month:max"
_ROLLING: Final = "inference:cost_usd:sum30d"
_ANYWHERE: Final = "max by (instance_type) (lambda_cloud_capacity)"
_CAPACITY: Final = "type:capacity_available:ratio6h"


def groups(terms: Terms) -> tuple[RuleGroup, ...]:
    """Of the fleet with the exporter, of inference with a gateway."""
    found = []
    if terms.has_exporter:
        series = (_capacity_share(),)
        found.append(RuleGroup("fleet-forecast", (*series, _forecast(), _trend(), _capacity_scarce())))
    if terms.has_gateway:
        found.append(RuleGroup("inference-forecast", (_inference_month(terms),)))
    return tuple(found)


def _capacity_share() -> Recording:
    """Share of the last 6 hours in which some region had capacity for the type."""
    return Recording(_CAPACITY, f"avg_over_time(({_ANYWHERE})[6h:5m])")


def _forecast() -> Alert:
    return Alert(
        name="BudgetForecastExceeded",
        expr=f"{_FORECAST} - {_BUDGET} > 0",
        for_s=3_600,
        severity="warning",
        owner="platform",
        summary=f"At {asked(_RATE)}/h the month ends at {asked(_FORECAST, USD_ROUND)}: {VALUE_USD} over "
        f"its budget of {asked(_BUDGET, USD_ROUND)}.",
        description="Spent so far plus the present run rate for the rest of the month. A budget per month is "
        "meant for 30 days; in a month of 31 a fleet above 97 % of it gets here. `sophia status` shows "
        "what runs.",
    )


def _trend() -> Alert:
    # The exporter's forecast goes on at the run rate, so the hours that are left follow from it.
    left_s = f"scalar(({_FORECAST} - {_SPENT}) / {_RATE}) * 3600"
    same_month = f"{_SPENT} >= {_SPENT} offset 1d"
    return Alert(
        name="BudgetTrendExceeded",
        expr=f"predict_linear({_SPENT}[1d], {left_s}) > {_BUDGET} and {same_month}",
        for_s=3_600,
        severity="info",
        owner="platform",
        summary=f"As the last day went, the month ends at {VALUE_USD}; its budget is "
        f"{asked(_BUDGET, USD_ROUND)} and {asked(_SPENT, USD_ROUND)} are spent.",
        description="The line through a whole day, so machines that run in office hours only are in it as "
        "they run. BudgetForecastExceeded looks at the present moment instead.",
    )


def _capacity_scarce() -> Alert:
    falling = f"predict_linear({_CAPACITY}[6h], 21600) <= 0.1"
    running = asked(
        "sum(lambda_cloud_instance_usd_per_hour{instance_type=%instance_type%})", USD, otherwise="$0.00"
    )
    share = asked(f"{_CAPACITY}{{instance_type=%instance_type%}}", PERCENT)
    return Alert(
        name="CapacityScarce",
        # Once there was none for an hour, CapacityGone has said so.
        expr=f"{falling} and on (instance_type) max_over_time(({_ANYWHERE})[1h:5m]) == 1"
        f" and on (instance_type) {_CAPACITY} offset 6h",
        for_s=900,
        severity="info",
        owner="platform",
        summary=f"{{{{ $labels.instance_type }}}} becomes scarce: it was to be had {share} of the last 6 "
        f"hours, and less and less; {running}/h of it run.",
        description="There is some now, and soon there may be none. Launch what is planned, and replace "
        "nothing of this type. `sophia types` shows the regions.",
    )


def _inference_month(terms: Terms) -> Alert:
    month = format(terms.inference_usd_per_month.normalize(), "f")
    return Alert(
        name="InferenceMonthForecastExceeded",
        expr=f"predict_linear({_ROLLING}[1d], 259200) > {month} and inference:budget_burn:ratio1d > 1"
        f" and {_ROLLING} offset 1d",
        for_s=3_600,
        severity="warning",
        owner=next(one.team for one in terms.of_kind("gateway")),
        summary=f"In 3 days 30 days of inference will have cost {VALUE_USD}, ${month} is the budget; "
        f"{asked(_ROLLING)} so far.",
        description="Then the gateway begins to refuse calls. `sophia inference usage --by user` shows who "
        "spends; `sophia inference break-even` whether an own GPU is cheaper.",
    )
