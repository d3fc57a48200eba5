"""What a stack may cost, and how its run rate compares."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from sophia_infra.model.forms import ClosedModel, whole_number_form
from sophia_infra.model.money import Rate, format_usd
from sophia_infra.model.value_types import SpendingRate, YesNo

__all__ = ["Budget", "BudgetUse"]


class Budget(ClosedModel):
    """The limit of one stack. A stack over it is a warning here; policies decide what is refused."""

    limit: SpendingRate = Field(
        description="Dollars per time: $2.29/h, $40/day, $1,000/month (720 h). No default: the plan fixes no "
        "budget, and one that nobody chose protects nobody."
    )
    alert_percent: Annotated[int, whole_number_form(1, 100)] = Field(
        default=80,
        description="Percent of the limit from which to warn, 1 to 100. Default 80: the plan's cost service "
        "warns there.",
    )
    includes_training: YesNo = Field(
        default=False,
        description="true refuses a training run whose cap is above what the month leaves beside the fleet "
        "and other runs. Default false: each run has a cap of its own, and the plan's fleet leaves less "
        "than the plan's run may cost.",
    )


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """A run rate beside its budget. Prints one line for people.

    Attributes:
        usd_per_hour: run rate at list price, everything running all the time.
        limit: the budget.
        alert_percent: from where it is worth a warning.
    """

    usd_per_hour: Decimal
    limit: Rate
    alert_percent: int

    @property
    def percent(self) -> Decimal:
        """Run rate in percent of the limit, unrounded."""
        return Rate(self.usd_per_hour).usd_per_month * 100 / self.limit.usd_per_month

    @property
    def is_over(self) -> bool:
        """Above the limit; exactly at it is within."""
        return self.percent > 100

    @property
    def is_alert(self) -> bool:
        """At or above `alert_percent` of the limit."""
        return self.percent >= self.alert_percent

    def __str__(self) -> str:
        rate = Rate(self.usd_per_hour)
        return (
            f"{format_usd(rate.usd_per_hour)}/h, {format_usd(rate.usd_per_day)}/day, "
            f"{format_usd(rate.usd_per_month)}/month: {self.percent:.1f} % of the budget of {self.limit}"
        )
