"""The plan's cost table and the honest one side by side, with the reason for every difference. Pure.

The honest table has the same four rows. What a row costs that another one counts already adds nothing; the
fleet is list price of its machines for 720 h. The figures after the change are the plan's own targets: nobody
can recompute them, so the saving is what would be left of it if all of them were reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from sophia_infra.cost.plan_figures import PlanFigures, PlanRow, plan_figures
from sophia_infra.model.money import HOURS_PER_MONTH
from sophia_infra.model.price_book import PriceBook

__all__ = ["PlanTable", "Side", "TableRow", "build_plan_table"]

_MONTHS: Final = 12
_INFRASTRUCTURE: Final = "Infrastructure"


@dataclass(frozen=True, slots=True)
class Side:
    """Dollars a month before and after."""

    before_usd: Decimal
    after_usd: Decimal

    @property
    def saving_usd(self) -> Decimal:
        return self.before_usd - self.after_usd

    @property
    def saving_percent(self) -> Decimal | None:
        """Part saved, unrounded; None where nothing was paid before."""
        return self.saving_usd / self.before_usd * 100 if self.before_usd else None

    def percent_text(self, decimals: int = 0) -> str:
        """`35.0 %`, rounded half up; `-` where nothing was paid before."""
        percent = self.saving_percent
        return "-" if percent is None else f"{_rounded(percent, decimals)} %"

    @property
    def saving_usd_per_year(self) -> Decimal:
        """Twelve months of 720 h."""
        return self.saving_usd * _MONTHS

    def as_json(self) -> dict[str, str | None]:
        """Decimal text; percent to two decimals."""
        percent = self.saving_percent
        return {
            "before_usd_per_month": str(self.before_usd),
            "after_usd_per_month": str(self.after_usd),
            "saving_usd_per_month": str(self.saving_usd),
            "saving_percent": None if percent is None else str(_rounded(percent, 2)),
            "saving_usd_per_year": str(self.saving_usd_per_year),
        }


@dataclass(frozen=True, slots=True)
class TableRow:
    """One component.

    Attributes:
        worth_usd: what the component itself costs a month before, by list price.
        honest: what it adds to the total: before is 0 where another row counts it already.
    """

    component: str
    plan: Side
    worth_usd: Decimal
    honest: Side
    reason: str

    @property
    def is_counted_elsewhere(self) -> bool:
        return self.honest.before_usd != self.worth_usd

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as decimal text."""
        return {
            "component": self.component,
            "plan": self.plan.as_json(),
            "worth_usd_per_month": str(self.worth_usd),
            "honest": self.honest.as_json(),
            "counted_elsewhere": self.is_counted_elsewhere,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class PlanTable:
    """Both tables. `prices` names the day and source of the list prices of the honest one."""

    rows: tuple[TableRow, ...]
    plan: Side
    honest: Side
    prices: str
    reasons: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as decimal text."""
        return {
            "rows": [row.as_json() for row in self.rows],
            "plan": self.plan.as_json(),
            "honest": self.honest.as_json(),
            "prices": self.prices,
            "reasons": list(self.reasons),
        }


def build_plan_table(book: PriceBook | None = None, figures: PlanFigures | None = None) -> PlanTable:
    """Both tables.

    Args:
        book: list prices of the honest one; None: the plan's own. The targets are of 2025, so at later prices
            only the figures before say something.

    Raises:
        UnknownPrice: the book lacks a type of the fleet.
    """
    book = PriceBook.plan() if book is None else book
    figures = plan_figures() if figures is None else figures
    months_usd = {machine.name: book.get(machine.type) * HOURS_PER_MONTH for machine in figures.fleet}
    rows = tuple(_row(row, months_usd) for row in figures.table)
    plan, honest = _sum([row.plan for row in rows]), _sum([row.honest for row in rows])
    return PlanTable(
        rows, plan, honest, f"list prices of {book.as_of}: {book.source}", tuple(_reasons(rows, plan, honest))
    )


def _row(row: PlanRow, months_usd: dict[str, Decimal]) -> TableRow:
    if row.component == _INFRASTRUCTURE:
        worth = sum(months_usd.values(), Decimal(0))
    elif row.machine is not None:
        worth = months_usd[row.machine]
    else:
        worth = row.before_usd
    honest = Side(worth if row.adds else Decimal(0), row.after_usd)
    return TableRow(row.component, Side(row.before_usd, row.after_usd), worth, honest, row.reason)


def _rounded(percent: Decimal, decimals: int) -> Decimal:
    return percent.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)


def _sum(sides: list[Side]) -> Side:
    return Side(
        sum((side.before_usd for side in sides), Decimal(0)),
        sum((side.after_usd for side in sides), Decimal(0)),
    )


def _reasons(rows: tuple[TableRow, ...], plan: Side, honest: Side) -> list[str]:
    twice = [row for row in rows if row.is_counted_elsewhere]
    names = " and ".join(row.component.lower() for row in twice)
    twice_usd = sum((row.plan.before_usd for row in twice), Decimal(0))
    return [
        f"Double counting: {names} are machines of the fleet, so ${twice_usd:,.0f} of the plan's "
        f"${plan.before_usd:,.0f} is there twice. What is really paid is ${honest.before_usd:,.2f}.",
        f"The saving is measured against that: ${honest.before_usd:,.2f} less ${honest.after_usd:,.2f} is "
        f"${honest.saving_usd:,.2f} a month, {honest.percent_text(1)}, and not "
        f"${plan.saving_usd:,.0f}, {plan.percent_text()}.",
        f"The {rows[0].plan.percent_text()} of the plan's headline is the row {rows[0].component} "
        "alone, not the total.",
    ]
