"""Whether a plan keeps to the budget, to the account's quota, and to what can be launched now. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from sophia_infra.cost.boot import gpu_count
from sophia_infra.cost.changes import Action
from sophia_infra.cost.rows import ZERO, CostRow
from sophia_infra.cost.spending import Spent
from sophia_infra.cost.terms import BudgetTerms, QuotaTerms
from sophia_infra.cost.totals import Totals
from sophia_infra.model.money import Rate

__all__ = ["BudgetCheck", "QuotaCheck", "check_budget", "check_quota"]

_TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class BudgetCheck:
    """The stack's run rate beside its budget.

    Attributes:
        terms: the limit and where it comes from.
        before, after: dollars per hour at the declared types.
        highest: after, should every launch take its dearest fallback.
        spent: what this month has cost so far; None when no live list was at hand.
    """

    terms: BudgetTerms
    before: Decimal
    after: Decimal
    highest: Decimal
    spent: Spent | None = None

    def percent(self, usd_per_hour: Decimal) -> Decimal:
        """A rate in percent of the limit, unrounded."""
        return Rate(usd_per_hour).usd_per_month * 100 / self.terms.limit.usd_per_month

    @property
    def is_over(self) -> bool:
        """Whether the declared types are above the limit; exactly at it is within."""
        return self.percent(self.after) > 100

    @property
    def is_over_at_worst(self) -> bool:
        """Whether it would be above the limit with the dearest fallbacks."""
        return self.percent(self.highest) > 100

    @property
    def is_alert(self) -> bool:
        """Whether it is worth a warning."""
        return self.percent(self.after) >= self.terms.alert_percent

    @property
    def hours_per_period(self) -> Decimal | None:
        """Hours that the limit of one of its periods lasts at the new rate; None when nothing is billed."""
        return _hours(self.terms.limit.amount_usd, self.after)

    @property
    def hours_left(self) -> Decimal | None:
        """Hours until the month's budget is used up at the new rate, what is spent taken off; None: never."""
        spent = self.spent.usd if self.spent else ZERO
        return _hours(max(ZERO, self.terms.limit.usd_per_month - spent), self.after)


@dataclass(frozen=True, slots=True)
class QuotaCheck:
    """One limit of the account beside what would run.

    Attributes:
        what: "instances", "gpus" or an instance type's API name.
        limit: as stated in `sophia:quota`.
        before, after: of the stack, and of others in the account when they are known.
        peak: the most at one moment of the run. Launches come first and terminations at its end, so a
            replacement with `launch_first`, or a machine under a new name, needs room for both.
    """

    what: str
    limit: int
    before: int
    after: int
    peak: int

    @property
    def is_over(self) -> bool:
        """Over afterwards, or over at a moment of the run: then a launch is refused just the same."""
        return self.is_over_afterwards or (self.peak > self.limit and self.peak > self.before)

    @property
    def is_over_afterwards(self) -> bool:
        return self.after > self.limit


def check_quota(
    terms: QuotaTerms | None, rows: Iterable[CostRow], others: Mapping[str, int] | None = None
) -> tuple[QuotaCheck, ...]:
    """Every stated limit beside the plan.

    Args:
        others: instance type -> live machines of the account that are not of this stack.
    """
    if terms is None:
        return ()
    before, after, peak = Counter(others or {}), Counter(others or {}), Counter(others or {})
    for row in rows:
        if row.before is not None:
            before[row.before.instance_type] += 1
        if row.after is not None:
            after[row.after.instance_type] += 1
        replaced_first = row.action is Action.REPLACE and row.order == "terminate_first"
        if row.before is not None and not replaced_first:
            peak[row.before.instance_type] += 1
        if row.after is not None and (row.before is None or row.action is Action.REPLACE):
            peak[row.after.instance_type] += 1
    checks = []
    if terms.instances is not None:
        checks.append(QuotaCheck("instances", terms.instances, before.total(), after.total(), peak.total()))
    if terms.gpus is not None:
        checks.append(QuotaCheck("gpus", terms.gpus, _gpus(before), _gpus(after), _gpus(peak)))
    checks += [
        QuotaCheck(name, limit, before[name], after[name], peak[name])
        for name, limit in sorted(terms.per_type.items())
    ]
    return tuple(checks)


def check_budget(terms: BudgetTerms | None, totals: Totals, spent: Spent | None) -> BudgetCheck | None:
    """The comparison; None without a budget."""
    if terms is None:
        return None
    return BudgetCheck(
        terms, totals.before_usd_per_hour, totals.after_usd_per_hour, totals.highest_usd_per_hour, spent
    )


def _gpus(machines: Counter[str]) -> int:
    return sum(gpu_count(name) * count for name, count in machines.items())


def _hours(usd: Decimal, usd_per_hour: Decimal) -> Decimal | None:
    return (usd / usd_per_hour).quantize(_TENTH, ROUND_HALF_UP) if usd_per_hour > 0 else None
