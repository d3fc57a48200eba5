"""Return on an investment that somebody states. Pure, in Decimal.

Formulas, over months that default to the first year:
    saved  = saving a month x months
    net    = (saved - investment) / investment
    gross  = saved / investment
The plan promises "400 %+ in the first year" and states no investment: its figure is neither right nor wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sophia_infra.cost.errors import CostError

__all__ = [
    "FIRST_YEAR_MONTHS",
    "PLAN_PERCENT",
    "InvestmentMissing",
    "Return",
    "most_investment",
    "require_investment",
    "return_on",
]

FIRST_YEAR_MONTHS: Final = 12
PLAN_PERCENT: Final = Decimal(400)
_CENT: Final = Decimal("0.01")


class InvestmentMissing(CostError):
    """A return was asked for, and nobody said on what."""

    def __init__(self, most_plan_usd: Decimal, most_honest_usd: Decimal) -> None:
        super().__init__(
            "There is no return without an investment, and the plan states none. For its 400 % net in a "
            f"year it may be at most ${most_plan_usd:,.2f} by the plan's saving, and ${most_honest_usd:,.2f} "
            "by the honest one.",
            next_step='say what the change costs, work included: --investment "$12,000".',
        )


@dataclass(frozen=True, slots=True)
class Return:
    """What an investment brings back.

    Attributes:
        payback_months: months until it is earned back, to one decimal; None when nothing is saved.
    """

    investment_usd: Decimal
    saved_usd: Decimal
    months: int
    payback_months: Decimal | None

    @property
    def net_percent(self) -> Decimal:
        return (self.saved_usd - self.investment_usd) / self.investment_usd * 100

    @property
    def gross_percent(self) -> Decimal:
        return self.saved_usd / self.investment_usd * 100

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as decimal text, percent to one decimal."""
        return {
            "investment_usd": str(self.investment_usd),
            "saved_usd": str(self.saved_usd),
            "months": self.months,
            "net_percent": f"{self.net_percent:.1f}",
            "gross_percent": f"{self.gross_percent:.1f}",
            "payback_months": None if self.payback_months is None else str(self.payback_months),
        }


def return_on(
    investment_usd: Decimal, saving_usd_per_month: Decimal, *, months: int = FIRST_YEAR_MONTHS
) -> Return:
    """The return of `investment_usd` after so many months.

    Raises:
        ValueError: an investment or a number of months that is not above 0.
    """
    if investment_usd <= 0 or months <= 0:
        raise ValueError(f"an investment of {investment_usd} over {months} months has no return")
    payback = None
    if saving_usd_per_month > 0:
        payback = (investment_usd / saving_usd_per_month).quantize(Decimal("0.1"))
    return Return(investment_usd, saving_usd_per_month * months, months, payback)


def most_investment(saved_usd: Decimal, percent: Decimal = PLAN_PERCENT, *, net: bool = True) -> Decimal:
    """The most that may be invested for `percent` of return on `saved_usd`, to the cent.

    Args:
        net: what was invested has to come back first (400 % net: a fifth); else gross (a quarter).
    """
    return (saved_usd * 100 / (percent + 100 if net else percent)).quantize(_CENT)


def require_investment(stated_usd: Decimal | None, plan_usd_per_year: Decimal, honest: Decimal) -> Decimal:
    """`stated_usd`. Raises InvestmentMissing with the most that the plan's promise would allow."""
    if stated_usd is None:
        raise InvestmentMissing(most_investment(plan_usd_per_year), most_investment(honest))
    return stated_usd
