"""One machine in dollars: fallbacks, replacements, adoption, boot times, capacity, sources of prices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from sophia_infra.cost import Action, CostRow, MachineTerms, Prices, StackTerms, group_totals, plan_rows
from sophia_infra.cost.boot import OVERLAP_MARGIN_MINUTES, Minutes, boot_minutes, gpu_count, gpu_model
from sophia_infra.engine.events import Step
from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.errors import UnknownPrice
from sophia_infra.model.price_book import PriceBook
from tests.unit.cost.cost_plans import (
    DATED,
    OF_THE_PLAN,
    create,
    delete,
    keep,
    plan_of,
    replace,
    state_of,
    step,
    terms,
)

A10, A6000, H100X8 = (
    ("gpu_1x_a10", "us-west-1"),
    ("gpu_1x_a6000", "us-west-1"),
    ("gpu_8x_h100_sxm5", "us-east-3"),
)
LIVE = Prices((PriceBook.live({"gpu_1x_a10": 111}, now=1_790_000_000), PriceBook.fallback()))


def row_of(*steps: Step | list[Step]) -> CostRow:
    (row,) = plan_rows(plan_of(*steps), DATED)
    return row


def test_what_was_launched_is_billed_not_what_was_declared() -> None:
    """A fallback ran: the state says so, and the plan's `launched_type` is missing on the new side."""
    old = state_of("a", A6000, "id", instance_type="gpu_1x_a10")
    new = state_of("a", A10)
    row = row_of(step("update", "a", old=old, new=new))
    assert (row.action, str(row.before_usd_per_hour), str(row.after_usd_per_hour)) == (
        Action.UPDATE,
        "1.09",
        "1.09",
    )


def test_fallbacks_make_a_range_and_the_declared_type_is_the_price() -> None:
    row = row_of(
        create("a", fallbacks=[{"type": "gpu_1x_a100"}, {"region": "us-east-3"}, {"type": "gpu_1x_a6000"}])
    )
    assert str(row.after_usd_per_hour) == "1.29"
    assert (str(row.lowest_usd_per_hour), str(row.highest_usd_per_hour)) == ("1.09", "1.99")
    assert row.after is not None
    assert [(c.instance_type, c.region) for c in row.after.choices] == [
        ("gpu_1x_a10", "us-west-1"),
        ("gpu_1x_a100", "us-west-1"),
        ("gpu_1x_a10", "us-east-3"),
        ("gpu_1x_a6000", "us-west-1"),
    ]


def test_an_adopted_machine_counts_and_launches_nothing() -> None:
    row = row_of(create("a", adopt={"name": "a"}))
    assert (row.action, row.launches, row.boot, str(row.difference_usd_per_hour)) == (
        Action.ADOPT,
        False,
        None,
        "1.29",
    )
    assert row.is_adopted


def test_launch_first_bills_both_machines_for_the_boot_and_the_margin() -> None:
    row = row_of(replace("a", A10, A6000))
    assert row.order == "launch_first"
    assert row.overlap is not None
    assert row.boot == Minutes(3, 6)
    assert row.overlap.minutes == Minutes(3 + OVERLAP_MARGIN_MINUTES, 6 + OVERLAP_MARGIN_MINUTES)
    assert (row.overlap.usd_low, row.overlap.usd_high) == (Decimal("0.17"), Decimal("0.24"))


def test_terminate_first_costs_nothing_twice_and_is_off_for_the_boot() -> None:
    row = row_of(replace("a", A10, H100X8, first="terminate"))
    assert row.overlap is not None
    assert row.overlap.usd_low == row.overlap.usd_high == 0
    assert row.overlap.minutes == Minutes(10 + OVERLAP_MARGIN_MINUTES, 25 + OVERLAP_MARGIN_MINUTES)


def test_a_replaced_machine_is_billed_until_the_slowest_launch_of_the_update_has_booted() -> None:
    """The engine deletes at the end of the run, after FleetReady has waited for every machine."""
    rows = plan_rows(plan_of(replace("a", A10, A6000), create("big", *H100X8)), DATED)
    overlap = next(row.overlap for row in rows if row.name == "a")
    assert overlap is not None
    assert overlap.minutes.high == 25 + OVERLAP_MARGIN_MINUTES


def test_the_order_that_a_digest_does_not_say_comes_from_the_stack() -> None:
    old, new = state_of("a", A10, "id"), state_of("a", A6000)
    plan = plan_of(step("replace", "a", old=old, new=new))
    (unknown,) = plan_rows(plan, DATED)
    assert (unknown.order, unknown.overlap) == (None, None)
    (known,) = plan_rows(plan, DATED, StackTerms(machines={"a": MachineTerms(1, "terminate_first")}))
    assert known.order == "terminate_first"
    assert known.overlap is not None


def test_a_replacement_by_an_adopted_machine_launches_nothing() -> None:
    row = row_of(replace("a", A10, A6000, adopt={"name": "x"}))
    assert (row.launches, row.overlap) == (False, None)


@pytest.mark.parametrize(
    ("instance_type", "gpus", "minutes"),
    [
        ("cpu_4x_general", 0, (3, 6)),
        ("gpu_1x_gh200", 1, (3, 6)),
        ("gpu_2x_h100_sxm5", 2, (5, 10)),
        ("gpu_4x_h100_sxm5", 4, (7, 15)),
        ("gpu_8x_h100_sxm5", 8, (10, 25)),
        ("gpu_8x_h300_sxm9", 8, (10, 25)),
        ("something_new", 0, (3, 6)),
    ],
)
def test_boot_minutes_go_by_the_number_of_gpus(
    instance_type: str, gpus: int, minutes: tuple[int, int]
) -> None:
    assert gpu_count(instance_type) == gpus
    assert boot_minutes(instance_type) == Minutes(*minutes)


def test_every_type_of_the_catalogue_has_a_boot_time_and_a_gpu_name() -> None:
    for name in CATALOGUE:
        assert boot_minutes(name).low <= boot_minutes(name).high
        assert gpu_model(name)
    assert gpu_model("cpu_4x_general") == "no GPU"
    assert gpu_model("gpu_1x_h300") == "gpu_1x_h300"


def test_each_price_says_where_it_comes_from_and_of_which_day() -> None:
    live, dated = plan_rows(plan_of(create("a", *A10), create("b", *A6000)), LIVE)
    assert live.price_after is not None
    assert dated.price_after is not None
    assert (str(live.price_after.usd_per_hour), live.price_after.as_of) == ("1.11", date(2026, 9, 21))
    assert live.price_after.source == "Lambda Cloud API, GET /instance-types"
    assert (str(dated.price_after.usd_per_hour), dated.price_after.as_of) == ("1.09", date(2026, 8, 20))


def test_only_the_books_that_were_asked_for_are_asked() -> None:
    with pytest.raises(UnknownPrice):
        OF_THE_PLAN.get("gpu_8x_h100_sxm5", "a")
    with pytest.raises(ValueError, match="no price book"):
        Prices(())


@pytest.mark.parametrize(
    ("capacity", "listed", "at", "is_declared"),
    [
        ({"gpu_1x_a10": ["us-west-1"]}, True, "gpu_1x_a10", True),
        ({"gpu_1x_a10": ["us-east-3"], "gpu_1x_a6000": ["us-west-1"]}, True, "gpu_1x_a6000", False),
        ({"gpu_1x_a10": [], "gpu_1x_a6000": ["us-east-3"]}, False, None, False),
        ({}, False, None, False),
    ],
)
def test_capacity_is_that_of_the_first_choice_which_is_listed(
    capacity: dict[str, list[str]], listed: bool, at: str | None, is_declared: bool
) -> None:
    plan = plan_of(create("a", *A10, fallbacks=[{"type": "gpu_1x_a6000"}]))
    (row,) = plan_rows(plan, DATED, capacity=capacity)
    assert row.capacity is not None
    assert (row.capacity.is_listed, row.capacity.at and row.capacity.at.instance_type) == (listed, at)
    assert row.capacity.is_declared == is_declared


def test_nothing_is_asked_of_capacity_where_nothing_is_launched() -> None:
    plan = plan_of(keep("a"), delete("b"), create("c", adopt={"name": "c"}))
    assert [row.capacity for row in plan_rows(plan, DATED, capacity={})] == [None] * 3


def test_rows_stand_by_phase_and_name_whatever_the_order_of_the_steps() -> None:
    steps = [create("late"), delete("removed"), create("z"), keep("y")]
    known = terms({"late": 3, "y": 1, "z": 1})
    names = [row.name for row in plan_rows(plan_of(*steps), DATED, known)]
    assert names == ["y", "z", "late", "removed"]
    assert names == [row.name for row in plan_rows(plan_of(*reversed(steps)), DATED, known)]


def test_a_machine_that_moves_is_counted_where_it_was_and_where_it_goes() -> None:
    rows = plan_rows(plan_of(replace("a", A10, ("gpu_1x_a6000", "us-south-1"))), DATED)
    grouped = group_totals(rows)
    assert {key: str(total.difference_usd_per_hour) for key, total in grouped.by_region.items()} == {
        "us-south-1": "1.09",
        "us-west-1": "-1.29",
    }
    assert {key: total.instances_after - total.instances_before for key, total in grouped.by_gpu.items()} == {
        "A10": -1,
        "A6000": 1,
    }
