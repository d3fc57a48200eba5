"""What a stack answers without an engine: phases, dollars, GPUs, budget, warnings, launch choices."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sophia_infra.model.errors import UnknownPrice
from sophia_infra.model.launch_choice import LaunchChoice
from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.stack_config import StackConfig, parse_stack_config
from tests.unit.model.model_stacks import right_stack, with_changes

LATER = {"type": "8xH100", "region": "us-east-3", "purpose": "training", "phase": 3}


def stack_of(*changes: tuple[tuple[str, ...], object]) -> StackConfig:
    return parse_stack_config(with_changes(*changes), "x")


def test_phases_are_cumulative() -> None:
    stack = stack_of((("sophia:fleet", "trainer"), LATER))
    assert list(stack.instances()) == ["core", "taken"]
    assert list(stack.instances(2)) == ["core", "taken"]
    assert list(stack.instances(3)) == ["core", "taken", "trainer"]


def test_dollars_and_gpus_follow_the_phase() -> None:
    stack = stack_of((("sophia:fleet", "trainer"), LATER))
    book = PriceBook.fallback()
    assert stack.usd_per_hour(book) == Decimal("3.58")
    assert stack.usd_per_hour(book, 3) == Decimal("35.50")


def test_an_empty_fleet_costs_nothing_and_needs_no_key() -> None:
    stack = parse_stack_config(
        {"sophia:endpoint": "lambda", "sophia:budget": {"limit": "$1/h"}, "sophia:fleet": {}}, "x"
    )
    assert stack.usd_per_hour(PriceBook.fallback()) == 0


def test_a_stack_with_a_type_that_has_no_price_cannot_be_costed() -> None:
    stack = stack_of((("sophia:fleet", "trainer"), LATER))
    with pytest.raises(UnknownPrice):
        stack.usd_per_hour(PriceBook.plan(), 3)


@pytest.mark.parametrize(
    ("limit", "percent", "is_alert", "is_over"),
    [
        ("$3.58/h", "100.0", True, False),
        ("$3.57/h", "100.3", True, True),
        ("$85.92/day", "100.0", True, False),
        ("$2,577.60/month", "100.0", True, False),
        ("$4.475/h", "80.0", True, False),
        ("$4.48/h", "79.9", False, False),
    ],
)
def test_the_budget_compares_in_any_period(limit: str, percent: str, is_alert: bool, is_over: bool) -> None:
    stack = stack_of((("sophia:budget", "limit"), limit))
    use = stack.budget_use(PriceBook.fallback())
    assert f"{use.percent:.1f}" == percent
    assert (use.is_alert, use.is_over) == (is_alert, is_over)
    assert (stack.over_budget(PriceBook.fallback()) is not None) == is_over


def test_firewalls_in_us_south_1_are_warned_of() -> None:
    stack = stack_of(
        (("sophia:fleet", "core", "region"), "us-south-1"),
        (("sophia:fleet", "core", "firewalls"), ["texas"]),
        (
            ("sophia:firewalls", "texas", "rules"),
            [{"protocol": "icmp", "source": "0.0.0.0/0"}],
        ),
    )
    assert stack.warnings == (
        "sophia:firewalls.texas: Lambda does not apply firewall rules in us-south-1; "
        "close the ports on the instances themselves",
        "sophia:fleet.core.firewalls: have no effect in us-south-1; "
        "every port of the instance is open to the network",
    )
    assert parse_stack_config(right_stack(), "x").warnings == ()


def test_launch_choices_fill_in_what_a_fallback_leaves_out() -> None:
    stack = stack_of(
        (("sophia:fleet", "core", "image_family"), "lambda-stack-24-04"),
        (
            ("sophia:fleet", "core", "fallbacks"),
            [{"region": "us-west-2"}, {"type": "1xA100_SXM4"}, {"type": "1xA10", "region": "us-west-1"}],
        ),
    )
    assert stack.fleet["core"].launch_choices == (
        LaunchChoice("gpu_1x_gh200", "us-east-3"),
        LaunchChoice("gpu_1x_gh200", "us-west-2"),
        LaunchChoice("gpu_1x_a100_sxm4", "us-east-3"),
        LaunchChoice("gpu_1x_a10", "us-west-1"),
    )
    assert stack.fleet["core"].architecture == "arm64"
