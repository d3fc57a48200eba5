"""Machines and their dollars."""

from __future__ import annotations

from decimal import Decimal

from sophia_infra.cost.plan_figures import plan_figures
from sophia_infra.model.money import HOURS_PER_MONTH, format_usd
from sophia_infra.reports.fleet import Fleet
from sophia_infra.validation.measured import Measured, judge, not_known, of_figure
from sophia_infra.validation.world import World

__all__ = [
    "fleet_is_active",
    "inference_is_within",
    "machine_is_active",
    "nothing_is_lost_or_doubled",
    "plan_figure_holds",
    "rate_is_within_budget",
]


def fleet_is_active(world: World, _argument: str) -> Measured:
    """Every machine of the file runs and is active."""

    def read(fleet: Fleet) -> tuple[bool, str]:
        wanted = len(world.instances)
        if not wanted:
            return True, "the stack file asks for no machines"
        mine = {row.name: row.status for row in fleet.of("stack") if row.name in world.instances}
        away = [f"{name} absent" for name in fleet.missing]
        away += [f"{name} {status}" for name, status in mine.items() if status != "active"]
        active = sum(status == "active" for status in mine.values())
        return not away, f"{active} of {wanted} active" + (f": {', '.join(away)}" if away else "")

    return of_figure(world.snapshot.fleet, world.command("status"), read)


def machine_is_active(world: World, name: str) -> Measured:
    """One machine of the plan runs as the file describes it."""
    evidence = world.command("status")
    if name not in world.config.fleet:
        return not_known(f"{name} is not in the stack file", evidence)

    def read(fleet: Fleet) -> tuple[bool, str]:
        row = next((row for row in fleet.of("stack") if row.name == name), None)
        if row is None:
            return False, "absent"
        where = f"{row.instance_type} in {row.region}, {format_usd(row.usd_per_hour)}/h"
        return row.status == "active", f"{row.status}, {where}"

    return of_figure(world.snapshot.fleet, evidence, read)


def nothing_is_lost_or_doubled(world: World, _argument: str) -> Measured:
    """State and account agree."""
    return of_figure(
        world.findings,
        world.command("doctor"),
        lambda found: (
            not found,
            "; ".join(f"{row.kind.value}: {row.name} {row.instance_id}" for row in found)
            or "state and account agree",
        ),
    )


def rate_is_within_budget(world: World, _argument: str) -> Measured:
    """What runs now, lost machines included, costs no more in 720 h than the budget of the file."""
    limit = world.config.budget.limit.usd_per_month

    def read(fleet: Fleet) -> tuple[bool, str]:
        rate = fleet.usd_per_hour("stack", "orphan") * HOURS_PER_MONTH
        return rate <= limit, f"{format_usd(rate)} of {format_usd(limit)} a month"

    return of_figure(world.snapshot.fleet, world.command("status"), read)


def inference_is_within(world: World, usd_per_month: str) -> Measured:
    """The ledger's dollars of this month are within so many."""
    limit = Decimal(usd_per_month)
    return of_figure(
        world.inference_month_usd,
        world.command("inference usage"),
        lambda usd: (usd <= limit, f"{format_usd(usd)} since the first of the month"),
    )


def plan_figure_holds(_world: World, figure_id: str) -> Measured:
    """The plan's figure is what its own numbers give, to the plan's decimals."""
    figure = plan_figures().get(figure_id)
    evidence = f"sophia cost plan --json, row {figure.id}: {figure.formula}"
    if figure.plan is None:
        return not_known(f"{figure.honest_text}; the plan prints none", evidence)
    holds = figure.honest.quantize(figure.plan) == figure.plan
    shown = figure.honest_text if holds else f"{figure.honest_text}, not {figure.plan_text}"
    return judge(holds, shown, evidence)
