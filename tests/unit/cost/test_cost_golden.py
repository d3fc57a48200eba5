"""The plan's arithmetic to the cent, at the plan's prices and at today's (checklist d)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sophia_infra.cost import Prices, plan_rows, sum_rows
from sophia_infra.model.errors import UnknownPrice
from sophia_infra.model.money import HOURS_PER_DAY
from tests.unit.cost.cost_plans import DATED, OF_THE_PLAN, create, fleet_of_the_plan, plan_of

GOLDEN = [
    pytest.param(OF_THE_PLAN, "4.83", "115.92", "3477.60", id="2025"),
    pytest.param(DATED, "7.35", "176.40", "5292.00", id="2026-08-20"),
]


@pytest.mark.parametrize(("prices", "hour", "day", "month"), GOLDEN)
def test_the_fleet_of_the_plan(prices: Prices, hour: str, day: str, month: str) -> None:
    total = sum_rows(plan_rows(plan_of(fleet_of_the_plan()), prices))
    assert total.before_usd_per_hour == 0
    assert str(total.after_usd_per_hour) == hour
    assert str(total.after_usd_per_hour * HOURS_PER_DAY) == day
    assert str(total.after_usd_per_month) == str(total.difference_usd_per_month) == month
    assert (total.instances_after, total.gpus_after) == (5, 5)


@pytest.mark.parametrize(("prices", "difference"), [(OF_THE_PLAN, "1.29"), (DATED, "1.99")])
def test_one_more_a100_is_exactly_its_price(prices: Prices, difference: str) -> None:
    steps = [*fleet_of_the_plan("same"), create("one-more", "gpu_1x_a100", "us-south-1")]
    total = sum_rows(plan_rows(plan_of(steps), prices))
    assert str(total.difference_usd_per_hour) == difference
    assert total.difference_usd_per_month == Decimal(difference) * 720


@pytest.mark.parametrize(("prices", "hour", "_day", "month"), GOLDEN)
def test_down_gives_all_of_it_back(prices: Prices, hour: str, _day: str, month: str) -> None:
    total = sum_rows(plan_rows(plan_of(fleet_of_the_plan("delete")), prices))
    assert str(total.difference_usd_per_hour) == f"-{hour}"
    assert str(total.difference_usd_per_month) == f"-{month}"
    assert total.after_usd_per_hour == 0


def test_a_type_without_a_price_is_an_error_and_never_a_guess() -> None:
    plan = plan_of(create("trainer", "gpu_8x_h100_sxm5", "us-east-3"))
    with pytest.raises(UnknownPrice) as missing:
        plan_rows(plan, OF_THE_PLAN)
    assert (missing.value.resource, missing.value.instance_type) == ("trainer", "gpu_8x_h100_sxm5")
    assert "trainer needs" in str(missing.value)
    assert "2025-07-09" in str(missing.value)


def test_a_fallback_without_a_price_is_an_error_too() -> None:
    plan = plan_of(create("a", fallbacks=[{"type": "gpu_1x_b200_sxm6"}]))
    with pytest.raises(UnknownPrice, match="gpu_1x_b200_sxm6"):
        plan_rows(plan, OF_THE_PLAN)
