"""The whole answer about one plan: rows, totals, and whether it keeps to budget, quota and capacity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from sophia_infra.cost.billing import ALWAYS_UNPRICED
from sophia_infra.cost.changes import Plan, Unpriced
from sophia_infra.cost.errors import PlanIncomplete
from sophia_infra.cost.judgement import BudgetCheck, QuotaCheck, check_budget, check_quota
from sophia_infra.cost.prices import Price, Prices
from sophia_infra.cost.rows import ZERO, Capacity, CostRow, plan_rows
from sophia_infra.cost.spending import Spent
from sophia_infra.cost.terms import StackTerms
from sophia_infra.cost.totals import Grouped, Totals, group_totals, sum_rows

__all__ = ["CostReport", "LiveFacts", "build_report"]


@dataclass(frozen=True, slots=True)
class LiveFacts:
    """What only the account can tell; empty when it was not asked.

    Attributes:
        capacity: the live list of types and regions.
        spent: what the stack's running machines cost this month.
        others: instance type -> live machines of the account outside the stack.
    """

    capacity: Capacity | None = None
    spent: Spent | None = None
    others: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CostReport:
    """One plan in dollars.

    Attributes:
        rows: every machine, unchanged ones included.
        totals: their sum; `grouped` the same sum by phase, region and GPU model.
        unpriced: what is in no figure, by resource; `always_unpriced` what never is.
        left_out: resources that the plan does not list; above 0, only differences are whole.
        budget: None when there is none, or `left_out` keeps it from being judged.
        quota: every stated limit of the account, kept or not.
    """

    terms: StackTerms
    rows: tuple[CostRow, ...]
    totals: Totals
    grouped: Grouped
    unpriced: tuple[Unpriced, ...]
    left_out: int
    budget: BudgetCheck | None
    quota: tuple[QuotaCheck, ...]
    asked_capacity: bool
    always_unpriced: tuple[str, ...] = ALWAYS_UNPRICED

    @property
    def changed_rows(self) -> tuple[CostRow, ...]:
        return tuple(row for row in self.rows if row.changes)

    @property
    def adopted_usd_per_hour(self) -> Decimal:
        """How much of the difference is billed already: machines taken in, not launched."""
        return sum(
            (row.difference_usd_per_hour for row in self.rows if row.is_adopted and row.before is None), ZERO
        )

    @property
    def overlap_usd(self) -> tuple[Decimal, Decimal]:
        """Dollars, once, that all replacements add: least and most."""
        overlaps = [row.overlap for row in self.rows if row.overlap]
        return sum((o.usd_low for o in overlaps), ZERO), sum((o.usd_high for o in overlaps), ZERO)

    @property
    def price_sources(self) -> tuple[Price, ...]:
        """One price of each source in use, newest first."""
        found = {
            (price.as_of, price.source): price
            for row in self.rows
            for price in (row.price_before, row.price_after)
            if price is not None
        }
        return tuple(found[key] for key in sorted(found, reverse=True))

    @property
    def without_capacity(self) -> tuple[CostRow, ...]:
        """Rows to launch for which the live list has no room, fallbacks included."""
        return tuple(row for row in self.rows if row.capacity is not None and not row.capacity.is_listed)

    @property
    def over_quota(self) -> tuple[QuotaCheck, ...]:
        return tuple(check for check in self.quota if check.is_over)

    @property
    def is_over_budget(self) -> bool:
        """Over the limit at the declared types, or with the dearest fallbacks: a launch may take those."""
        return self.budget is not None and (self.budget.is_over or self.budget.is_over_at_worst)


def build_report(
    plan: Plan, prices: Prices, terms: StackTerms | None = None, live: LiveFacts | None = None
) -> CostReport:
    """Price `plan` and judge it.

    Args:
        terms: budget, quota and phases; none of them when None.

    Raises:
        UnknownPrice: a type without a price.
        PlanIncomplete: a limit is to be judged and the plan leaves machines out. What is in it already being
            over the limit is no such case: more machines cannot help that.
    """
    terms, live = terms or StackTerms(), live or LiveFacts()
    rows = plan_rows(plan, prices, terms, live.capacity)
    totals = sum_rows(rows)
    left_out = _left_out(plan, terms)
    budget = check_budget(terms.budget, totals, live.spent)
    quota = check_quota(terms.quota, rows, live.others)
    if left_out:
        is_over = budget is not None and budget.is_over
        if not is_over and (budget is not None or quota):
            raise PlanIncomplete(left_out)
    return CostReport(
        terms=terms,
        rows=rows,
        totals=totals,
        grouped=group_totals(rows),
        unpriced=plan.unpriced,
        left_out=left_out,
        budget=budget,
        quota=quota,
        asked_capacity=live.capacity is not None,
    )


def _left_out(plan: Plan, terms: StackTerms) -> int:
    """0 when the machines of the stack's phase are all in the plan: then only free resources are left out."""
    if plan.left_out and terms.wanted and terms.wanted <= {change.name for change in plan.changes}:
        return 0
    return plan.left_out
