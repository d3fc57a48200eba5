"""What a stack's configuration says that a cost is judged by: budget, quota, phases, replace order.

Read from a checked `StackConfig`, or from the configuration that the engine's own files carry. The second
way needs no stack file and no pydantic; what it cannot read it leaves out, since nothing was checked there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sophia_infra.cost.changes import ReplaceOrder
from sophia_infra.cost.errors import PlanUnreadable
from sophia_infra.model.catalogue import parse_instance_type
from sophia_infra.model.errors import Refused
from sophia_infra.model.money import Rate, parse_rate

if TYPE_CHECKING:
    from sophia_infra.model.stack import StackConfig

__all__ = [
    "ALERT_PERCENT",
    "BudgetTerms",
    "MachineTerms",
    "QuotaTerms",
    "StackTerms",
    "terms_of_plan",
    "terms_of_stack",
]

ALERT_PERCENT = 80
"""Where a budget given as an amount alone begins to warn: the default of `sophia:budget`."""


@dataclass(frozen=True, slots=True)
class BudgetTerms:
    """The limit, from where to warn, and who said so."""

    limit: Rate
    alert_percent: int
    source: str


@dataclass(frozen=True, slots=True)
class QuotaTerms:
    """What the account may run at once; None and missing types are not known and not checked."""

    instances: int | None = None
    gpus: int | None = None
    per_type: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MachineTerms:
    """What the file says of one instance that the engine's steps do not."""

    phase: int
    replace_order: ReplaceOrder


@dataclass(frozen=True, slots=True)
class StackTerms:
    """All of it. `phase` is the one in force, None when unknown; `machines` are those of every phase."""

    stack: str | None = None
    phase: int | None = None
    machines: Mapping[str, MachineTerms] = field(default_factory=dict)
    budget: BudgetTerms | None = None
    quota: QuotaTerms | None = None

    @property
    def wanted(self) -> frozenset[str]:
        """Names of the instances of the phase in force."""
        if self.phase is None:
            return frozenset()
        return frozenset(name for name, machine in self.machines.items() if machine.phase <= self.phase)


def terms_of_stack(config: StackConfig, stack: str, *, phase: int | None = None) -> StackTerms:
    """The terms of a checked stack file; `phase` when another one than the file's is in force."""
    quota = config.quota
    return StackTerms(
        stack=stack,
        phase=config.phase if phase is None else phase,
        machines={
            name: MachineTerms(instance.phase, instance.replace_order)
            for name, instance in config.fleet.items()
        },
        budget=BudgetTerms(config.budget.limit, config.budget.alert_percent, f"Pulumi.{stack}.yaml"),
        quota=None if quota is None else QuotaTerms(quota.instances, quota.gpus, dict(quota.per_type)),
    )


def terms_of_plan(config: Mapping[str, str]) -> StackTerms:
    """The terms in the configuration of a plan file, `sophia:` keys as the engine records them.

    Raises PlanUnreadable: the budget or the quota in it cannot be read; neither is judged by half.
    """
    fleet = _mapping(config, "sophia:fleet")
    phase = config.get("sophia:phase", "1" if fleet else "")
    return StackTerms(
        phase=int(phase) if phase in ("1", "2", "3") else None,
        machines={name: _machine(row) for name, row in fleet.items() if isinstance(row, Mapping)},
        budget=_budget(_mapping(config, "sophia:budget")),
        quota=_quota(_mapping(config, "sophia:quota")),
    )


def _machine(row: Mapping[str, Any]) -> MachineTerms:
    phase = str(row.get("phase", 1))
    order: ReplaceOrder = (
        "terminate_first" if row.get("replace_order") == "terminate_first" else "launch_first"
    )
    return MachineTerms(int(phase) if phase in ("1", "2", "3") else 1, order)


def _budget(row: Mapping[str, Any]) -> BudgetTerms | None:
    if "limit" not in row:
        return None
    try:
        percent = int(row.get("alert_percent", ALERT_PERCENT))
        return BudgetTerms(parse_rate(str(row["limit"])), percent, "the plan's own configuration")
    except (Refused, TypeError, ValueError) as error:
        raise _unreadable("sophia:budget", error) from None


def _quota(row: Mapping[str, Any]) -> QuotaTerms | None:
    if not row:
        return None
    try:
        limits = {name: int(row[name]) for name in ("instances", "gpus") if row.get(name) is not None}
        per_type = {
            parse_instance_type(name): int(count) for name, count in (row.get("per_type") or {}).items()
        }
    except (AttributeError, Refused, TypeError, ValueError) as error:
        raise _unreadable("sophia:quota", error) from None
    return QuotaTerms(limits.get("instances"), limits.get("gpus"), per_type)


def _unreadable(key: str, error: Exception) -> PlanUnreadable:
    return PlanUnreadable(
        f"The plan's configuration has a {key} that cannot be read: {error}.",
        next_step="correct the stack file, or name a limit with --budget.",
    )


def _mapping(config: Mapping[str, str], key: str) -> Mapping[str, Any]:
    """A configuration value that is JSON text of an object; empty when it is missing or something else."""
    try:
        value = json.loads(config.get(key, "{}"))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
