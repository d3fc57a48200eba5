"""From the table to what one stack runs: steps without an object left out, every command filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sophia_infra.migration.runner import PhasePlan
from sophia_infra.migration.steps import PhaseName, Step
from sophia_infra.migration.table import PHASES, TABLE, Row

__all__ = ["plan_of"]


def plan_of(
    name: PhaseName, values: Mapping[str, str], has: frozenset[str], services: Sequence[str] = ()
) -> list[PhasePlan]:
    """The phases that `sophia migrate NAME` runs, with every command filled in.

    Args:
        values: what stands for the names in braces, `{service}` excepted.
        has: the `Need`s that the stack meets; steps that need something else are left out.
        services: that move from Swarm, in this order.
    """
    names: tuple[PhaseName, ...] = PHASES if name == "complete" else (name,)
    return [
        PhasePlan(
            phase,
            tuple(
                step
                for row in TABLE[phase]
                if not row.need or row.need in has
                for step in _steps(row, values, services)
            ),
        )
        for phase in names
    ]


def _steps(row: Row, values: Mapping[str, str], services: Sequence[str]) -> list[Step]:
    if not row.each_service:
        return [row.step.filled(values)]
    return [
        replace(
            row.step, step_id=f"{row.step.step_id}-{service}", title=f"{row.step.title} {service}"
        ).filled({**values, "service": service})
        for service in services
    ]
