"""Machines of the stack burn its budget in a fast world: the right alarms, in their order, and no others."""

from __future__ import annotations

import pytest

from sophia_infra.provider.tags import NAME_TAG, STACK_TAG
from tests.monitoring.fast_world import A100, STACK, FastWorld

pytestmark = pytest.mark.slow
"""A minute for an hour and more. It buys that the alarms of money come in their order on real parts."""


def test_machines_of_the_stack_that_nobody_asked_for_burn_its_budget(world: FastWorld) -> None:
    ids = world.launch(8, A100, "us-south-1", "burst", **{STACK_TAG: STACK, NAME_TAG: "burst"})
    wanted = (
        "FleetFarOverBudget",
        "FleetOverBudget",
        "MachinesOrphaned",
        "MachinesOrphanedCostly",
        "BudgetBurnsFast",
        "BudgetForecastExceeded",
    )
    minutes = world.minutes_until(*wanted, within_minutes=110)
    assert minutes["FleetFarOverBudget"] < minutes["MachinesOrphanedCostly"] < minutes["FleetOverBudget"]
    [summary] = world.summaries("FleetFarOverBudget")
    assert summary == "The fleet costs $23.27/h, $558 a day: 279.2% of its budget of $8.33/h."
    print("a burst of 8 A100 of the stack:", {name: f"{at:.0f} min" for name, at in minutes.items()})
    world.terminate(ids)
    world.minutes_until(within_minutes=60)
