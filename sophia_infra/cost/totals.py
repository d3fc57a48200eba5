"""Sums: of all rows, and by phase, region and GPU model. The parts of each grouping make the whole, exactly.

A replacement that moves a machine counts its old price where it was and its new price where it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from sophia_infra.cost.boot import gpu_count, gpu_model
from sophia_infra.cost.changes import Machine
from sophia_infra.cost.rows import ZERO, CostRow
from sophia_infra.model.money import HOURS_PER_MONTH

__all__ = ["NO_PHASE", "Grouped", "Totals", "group_totals", "sum_rows"]

NO_PHASE = "not in the stack file"


@dataclass(frozen=True, slots=True)
class Totals:
    """Dollars per hour and counts. `highest` is after, with every fallback at its dearest."""

    before_usd_per_hour: Decimal = ZERO
    after_usd_per_hour: Decimal = ZERO
    highest_usd_per_hour: Decimal = ZERO
    instances_before: int = 0
    instances_after: int = 0
    gpus_before: int = 0
    gpus_after: int = 0

    @property
    def difference_usd_per_hour(self) -> Decimal:
        return self.after_usd_per_hour - self.before_usd_per_hour

    @property
    def before_usd_per_month(self) -> Decimal:
        return self.before_usd_per_hour * HOURS_PER_MONTH

    @property
    def after_usd_per_month(self) -> Decimal:
        return self.after_usd_per_hour * HOURS_PER_MONTH

    @property
    def difference_usd_per_month(self) -> Decimal:
        return self.difference_usd_per_hour * HOURS_PER_MONTH

    def with_before(self, row: CostRow) -> Totals:
        """These, and what the row costs before."""
        if row.before is None:
            return self
        return replace(
            self,
            before_usd_per_hour=self.before_usd_per_hour + row.before_usd_per_hour,
            instances_before=self.instances_before + 1,
            gpus_before=self.gpus_before + gpu_count(row.before.instance_type),
        )

    def with_after(self, row: CostRow) -> Totals:
        """These, and what the row costs after."""
        if row.after is None:
            return self
        return replace(
            self,
            after_usd_per_hour=self.after_usd_per_hour + row.after_usd_per_hour,
            highest_usd_per_hour=self.highest_usd_per_hour + row.highest_usd_per_hour,
            instances_after=self.instances_after + 1,
            gpus_after=self.gpus_after + gpu_count(row.after.instance_type),
        )


@dataclass(frozen=True, slots=True)
class Grouped:
    """The same rows summed three ways, keys sorted."""

    by_phase: Mapping[str, Totals]
    by_region: Mapping[str, Totals]
    by_gpu: Mapping[str, Totals]


def sum_rows(rows: Iterable[CostRow]) -> Totals:
    """The sum of all rows."""
    total = Totals()
    for row in rows:
        total = total.with_before(row).with_after(row)
    return total


def group_totals(rows: Iterable[CostRow]) -> Grouped:
    """The three groupings. A phase is the same before and after; region and GPU may differ."""
    kept = list(rows)
    return Grouped(
        by_phase=_group(kept, lambda row, _machine: NO_PHASE if row.phase is None else str(row.phase)),
        by_region=_group(kept, lambda _row, machine: machine.region),
        by_gpu=_group(kept, lambda _row, machine: gpu_model(machine.instance_type)),
    )


def _group(rows: Iterable[CostRow], key: Callable[[CostRow, Machine], str]) -> dict[str, Totals]:
    groups: dict[str, Totals] = {}
    for row in rows:
        if row.before is not None:
            label = key(row, row.before)
            groups[label] = groups.get(label, Totals()).with_before(row)
        if row.after is not None:
            label = key(row, row.after)
            groups[label] = groups.get(label, Totals()).with_after(row)
    return dict(sorted(groups.items()))
