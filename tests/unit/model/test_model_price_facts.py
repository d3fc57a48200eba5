"""The figures of the plan and of 2026-08, recomputed from the price books. Source: plan checklist (d)."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from sophia_infra.model.errors import UnknownPrice
from sophia_infra.model.money import Rate, format_usd
from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.stack_config import StackConfig, load_stack_config

ROOT = Path(__file__).parents[3]
FIVE = ["gpu_1x_gh200", "gpu_1x_a6000", "gpu_1x_a100", "gpu_1x_rtx6000", "gpu_1x_a10"]


@pytest.fixture(params=["local", "production"])
def stack(request: pytest.FixtureRequest) -> StackConfig:
    return load_stack_config(ROOT / f"Pulumi.{request.param}.yaml")


def rise_percent(instance_type: str) -> Decimal:
    old, new = PriceBook.plan().get(instance_type), PriceBook.fallback().get(instance_type)
    return ((new - old) * 100 / old).quantize(Decimal(1), rounding=ROUND_HALF_UP)


def test_the_plan_prices_the_fleet_at_4_83_per_hour(stack: StackConfig) -> None:
    rate = Rate(stack.usd_per_hour(PriceBook.plan()))
    assert rate.usd_per_hour == Decimal("4.83")
    assert rate.usd_per_day == Decimal("115.92")
    assert rate.usd_per_month == Decimal("3477.60")
    assert rate.usd_per_hour * 730 == Decimal("3525.90")
    assert rate.usd_per_day * 365 == Decimal("42310.80")
    assert rate.usd_per_month * 12 == Decimal("41731.20")


def test_the_list_prices_of_2026_put_it_at_7_35_per_hour(stack: StackConfig) -> None:
    rate = Rate(stack.usd_per_hour(PriceBook.fallback()))
    assert rate.usd_per_hour == Decimal("7.35")
    assert rate.usd_per_day == Decimal("176.40")
    assert rate.usd_per_month == Decimal("5292.00")


def test_the_fleet_became_52_2_percent_dearer(stack: StackConfig) -> None:
    old, new = stack.usd_per_hour(PriceBook.plan()), stack.usd_per_hour(PriceBook.fallback())
    assert ((new - old) * 100 / old).quantize(Decimal("0.1")) == Decimal("52.2")


def test_day_prices_of_the_five_types_in_2026() -> None:
    days = [Rate(PriceBook.fallback().get(name)).usd_per_day for name in FIVE]
    assert [str(day) for day in days] == ["54.96", "26.16", "47.76", "16.56", "30.96"]


def test_day_prices_of_the_five_types_in_the_plan() -> None:
    days = [Rate(PriceBook.plan().get(name)).usd_per_day for name in FIVE]
    assert [str(day) for day in days] == ["35.76", "19.20", "30.96", "12.00", "18.00"]


def test_each_type_rose_by_what_the_checklist_says() -> None:
    assert [int(rise_percent(name)) for name in FIVE] == [54, 36, 54, 38, 72]


def test_a_month_of_the_a100_and_of_the_a10() -> None:
    assert format_usd(Rate(PriceBook.plan().get("gpu_1x_a100")).usd_per_month) == "$928.80"
    assert format_usd(Rate(PriceBook.fallback().get("gpu_1x_a100")).usd_per_month) == "$1,432.80"
    assert format_usd(Rate(PriceBook.plan().get("gpu_1x_a10")).usd_per_month) == "$540.00"
    assert format_usd(Rate(PriceBook.fallback().get("gpu_1x_a10")).usd_per_month) == "$928.80"


def test_eight_training_nodes_cost_255_36_per_hour() -> None:
    node = PriceBook.fallback().get("gpu_8x_h100_sxm5")
    assert node * 8 == Decimal("255.36")
    assert Rate(node * 8).usd_per_day == Decimal("6128.64")


def test_the_books_say_when_and_from_where() -> None:
    assert PriceBook.fallback().as_of == date(2026, 8, 20)
    assert PriceBook.plan().as_of == date(2025, 7, 9)
    assert all(book.source for book in (PriceBook.fallback(), PriceBook.plan()))


def test_a_price_that_is_not_in_the_book_is_never_guessed() -> None:
    with pytest.raises(UnknownPrice, match=r"no price for gpu_1x_h100_sxm5 in the price book of 2025-07-09"):
        PriceBook.plan().get("gpu_1x_h100_sxm5")


def test_the_plans_book_has_its_five_types_and_the_sxm4_sister() -> None:
    assert set(PriceBook.plan().usd_per_hour) == {*FIVE, "gpu_1x_a100_sxm4"}


def test_live_prices_are_dated_by_the_clock_and_leave_out_what_costs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    book = PriceBook.live({"gpu_1x_gh200": 199, "gpu_1x_broken": 0}, now=1_790_000_000.0)
    assert book.get("gpu_1x_gh200") == Decimal("1.99")
    assert book.as_of == date(2026, 9, 21)
    assert caplog.messages == ["no usable price for gpu_1x_broken: 0 cents per hour"]
    with pytest.raises(UnknownPrice):
        book.get("gpu_1x_broken")


def test_a_book_refuses_a_price_that_is_not_above_zero() -> None:
    with pytest.raises(ValueError, match="price of x is 0; a price is above zero"):
        PriceBook(date(2026, 1, 1), "test", {"x": Decimal(0)})


def test_a_gib_in_a_filesystem_costs_20_cents_a_month() -> None:
    assert PriceBook.fallback().file_storage_usd_per_gib_month == Decimal("0.20")
