"""Overlapping savings: the plan's old advice is refused, and the better of two that overlap wins."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sophia_infra.cost.plan_figures import plan_figures
from sophia_infra.model.price_book import PriceBook
from sophia_infra.optimization.errors import OverlapClaimed
from sophia_infra.optimization.facts import machine_key
from sophia_infra.optimization.overlap import check_claim, choose, savings_of
from sophia_infra.optimization.recommendation import Kind, Recommendation, Saving, Verdict

BOOK = PriceBook.plan()
FLEET = {one.name: BOOK.get(one.type) * 720 for one in plan_figures().fleet}
WORTH = {machine_key(name): usd for name, usd in FLEET.items()}


def advice(
    name: str, savings: dict[str, Decimal], *, keeps: frozenset[str] = frozenset(), kind: Kind = Kind.IDLE
) -> Recommendation:
    return Recommendation(
        id=name,
        kind=kind,
        subject=name,
        title=name,
        savings={machine_key(key): Saving.exactly(usd) for key, usd in savings.items()},
        evidence=(),
        verdict=Verdict("medium", ("a test",)),
        steps=("x",),
        undo="x",
        keeps=frozenset(machine_key(key) for key in keeps),
    )


OLD = [
    advice("serverless", {"sophia-data-pipeline": Decimal(680)}),
    advice("development schedule", {"sophia-development": plan_figures().get("office-hours-saving").honest}),
    advice("autoscale", {name: usd * Decimal("0.25") for name, usd in FLEET.items()}),
]
"""The three old recommendations, autoscale being 25 % of every machine."""


def test_the_old_advice_added_up_is_refused() -> None:
    claimed = sum((one.saving.expected for one in OLD), Decimal(0))
    assert claimed == plan_figures().get("old-advice-sum").honest == Decimal("1960.83")
    assert (claimed / sum(FLEET.values()) * 100).quantize(Decimal("0.1")) == Decimal("56.4")
    with pytest.raises(OverlapClaimed, match=r"\$1,960\.83 a month was claimed.*\$1,593\.63 at most"):
        check_claim(claimed, OLD, WORTH)


def test_without_overlap_the_old_advice_saves_this_much() -> None:
    total = savings_of(OLD, WORTH)
    assert total.expected == plan_figures().get("old-advice-honest").honest == Decimal("1593.63")
    check_claim(total.expected, OLD, WORTH)


def test_of_the_old_advice_only_what_fits_together_is_chosen() -> None:
    choice = choose(OLD)
    assert [one.id for one in choice.chosen] == ["serverless", "development schedule"]
    assert [(one.id, by.id) for one, by in choice.excluded] == [("autoscale", "serverless")]


def test_the_best_set_is_found_where_taking_the_largest_first_is_worse() -> None:
    large = advice("large", {"sophia-ai-core": Decimal(600), "sophia-production": Decimal(300)})
    first = advice("first", {"sophia-ai-core": Decimal(700)})
    second = advice("second", {"sophia-production": Decimal(250)})
    assert {one.id for one in choose([large, first, second]).chosen} == {"first", "second"}


def test_a_host_that_has_to_stay_excludes_advice_to_end_it() -> None:
    share = advice("share", {"sophia-development": Decimal(540)}, keeps=frozenset({"sophia-data-pipeline"}))
    end = advice("end", {"sophia-data-pipeline": Decimal(900)})
    choice = choose([share, end])
    assert [one.id for one in choice.chosen] == ["end"]
    assert [one.id for one, _ in choice.excluded] == ["share"]


def test_two_machines_that_could_each_host_the_other_do_not_both_go() -> None:
    one = advice("one", {"sophia-development": Decimal(540)}, keeps=frozenset({"sophia-production"}))
    other = advice("other", {"sophia-production": Decimal(360)}, keeps=frozenset({"sophia-development"}))
    assert [row.id for row in choose([one, other]).chosen] == ["one"]


def test_nothing_saves_more_than_it_costs() -> None:
    twice = [
        advice("a", {"sophia-production": Decimal(900)}),
        advice("b", {"sophia-production": Decimal(800)}),
    ]
    assert savings_of(twice, WORTH).high == FLEET["sophia-production"] == Decimal("360.00")
    assert savings_of([advice("c", {"nobody": Decimal(5)})], WORTH).high == 0


@pytest.mark.parametrize("values", [(2, 1, 3), (1, 3, 2), (-1, 0, 1)])
def test_an_interval_that_is_none_is_refused(values: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no interval of savings"):
        Saving(*(Decimal(one) for one in values))
