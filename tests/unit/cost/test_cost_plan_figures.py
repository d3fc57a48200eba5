"""Golden: every figure of checklist (d), one by one, by its formula and by what the code computes of it."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal

import pytest

from sophia_infra.cost.plan_figures import PlanFigure, plan_figures
from sophia_infra.cost.roi import most_investment
from sophia_infra.inference.break_even import Mix, OwnGpu, break_even, saving_percent, tokens_for
from sophia_infra.inference.catalogue import load_catalogue
from sophia_infra.model.price_book import PriceBook

FIGURES = plan_figures()
CHECKLIST = {
    "fleet-hour": "4.83",
    "fleet-day": "115.92",
    "fleet-month": "3477.60",
    "fleet-month-730h": "3525.90",
    "fleet-year": "42310.80",
    "fleet-twelve-months": "41731.20",
    "fleet-year-gap": "579.60",
    "baseline-four": "3117.60",
    "baseline-adr": "6444",
    "fleet-hour-2026": "7.35",
    "fleet-day-2026": "176.40",
    "fleet-month-2026": "5292.00",
    "fleet-rise": "52.2",
    "day-2026-gh200": "54.96",
    "day-2026-a6000": "26.16",
    "day-2026-a100": "47.76",
    "day-2026-rtx6000": "16.56",
    "day-2026-a10": "30.96",
    "rise-a10": "72",
    "rise-a100": "54",
    "rise-gh200": "54",
    "rise-rtx6000": "38",
    "rise-a6000": "36",
    "utilisation-plain": "45.0",
    "utilisation": "46.2",
    "inference-saving": "73.1",
    "inference-before": "928.80",
    "inference-before-2026": "1432.80",
    "infrastructure-saving": "45.6",
    "subset-below": "1864.80",
    "subset-above": "2008.80",
    "monitoring-saving": "75.0",
    "development-saving-exact": "62.96",
    "development-before-2026": "928.80",
    "development-hours": "266.7",
    "development-hours-2026": "155.0",
    "office-hours": "128.57",
    "office-hours-saving": "411.43",
    "total-before": "3677.60",
    "double-counting": "1470",
    "overstated": "40",
    "overstated-exact": "1469.40",
    "total-after": "2390",
    "total-saving": "1287.60",
    "total-saving-percent": "35.0",
    "total-saving-plan-percent": "53.57",
    "year-saving": "15451.20",
    "year-saving-plan": "33084",
    "year-after": "28680",
    "investment-plan-net": "6616.80",
    "investment-plan-gross": "8271",
    "investment": "3090.24",
    "additional-low": "358.50",
    "additional-high": "597.50",
    "old-advice-sum": "1960.83",
    "old-advice-autoscale": "869.40",
    "old-advice-percent": "56.4",
    "tokens-scout": "1852",
    "tokens-maverick": "877",
    "tokens-deepseek": "526",
    "tokens-llama-405b": "312.5",
    "tokens-qwen": "1667",
    "a100-in-tokens": "6880",
    "inference-alert-month": "7200",
    "inference-alert-times": "28.8",
    "inference-alert-exact": "0.347",
    "alert-minutes": "110",
    "alert-usd": "22",
    "alert-spike": "62",
    "improvement-utilisation": "77.8",
    "improvement-efficiency": "80",
    "improvement-build-low": "60",
    "improvement-build-high": "70",
    "improvement-response-low": "60",
    "improvement-response-high": "90",
    "image-small": "60",
    "image-large": "60",
    "image-low": "40",
    "image-high": "73",
    "deployment-short": "60",
    "deployment-long": "70",
    "deployment-low": "40",
    "deployment-high": "80",
    "uptime": "0.4",
    "downtime-before": "43.8",
    "downtime-after": "8.76",
    "downtime-saving": "80",
    "scaling-time": "96.7",
    "training-hour": "255.36",
    "training-hour-2025": "191.36",
    "training-day": "6128.64",
}
"""Id -> the honest or exact figure, as the checklist has it."""

PRINTED = {
    "fleet-day": "115.92",
    "fleet-month": "3477.60",
    "inference-before": "930",
    "total-before": "5147",
    "total-saving": "2757",
    "year-before": "61764",
    "year-after": "28680",
    "year-saving": "33084",
    "inference-alert": "10",
    "old-advice-sum": "1960.83",
}
"""Id -> the figure that the plan prints."""

_OPERATORS: dict[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def calculate(formula: str) -> Decimal:
    """Numbers and the four operations, exactly; anything else is no formula."""

    def value(node: ast.expr) -> Decimal:
        if isinstance(node, ast.BinOp):
            return _OPERATORS[type(node.op)](value(node.left), value(node.right))
        assert isinstance(node, ast.Constant)
        return Decimal(str(node.value))

    return value(ast.parse(formula, mode="eval").body)


def rounded(value: Decimal, like: Decimal) -> Decimal:
    return value.quantize(like, rounding=ROUND_HALF_UP)


@pytest.mark.parametrize("row", FIGURES.all_rows, ids=lambda row: row.id)
def test_each_figure_is_what_its_formula_gives_and_says_where_it_is_from(row: PlanFigure) -> None:
    assert rounded(calculate(row.formula), row.honest) == row.honest
    assert row.source
    assert row.item


@pytest.mark.parametrize(("figure", "expected"), CHECKLIST.items(), ids=CHECKLIST)
def test_each_figure_of_the_checklist_is_there(figure: str, expected: str) -> None:
    assert str(FIGURES.get(figure).honest) == expected


@pytest.mark.parametrize(("figure", "printed"), PRINTED.items(), ids=PRINTED)
def test_what_the_plan_prints_is_kept_as_it_is(figure: str, printed: str) -> None:
    assert str(FIGURES.get(figure).plan) == printed


def test_ids_are_unique_and_the_report_has_its_own_few() -> None:
    ids = [row.id for row in FIGURES.all_rows]
    assert len(set(ids)) == len(ids)
    assert set(CHECKLIST) <= set(ids)
    assert [row.id for row in FIGURES.rows] == [
        "fleet-hour", "fleet-day", "fleet-month", "fleet-month-2026", "utilisation", "inference-before",
        "inference-saving", "infrastructure-saving", "monitoring-saving", "development-saving",
        "total-before", "total-saving", "total-saving-percent", "year-saving", "investment",
        "inference-alert",
    ]  # fmt: skip


def test_prices_are_those_of_the_price_books() -> None:
    plan, later = PriceBook.plan(), PriceBook.fallback()
    types = [machine.type for machine in FIGURES.fleet]
    assert FIGURES.get("fleet-hour").honest == sum((plan.get(one) for one in types), Decimal(0))
    assert FIGURES.get("fleet-hour-2026").honest == sum((later.get(one) for one in types), Decimal(0))
    by_short = {one.removeprefix("gpu_1x_"): one for one in types}
    for short, name in by_short.items():
        assert FIGURES.get(f"day-2026-{short}").honest == later.get(name) * 24
        rise = (later.get(name) / plan.get(name) - 1) * 100
        assert rounded(rise, Decimal(1)) == FIGURES.get(f"rise-{short}").honest
    assert FIGURES.get("training-hour").honest == later.get("gpu_8x_h100_sxm5") * 8


def test_utilisation_is_that_of_the_fleet() -> None:
    plan, fleet = PriceBook.plan(), FIGURES.fleet
    plain = Decimal(sum(one.utilisation_percent for one in fleet)) / len(fleet)
    weighted = sum((one.utilisation_percent * plan.get(one.type) for one in fleet), Decimal(0))
    assert FIGURES.get("utilisation-plain").honest == plain
    assert (
        rounded(weighted / FIGURES.get("fleet-hour").honest, Decimal("0.1"))
        == FIGURES.get("utilisation").honest
    )


@pytest.mark.parametrize(
    ("figure", "model"),
    [
        ("tokens-scout", "llama-4-scout"),
        ("tokens-maverick", "llama-4-maverick"),
        ("tokens-deepseek", "deepseek-v3-0324"),
        ("tokens-llama-405b", "llama-3.1-405b-instruct"),
        ("tokens-qwen", "qwen-3-32b"),
    ],
)
def test_tokens_for_250_are_what_the_inference_room_computes(figure: str, model: str) -> None:
    tokens = tokens_for(Decimal(250), load_catalogue().find(model).price(), Mix()) / 1_000_000
    row = FIGURES.get(figure)
    assert rounded(tokens, row.honest) == row.honest


def test_the_break_even_of_an_a100_is_what_the_inference_room_computes() -> None:
    gpu = OwnGpu("A100", PriceBook.plan().get("gpu_1x_a100"))
    even = break_even(gpu, load_catalogue().find("llama-4-scout").price())
    assert even.tokens == FIGURES.get("a100-in-tokens").honest * 1_000_000
    assert saving_percent(Decimal(930), Decimal(250)) == FIGURES.get("inference-saving").honest


def test_investments_are_what_the_code_computes() -> None:
    saved = FIGURES.get("year-saving-plan").honest
    assert most_investment(saved) == FIGURES.get("investment-plan-net").honest
    assert most_investment(saved, net=False) == FIGURES.get("investment-plan-gross").honest
    assert most_investment(FIGURES.get("year-saving").honest) == FIGURES.get("investment").honest


def test_a_claim_without_arithmetic_is_kept_apart() -> None:
    (claim,) = FIGURES.unproved
    assert claim[0] == "60 % average performance"
    assert "no metric" in claim[1]


def test_a_figure_reads_in_its_own_unit() -> None:
    assert FIGURES.get("fleet-month").honest_text == "$3,477.60"
    assert FIGURES.get("total-saving-percent").honest_text == "35.0 %"
    assert FIGURES.get("development-hours").honest_text == "266.7 h"
    assert FIGURES.get("fleet-hour").plan_text == "-"
