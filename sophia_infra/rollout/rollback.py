"""What going back to an older stack file would do, said before it is done. Pure.

A rollback is a new update with an old file, and never an old state put over newer machines: the engine would
forget what was launched since, and Lambda would go on billing it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sophia_infra.model.instance import InstanceConfig
from sophia_infra.model.money import HOURS_PER_MONTH
from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.stack_config import StackConfig

__all__ = ["RollbackPlan", "plan_rollback"]

_REPLACING: Final = (
    "type",
    "region",
    "image_family",
    "image_id",
    "hostname",
    "user_data",
    "filesystems",
    "generation",
    "adopt",
    "name",
)
"""Fields of an instance whose change ends the machine and launches another."""


@dataclass(frozen=True, slots=True)
class RollbackPlan:
    """The difference between today's file and the old one, as it concerns money and data.

    Attributes:
        terminated, replaced, launched: names of machines. Local disks of the first two are lost.
        refused: those of the first two that are protected: the engine would refuse, so nothing is begun.
        filesystems_deleted: their data is lost.
        usd_per_hour_before, usd_per_hour_after: list prices of all machines.
        over_budget: whether the old file asks for more than its own budget allows.
    """

    terminated: tuple[str, ...]
    replaced: tuple[str, ...]
    launched: tuple[str, ...]
    refused: tuple[str, ...]
    filesystems_deleted: tuple[str, ...]
    usd_per_hour_before: Decimal
    usd_per_hour_after: Decimal
    over_budget: bool

    @property
    def usd_per_month_change(self) -> Decimal:
        """Of 720 h."""
        return (self.usd_per_hour_after - self.usd_per_hour_before) * HOURS_PER_MONTH

    @property
    def losses(self) -> tuple[str, ...]:
        """What no later command brings back, one sentence each."""
        disks = tuple(
            f"{name} is {how}: everything on its local disk is lost"
            for names, how in ((self.terminated, "terminated"), (self.replaced, "replaced by a new machine"))
            for name in names
        )
        data = tuple(f"filesystem {name} is deleted with its data" for name in self.filesystems_deleted)
        return (*disks, *data)

    def as_json(self) -> dict[str, Any]:
        return {
            "terminated": list(self.terminated),
            "replaced": list(self.replaced),
            "launched": list(self.launched),
            "refused": list(self.refused),
            "filesystems_deleted": list(self.filesystems_deleted),
            "cannot_be_undone": list(self.losses),
            "usd_per_hour_before": str(self.usd_per_hour_before),
            "usd_per_hour_after": str(self.usd_per_hour_after),
            "usd_per_month_720h_change": str(self.usd_per_month_change),
            "over_budget": self.over_budget,
        }


def plan_rollback(
    now: StackConfig, phase_now: int, then: StackConfig, phase_then: int, prices: PriceBook
) -> RollbackPlan:
    """What an update from one file to the other ends, makes and costs. Raises UnknownPrice."""
    today, old = now.instances(phase_now), then.instances(phase_then)
    terminated = tuple(name for name in today if name not in old and not today[name].is_adopted)
    replaced = tuple(name for name in today if name in old and _is_replaced(today[name], old[name]))
    # An adopted machine that is no longer in the file is left running, and left alone.
    protected = tuple(name for name in (*terminated, *replaced) if today[name].is_protected)
    deleted = tuple(name for name in now.filesystems if name not in then.filesystems)
    kept = tuple(f"filesystem {name}" for name in deleted if now.filesystems[name].protect)
    return RollbackPlan(
        terminated,
        replaced,
        tuple(name for name in old if name not in today),
        (*protected, *kept),
        deleted,
        now.usd_per_hour(prices, phase_now),
        then.usd_per_hour(prices, phase_then),
        then.over_budget(prices, phase_then) is not None,
    )


def _is_replaced(today: InstanceConfig, old: InstanceConfig) -> bool:
    return any(getattr(today, name) != getattr(old, name) for name in _REPLACING)
