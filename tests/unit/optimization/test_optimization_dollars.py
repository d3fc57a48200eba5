"""What each advice is worth, by arithmetic that can be done by hand; and what its text has to say."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from sophia_infra.model.errors import ConfigError
from sophia_infra.model.money import Rate
from sophia_infra.optimization.capacity_risk import capacity_risk
from sophia_infra.optimization.config import OptimizationConfig, load_config
from sophia_infra.optimization.facts import Fleet, WeekTokens
from sophia_infra.optimization.recommendation import Kind, Recommendation
from sophia_infra.optimization.rules.machines import off_stretches
from sophia_infra.optimization.usage import Track
from tests.unit.optimization.facts import advise, fact, filesystem, fleet, offers, orphan
from tests.unit.optimization.shapes import machine, office, track

A10_2025 = {"usd_per_hour": Decimal("0.75")}
OFFICE_8H = office(60.0, first=9, last=17)


def only(found: list[Recommendation], kind: Kind) -> Recommendation:
    (one,) = [one for one in found if one.kind == kind]
    return one


def test_office_hours_on_the_plans_a10_save_411_43_before_what_relaunches_cost() -> None:
    """The checklist's figure is 8 h on 5 days: 128.57 paid of 540."""
    one = only(advise(fleet(fact("dev", **A10_2025)), {"dev": machine(OFFICE_8H)}), Kind.SCHEDULE)
    off = next(row for row in one.evidence if row.what == "off hours")
    assert off.value.startswith("128 of 168 a week, $411.43 a month")
    # 5 stretches a week, 21.43 relaunches a month; boots of 3 to 6 min, up to 2 to end, at 0.75:
    cycles = Decimal(5) * 720 / 168
    boots = [cycles * minutes / 60 * Decimal("0.75") for minutes in (3, 5, 8)]
    # 5 of 16 launches refused, 4 h missing each at the list price: no history, no stated cost.
    risk = cycles * 5 / 16 * 4 * Decimal("0.75")
    gross = Decimal("0.75") * 128 * 720 / 168
    assert one.saving.high == (gross - boots[0]).quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert one.saving.expected == (gross - boots[1] - risk).quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert one.saving.low < one.saving.expected < one.saving.high


def test_a_machine_that_is_dear_to_miss_is_not_scheduled() -> None:
    whole = fleet(fact("dev"))
    cheap = only(advise(whole, {"dev": machine(office(60.0))}), Kind.SCHEDULE)
    dear = OptimizationConfig.model_validate({"without_usd": {"dev": "$5/h"}})
    costly = only(advise(whole, {"dev": machine(office(60.0))}, dear), Kind.SCHEDULE)
    assert costly.saving.expected < cheap.saving.expected
    ruin = OptimizationConfig.model_validate({"without_usd": {"dev": "$500/h"}})
    assert Kind.SCHEDULE not in {one.kind for one in advise(whole, {"dev": machine(office(60.0))}, ruin)}


def test_a_history_without_capacity_makes_a_schedule_worth_less() -> None:
    whole = fleet(fact("dev"))
    never: dict[tuple[str, str], Track] = {
        ("gpu_1x_a10", "us-east-1"): track(lambda moment: float(moment.hour % 2))
    }
    plain = only(advise(whole, {"dev": machine(office(60.0))}), Kind.SCHEDULE)
    risky = only(advise(whole, {"dev": machine(office(60.0))}, capacity=never), Kind.SCHEDULE)
    assert risky.saving.expected != plain.saving.expected


@pytest.mark.parametrize(("listed", "chance"), [(1.0, 5 / 16), (0.0, 1.0), (0.5, 1 - 0.5 * 11 / 16)])
def test_the_chance_of_a_refusal(listed: float, chance: float) -> None:
    values = tuple(1.0 if place % 2 < listed * 2 else 0.0 for place in range(100))
    found = capacity_risk("t", "r", {("t", "r"): Track(0, 900, values)}, wait_hours=4.0)
    assert found.chance == pytest.approx(chance)
    assert found.chance <= found.chance_high <= 1.0
    assert capacity_risk("t", "r", {}, wait_hours=4.0).chance == 5 / 16


def test_the_wait_is_the_mean_of_recorded_outages() -> None:
    values = (*(0.0,) * 8, *(1.0,) * 8, *(0.0,) * 8)
    found = capacity_risk("t", "r", {("t", "r"): Track(0, 1800, values)}, wait_hours=100.0)
    # Outages of 4 h each; refused though listed counts with the stated wait.
    unlisted = (2 / 3) / found.chance
    assert found.wait_hours == pytest.approx(unlisted * 4.0 + (1 - unlisted) * 100.0)


@pytest.mark.parametrize(
    ("off", "least", "most", "found"),
    [
        (frozenset(range(10, 20)), 6, 7, ((10, 10),)),
        (frozenset(range(10, 14)), 6, 7, ()),
        (frozenset([*range(160, 168), *range(5)]), 6, 7, ((160, 13),)),
        (frozenset([*range(6), *range(20, 40), *range(50, 57)]), 6, 2, ((20, 20), (50, 7))),
        (frozenset(range(168)), 6, 7, ((0, 168),)),
        (frozenset(), 6, 7, ()),
    ],
)
def test_off_stretches_run_over_the_end_of_the_week(
    off: frozenset[int], least: int, most: int, found: tuple[tuple[int, int], ...]
) -> None:
    assert off_stretches(off, least, most) == found


def test_an_idle_machine_is_worth_its_month() -> None:
    one = only(advise(fleet(fact("a")), {"a": machine(0.5)}), Kind.IDLE)
    assert one.saving.expected == one.saving.high == Decimal("928.80")
    assert one.saving.low == (Decimal("928.80") * (1 - Decimal(3) / 28)).quantize(Decimal("0.01"))
    assert one.risk == "medium"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"always_on": True}, "always on"),
        ({"protected": True}, "protected"),
        ({"adopted": True}, "adopted"),
    ],
)
def test_what_the_file_keeps_is_high_risk(changes: dict[str, bool], says: str) -> None:
    one = only(advise(fleet(fact("a", **changes)), {"a": machine(0.5)}), Kind.IDLE)
    assert one.risk == "high"
    assert any(says in reason for reason in one.verdict.reasons)
    assert one.requires


def test_a_smaller_type_saves_the_difference_less_what_the_change_costs_once() -> None:
    one = only(advise(fleet(fact("a", "gpu_1x_a100")), {"a": machine(25.0, requests=1.0)}), Kind.RIGHTSIZE)
    assert "gpu_1x_a6000" in one.title
    assert one.saving.expected == Decimal("648.00")  # (1.99 - 1.09) x 720
    assert one.saving.low < one.saving.expected
    assert one.change is not None


def test_where_no_capacity_is_listed_it_is_said() -> None:
    whole = fleet(fact("a", "gpu_1x_a100"), offers=offers("us-west-1"))
    one = only(advise(whole, {"a": machine(25.0, requests=1.0)}), Kind.RIGHTSIZE)
    assert any("lists none now" in text for text in one.requires)


def test_two_machines_of_one_region_are_not_both_advised_away() -> None:
    light = machine(15.0, requests=1.0)
    found = advise(fleet(fact("a", "gpu_1x_a6000"), fact("b", "gpu_1x_a6000")), {"a": light, "b": light})
    shared = [one for one in found if one.kind == Kind.CONSOLIDATE]
    assert {one.subject for one in shared} == {"a", "b"}
    assert [one.keeps for one in shared] == [{"machine:id-b"}, {"machine:id-a"}]


def test_day_and_night_work_fit_on_one_machine() -> None:
    """The sum of both 95th percentiles would not: they are not high at the same time."""
    day = machine(office(60.0, first=8, last=20), requests=1.0)
    night = machine(lambda moment: 60.0 if not 8 <= moment.hour < 20 else 2.0, requests=1.0)
    found = advise(fleet(fact("a", "gpu_1x_a6000"), fact("b", "gpu_1x_a6000")), {"a": day, "b": night})
    assert Kind.CONSOLIDATE in {one.kind for one in found}


def _tokens(millions: int) -> Fleet:
    weeks = tuple((millions * 750_000, millions * 250_000) for _ in range(4))
    machine_facts = fact("serving", "gpu_1x_a100", usd_per_hour=Decimal("1.29"))
    return fleet(machine_facts, tokens={"serving": WeekTokens(weeks)})


OFFER = {
    "token_offers": {
        "serving": {
            "provider": "somebody",
            "backends": ["own-gpu"],
            "usd_per_million_input": "$0.08",
            "usd_per_million_output": "$0.30",
        }
    }
}


def test_tokens_are_cheaper_below_the_break_even_of_6880_million_a_month() -> None:
    config = OptimizationConfig.model_validate(OFFER)
    # 1,000 M a week are 4,285.7 M a month at 0.135 a million: 578.57.
    one = only(advise(_tokens(1000), config=config), Kind.SERVERLESS)
    assert one.saving.expected == Decimal("928.80") - Decimal("578.57")
    assert any("6,880.0 M tokens a month" in row.value for row in one.evidence)
    assert one.risk == "high"
    # 1,700 M a week are 7,285.7 M a month: the own machine is the cheaper one.
    assert Kind.SERVERLESS not in {row.kind for row in advise(_tokens(1700), config=config)}


def test_bought_tokens_that_cost_more_than_a_machine() -> None:
    weeks = tuple((1_500_000_000, 500_000_000) for _ in range(4))
    bought = WeekTokens(weeks, tuple(Decimal(300) for _ in weeks))
    config = OptimizationConfig.model_validate(
        {"machine_offers": {"paid": {"type": "gpu_1x_a10", "tokens_per_s": 5000}}}
    )
    one = only(advise(fleet(bought={"paid": bought}), config=config), Kind.OWN_GPU)
    assert one.saving.expected == (Decimal(300) * 720 / 168 - Decimal("928.80")).quantize(Decimal("0.01"))
    slow = OptimizationConfig.model_validate(
        {"machine_offers": {"paid": {"type": "gpu_1x_a10", "tokens_per_s": 100}}}
    )
    assert advise(fleet(bought={"paid": bought}), config=slow) == []


def test_a_filesystem_costs_what_it_holds() -> None:
    kept = filesystem("old", bytes_used=100 * 2**30)
    one = only(advise(fleet(filesystems=(kept,))), Kind.FILESYSTEM)
    assert (one.saving.expected, one.risk, one.undo) == (Decimal("20.00"), "high", "")


@pytest.mark.parametrize(("limit", "told"), [(5000, False), (1200, False), (1161, True), (900, True)])
def test_the_budget_is_told_from_its_alert_on(limit: int, told: bool) -> None:
    """928.80 is 80.0 % of 1,161."""
    whole = fleet(fact("a"), budget=Rate(Decimal(limit), "month"), alert_percent=80)
    assert (Kind.BUDGET in {one.kind for one in advise(whole)}) is told


def test_a_price_that_moved_is_told_once_for_a_type() -> None:
    moved = {"planned_usd_per_hour": Decimal("0.75")}
    found = advise(fleet(fact("a", **moved), fact("b", **moved)))
    one = only(found, Kind.PRICE)
    assert "+72.0 %" in one.title
    assert any("$777.60 a month for 2 machines" in row.value for row in one.evidence)
    assert one.saving.expected == 0


def test_every_advice_says_where_its_numbers_are_from() -> None:
    whole = fleet(
        fact("idle"),
        fact("office", region="us-west-1"),
        fact("wide", "gpu_1x_a100", planned_usd_per_hour=Decimal("1.29")),
        orphan(),
        fact("by-hand", standing="untagged", in_state=False),
        filesystems=(filesystem(),),
        budget=Rate(Decimal(100), "month"),
    )
    tracks = {"idle": machine(0.5), "office": machine(office(60.0)), "wide": machine(25.0, requests=1.0)}
    found = advise(whole, tracks)
    assert {one.kind for one in found} >= {
        Kind.IDLE, Kind.SCHEDULE, Kind.RIGHTSIZE, Kind.ORPHAN, Kind.UNTAGGED, Kind.FILESYSTEM, Kind.BUDGET,
        Kind.PRICE,
    }  # fmt: skip
    for one in found:
        assert one.evidence
        assert all(row.source for row in one.evidence)
        assert one.verdict.reasons
        assert one.steps
        assert one.as_json()["id"] == one.id


def test_ids_stay_the_same_while_the_numbers_move() -> None:
    first = advise(fleet(fact("a"), orphan()), {"a": machine(0.5)})
    cheaper = fleet(fact("a", usd_per_hour=Decimal("1.00")), replace(orphan(), age_s=1e7))
    later = advise(cheaper, {"a": machine(1.5)})
    assert sorted(one.id for one in first) == sorted(one.id for one in later)
    assert len({one.id for one in first}) == len(first)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("idle_percent: 30\n", r"o\.yaml:1 idle_percent: 30 is above low_percent; allowed: up to 20"),
        ("timezone: Mars/Olympus\n", "is not a time zone"),
        ("min_saving: 5\n", "min_saving"),
        ("auto_aply: true\n", "did you mean auto_apply"),
        ("auto_apply: maybe\n", "neither true nor false"),
        ("actions_per_day: -1\n", "actions_per_day"),
        ("protected: core\n", "is not a list"),
        ("- 1\n", "is not a mapping of settings"),
        ("a: [\n", "is not YAML"),
        ("window_days: 7\nmin_days: 8\n", "is above window_days"),
        ("token_offers:\n  a: {provider: x}\n", "token_offers.a.backends: is missing"),
    ],
)
def test_wrong_settings_are_named_with_their_line(tmp_path: Any, text: str, says: str) -> None:
    path = tmp_path / "o.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        load_config(path)


def test_an_empty_settings_file_means_the_promised_defaults(tmp_path: Any) -> None:
    path = tmp_path / "o.yaml"
    path.write_text("")
    config = load_config(path)
    assert config == OptimizationConfig()
    promised = {
        "idle_percent": 15, "low_percent": 20, "low_minutes": 30, "optimal_percent": 70, "high_percent": 80,
        "high_minutes": 15, "gpu_memory_percent": 90, "cooldown_minutes": 30, "max_instances": 10,
        "auto_apply": False, "actions_per_day": 3,
    }  # fmt: skip
    assert {name: getattr(config, name) for name in promised} == promised
    assert str(config.max_spend) == "$100/h"


def test_a_file_that_is_not_there_is_said(tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.yaml")
