"""The plan's table beside the honest one, returns, scenarios and the picture."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.cost.plan_plot import PlotRefused, plot_plan_table
from sophia_infra.cost.plan_table import Side, build_plan_table
from sophia_infra.cost.roi import InvestmentMissing, most_investment, require_investment, return_on
from sophia_infra.cost.scenario import PriceMissing, Scenario, load_scenario, price_scenario
from sophia_infra.model.errors import ConfigError
from sophia_infra.model.price_book import PriceBook

PRICE = {"some-model": (Decimal("0.08"), Decimal("0.30"))}


def test_the_plans_table_has_the_plans_figures() -> None:
    table = build_plan_table()
    rows = [
        (row.component, str(row.plan.before_usd), str(row.plan.after_usd), row.plan.percent_text())
        for row in table.rows
    ]
    assert rows == [
        ("Inference workloads", "930", "250", "73 %"),
        ("Infrastructure", "3477", "1890", "46 %"),
        ("Monitoring", "200", "50", "75 %"),
        ("Development", "540", "200", "63 %"),
    ]
    plan = table.plan
    assert (plan.before_usd, plan.after_usd, plan.saving_usd) == (Decimal(5147), Decimal(2390), Decimal(2757))
    assert (plan.percent_text(), plan.percent_text(2)) == ("54 %", "53.57 %")
    assert plan.saving_usd_per_year == 33084


def test_the_honest_table_counts_each_machine_once() -> None:
    table = build_plan_table()
    honest = table.honest
    assert (honest.before_usd, honest.after_usd) == (Decimal("3677.60"), Decimal(2390))
    assert (honest.saving_usd, honest.percent_text(1)) == (Decimal("1287.60"), "35.0 %")
    assert honest.saving_usd_per_year == Decimal("15451.20")
    twice = {row.component: row.worth_usd for row in table.rows if row.is_counted_elsewhere}
    assert twice == {"Inference workloads": Decimal("928.80"), "Development": Decimal("540.00")}
    assert "$1,470 of the plan's $5,147 is there twice" in table.reasons[0]
    assert "$1,287.60 a month, 35.0 %, and not $2,757, 54 %" in table.reasons[1]


def test_later_prices_change_what_is_paid_before() -> None:
    assert build_plan_table(PriceBook.fallback()).honest.before_usd == Decimal("5492.00")


def test_what_costs_nothing_has_no_percent() -> None:
    assert Side(Decimal(0), Decimal(5)).percent_text() == "-"
    assert Side(Decimal(0), Decimal(5)).as_json()["saving_percent"] is None


def test_a_return_needs_an_investment() -> None:
    with pytest.raises(InvestmentMissing, match=r"\$6,616\.80 by the plan's saving, and \$3,090\.24"):
        require_investment(None, Decimal(33084), Decimal("15451.20"))
    one = return_on(Decimal("3090.24"), Decimal("1287.60"))
    assert (one.net_percent, one.gross_percent) == (Decimal(400), Decimal(500))
    assert one.payback_months == Decimal("2.4")
    assert return_on(Decimal(100), Decimal(0)).payback_months is None


@pytest.mark.parametrize(("investment", "months"), [(0, 12), (-1, 12), (100, 0)])
def test_an_impossible_investment_is_refused(investment: int, months: int) -> None:
    with pytest.raises(ValueError, match="has no return"):
        return_on(Decimal(investment), Decimal(1), months=months)


@given(st.decimals("1", "1000000", places=2), st.decimals("1", "1000", places=0))
def test_the_most_that_may_be_invested_brings_just_that_return(saved: Decimal, percent: Decimal) -> None:
    most = most_investment(saved, percent)
    if most > 10:
        one = return_on(most, saved / 12)
        assert abs(one.net_percent - percent) < percent / 100 + 1


def _scenario(**values: Any) -> Scenario:
    return Scenario.model_validate({"after": {}, **values})


def test_a_scenario_starts_from_the_plans_fleet() -> None:
    old = price_scenario(_scenario(prices="2025-07"), PRICE.__getitem__)
    assert old.total.before_usd == Decimal("3677.60")
    assert old.total.after_usd == 0
    assert price_scenario(_scenario(), PRICE.__getitem__).total.before_usd == Decimal("5492.00")


def test_a_scenario_is_priced_by_hours_counts_tokens_and_rates() -> None:
    scenario = _scenario(
        before={"machines": {"a": {"type": "1xA10"}}},
        after={
            "machines": {"a": {"type": "1xA10", "hours": 100, "count": 2}},
            "tokens": {"some-model": {"input_millions": 1500, "output_millions": 500}},
            "other": {"monitoring": "$50/month", "support": "$1/day"},
        },
        machine_prices={"1xA10": "$1/h"},
    )
    priced = price_scenario(scenario, PRICE.__getitem__)
    assert priced.total.before_usd == 720
    assert [line.usd_per_month for line in priced.after] == [200, 270, 50, 30]
    assert priced.after[0].formula == "2 x 1 x 100 h"


def test_token_prices_of_the_file_win() -> None:
    tokens = {"own": {"input_millions": 10, "output_millions": 10}}
    prices = {"own": {"input": "$1", "output": "$2"}}
    priced = price_scenario(_scenario(after={"tokens": tokens}, token_prices=prices), PRICE.__getitem__)
    assert priced.total.after_usd == 30


def test_a_type_without_a_price_is_refused() -> None:
    scenario = _scenario(prices="2025-07", after={"machines": {"a": {"type": "8xH100"}}})
    with pytest.raises(
        PriceMissing, match="a is a gpu_8x_h100_sxm5, for which the prices of 2025-07-09 have none"
    ):
        price_scenario(scenario, PRICE.__getitem__)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no mapping"),
        ("after: 1\n", r"s\.yaml:1 after: 1 is not a mapping"),
        ("afer: {}\n", "did you mean after"),
        ("after: {machines: {a: {type: 1xH200}}}\n", "after.machines.a.type.*did you mean 1xGH200"),
        ("after: {machines: {a: {type: 1xA10, hours: 745}}}\n", "hours.*up to 744"),
        ("after: {}\nprices: 2024\n", "prices"),
        ("after: {}\ninvestment: 3000\n", "investment.*put it in quotes"),
        ("after: {other: {x: $5}}\n", "not a rate"),
        ("after: {tokens: {m: {input_millions: 0, output_millions: 1}}}\n", "input_millions"),
        ("after: [\n", "is not YAML"),
        ("after: {}\nafter: {}\n", "is given twice"),
    ],
)
def test_a_wrong_scenario_is_named_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        load_scenario(path)


def test_a_scenario_that_is_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_scenario(tmp_path)
    path = tmp_path / "b.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_scenario(path)


def test_the_same_figures_draw_the_same_picture(tmp_path: Path) -> None:
    table = build_plan_table()
    for name in ("a.svg", "b.svg"):
        plot_plan_table(tmp_path / name, table, Side(Decimal(5000), Decimal(2000)))
    first = (tmp_path / "a.svg").read_text()
    assert first == (tmp_path / "b.svg").read_text()
    assert "<svg" in first
    plot_plan_table(tmp_path / "c.png", table)
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(PlotRefused, match="ends in"):
        plot_plan_table(tmp_path / "d.txt", table)


def test_the_document_is_plain_data() -> None:
    document = json.loads(json.dumps(build_plan_table().as_json()))
    assert document["honest"]["saving_percent"] == "35.01"
    assert document["plan"]["saving_percent"] == "53.57"
