"""Dollars for every machine of a plan: before, after, the difference, and what a replacement adds.

The list price of what is billed, everything on all the time; a month is 720 hours. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from sophia_infra.cost.boot import OVERLAP_MARGIN_MINUTES, Minutes, boot_minutes, gpu_model
from sophia_infra.cost.changes import Action, Machine, MachineChange, Plan, ReplaceOrder
from sophia_infra.cost.prices import Price, Prices
from sophia_infra.cost.terms import StackTerms
from sophia_infra.model.launch_choice import LaunchChoice
from sophia_infra.model.money import HOURS_PER_MONTH

__all__ = ["Capacity", "CapacityNow", "CostRow", "Overlap", "plan_rows"]

Capacity = Mapping[str, Collection[str]]
"""Instance type -> the regions that list capacity for it now. The list reserves nothing."""

ZERO = Decimal("0.00")
_CENT = Decimal("0.01")
_MINUTES_PER_HOUR = 60


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a replacement costs besides its price.

    Attributes:
        minutes: with `launch_first` how long both are billed, with `terminate_first` how long neither runs.
        usd_low, usd_high: what the old machine costs in that time; 0 with `terminate_first`.
    """

    minutes: Minutes
    usd_low: Decimal
    usd_high: Decimal


@dataclass(frozen=True, slots=True)
class CapacityNow:
    """What the live list says for a launch: `at` is the first choice with capacity, None when none has."""

    at: LaunchChoice | None
    is_declared: bool

    @property
    def is_listed(self) -> bool:
        return self.at is not None


@dataclass(frozen=True, slots=True)
class CostRow:
    """One machine in dollars per hour.

    Attributes:
        before, after: the machines; None where there is none. `after` as declared, not as a fallback.
        price_before, price_after: price, day and source of each; None where there is no machine.
        lowest_usd_per_hour, highest_usd_per_hour: of `after` over its fallbacks; equal without any.
        phase: of the stack file; None when the file no longer has the machine.
        launches: whether the run launches a machine for this row.
        overlap: of a replacement.
        boot: expected minutes until a launched one is active; None when nothing is launched.
        capacity: None when nothing is launched, or nobody was asked.
    """

    name: str
    action: Action
    before: Machine | None
    after: Machine | None
    price_before: Price | None
    price_after: Price | None
    lowest_usd_per_hour: Decimal
    highest_usd_per_hour: Decimal
    phase: int | None = None
    is_adopted: bool = False
    instance_id: str = ""
    order: ReplaceOrder | None = None
    reasons: tuple[str, ...] = ()
    launches: bool = False
    overlap: Overlap | None = None
    boot: Minutes | None = None
    capacity: CapacityNow | None = None

    @property
    def before_usd_per_hour(self) -> Decimal:
        return self.price_before.usd_per_hour if self.price_before else ZERO

    @property
    def after_usd_per_hour(self) -> Decimal:
        return self.price_after.usd_per_hour if self.price_after else ZERO

    @property
    def difference_usd_per_hour(self) -> Decimal:
        """Negative when the run saves money."""
        return self.after_usd_per_hour - self.before_usd_per_hour

    @property
    def difference_usd_per_month(self) -> Decimal:
        """At 720 hours."""
        return self.difference_usd_per_hour * HOURS_PER_MONTH

    @property
    def changes(self) -> bool:
        """Whether the run does anything to this machine."""
        return self.action is not Action.KEEP

    @property
    def shown(self) -> Machine | None:
        """The machine to show for the row: the one after, else the one before."""
        return self.after or self.before

    @property
    def gpu(self) -> str:
        return gpu_model(self.shown.instance_type) if self.shown else ""


def plan_rows(
    plan: Plan, prices: Prices, terms: StackTerms | None = None, capacity: Capacity | None = None
) -> tuple[CostRow, ...]:
    """Price every machine of `plan`; sorted by phase and name, so the order of its steps does not show.

    Args:
        plan: what changes.
        prices: asked in their order for every type, fallbacks included.
        terms: phases and replace orders; what is missing there stays unknown.
        capacity: the live list; None when nobody was asked.

    Raises:
        UnknownPrice: a type, of a machine or a fallback, without a price. None is guessed.
    """
    terms = terms or StackTerms()
    boots = [boot_minutes(choice.instance_type) for change in plan.changes for choice in _launched(change)]
    # A replaced machine is deleted at the end of the run, once all of its launches have booted.
    run = Minutes(max(boot.low for boot in boots), max(boot.high for boot in boots)) if boots else None
    rows = (_row(change, prices, terms, capacity, run) for change in plan.changes)
    return tuple(sorted(rows, key=_place))


def _row(
    change: MachineChange, prices: Prices, terms: StackTerms, capacity: Capacity | None, run: Minutes | None
) -> CostRow:
    before = prices.get(change.before.instance_type, change.name) if change.before else None
    after = prices.get(change.after.instance_type, change.name) if change.after else None
    choices = change.after.choices if change.after else ()
    usd = [prices.get(choice.instance_type, change.name).usd_per_hour for choice in choices] or [ZERO]
    known = terms.machines.get(change.name)
    launched = _launched(change)
    boots = [boot_minutes(choice.instance_type) for choice in launched]
    boot = Minutes(min(b.low for b in boots), max(b.high for b in boots)) if boots else None
    order = change.order
    if change.action is Action.REPLACE and order is None and known is not None:
        order = known.replace_order
    return CostRow(
        name=change.name,
        action=change.action,
        before=change.before,
        after=change.after,
        price_before=before,
        price_after=after,
        lowest_usd_per_hour=min(usd),
        highest_usd_per_hour=max(usd),
        phase=known.phase if known else None,
        is_adopted=change.is_adopted,
        instance_id=change.instance_id,
        order=order,
        reasons=change.reasons,
        launches=bool(launched),
        overlap=_overlap(order, before, boot, run) if change.action is Action.REPLACE else None,
        boot=boot,
        capacity=_capacity_now(launched, capacity) if launched and capacity is not None else None,
    )


def _launched(change: MachineChange) -> tuple[LaunchChoice, ...]:
    """What the run may launch for this change; empty when it launches nothing."""
    launches = change.action in (Action.CREATE, Action.REPLACE) and not change.is_adopted
    return change.after.choices if launches and change.after else ()


def _overlap(
    order: ReplaceOrder | None, before: Price | None, boot: Minutes | None, run: Minutes | None
) -> Overlap | None:
    """None when the plan does not say in which order it replaces, or nothing is launched."""
    if order is None or before is None or boot is None or run is None:
        return None
    if order == "terminate_first":
        return Overlap(boot.plus(OVERLAP_MARGIN_MINUTES), ZERO, ZERO)
    minutes = run.plus(OVERLAP_MARGIN_MINUTES)
    return Overlap(minutes, _usd(before, minutes.low), _usd(before, minutes.high))


def _usd(price: Price, minutes: int) -> Decimal:
    return (price.usd_per_hour * minutes / _MINUTES_PER_HOUR).quantize(_CENT)


def _capacity_now(choices: Iterable[LaunchChoice], capacity: Capacity) -> CapacityNow:
    for at, choice in enumerate(choices):
        if choice.region in capacity.get(choice.instance_type, ()):
            return CapacityNow(choice, is_declared=at == 0)
    return CapacityNow(None, is_declared=False)


def _place(row: CostRow) -> tuple[int, str, str, str]:
    """By phase, name, and what tells two machines of one name apart; unknown phases last."""
    return (row.phase or 99, row.name, row.action.value, row.instance_id)
