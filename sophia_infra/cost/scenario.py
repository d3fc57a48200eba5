"""A scenario file: other prices, machines, hours and tokens, and what they cost before and after. Pure.

A closed YAML document; everything wrong with it is said at once, with lines. Prices come from one of the two
dated books unless the file states its own; a type or a model without a price is refused, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, ValidationError

from sophia_infra.cost.errors import CostError
from sophia_infra.cost.plan_figures import plan_figures
from sophia_infra.cost.plan_table import Side
from sophia_infra.model import yaml_text
from sophia_infra.model.errors import ConfigError, Problem, did_you_mean
from sophia_infra.model.explain import explain, make_problem, shown_key
from sophia_infra.model.forms import ClosedModel, choice_form, number_form, text_form, whole_number_form
from sophia_infra.model.money import HOURS_PER_MONTH
from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.text_file import read_text_file
from sophia_infra.model.value_types import DnsName, InstanceTypeName, SpendingRate, UsdAmount

__all__ = [
    "Line",
    "PriceMissing",
    "Scenario",
    "ScenarioCost",
    "ScenarioMachine",
    "ScenarioSide",
    "ScenarioTokens",
    "TokenPriceOf",
    "TokenPricePair",
    "load_scenario",
    "price_scenario",
]

BookName = Literal["2025-07", "2026-08-20"]
ModelId = Annotated[str, text_form("a model id", max_characters=200)]
_MOST_MILLIONS = 1_000_000_000

TokenPriceOf: TypeAlias = Callable[[str], tuple[Decimal, Decimal]]
"""Model -> dollars per million input and output tokens. Raises what the caller maps for an unknown model."""


class PriceMissing(CostError):
    """A scenario names something without a price."""


class TokenPricePair(ClosedModel):
    """What a million tokens of a model cost."""

    input: UsdAmount = Field(description="Dollars per million input tokens. No default.")
    output: UsdAmount = Field(description="Dollars per million output tokens. No default.")


class ScenarioTokens(ClosedModel):
    """Tokens of one model in a month."""

    input_millions: Annotated[float, number_form(0, _MOST_MILLIONS)] = Field(
        description="Million input tokens a month, above 0. No default."
    )
    output_millions: Annotated[float, number_form(0, _MOST_MILLIONS)] = Field(
        description="Million output tokens a month, above 0. No default."
    )


class ScenarioMachine(ClosedModel):
    """Machines of one type."""

    type: InstanceTypeName = Field(description="1xGH200 or the API's name gpu_1x_gh200. No default.")
    hours: Annotated[float, number_form(0, 744)] = Field(
        default=float(HOURS_PER_MONTH),
        description="Hours a month that each is paid, above 0 and up to 744. Default 720: it is always on.",
    )
    count: Annotated[int, whole_number_form(1, 64)] = Field(
        default=1, description="How many of them, 1 to 64. Default 1."
    )


class ScenarioSide(ClosedModel):
    """What is paid in a month."""

    machines: dict[DnsName, ScenarioMachine] = Field(
        default_factory=dict, description="Name -> machine. Default none."
    )
    tokens: dict[ModelId, ScenarioTokens] = Field(
        default_factory=dict, description="Model -> tokens that are bought by the token. Default none."
    )
    other: dict[DnsName, SpendingRate] = Field(
        default_factory=dict,
        description='Name -> rate of what else is paid, for example monitoring: "$200/month". Default none.',
    )


class Scenario(ClosedModel):
    """The whole file."""

    prices: Annotated[BookName, choice_form("a price book", ("2025-07", "2026-08-20"))] = Field(
        default="2026-08-20",
        description="List prices of machines: 2025-07 (the plan's five types) or 2026-08-20. Default the "
        "later one.",
    )
    machine_prices: dict[InstanceTypeName, SpendingRate] = Field(
        default_factory=dict, description="Instance type -> price in place of the book's. Default none."
    )
    token_prices: dict[ModelId, TokenPricePair] = Field(
        default_factory=dict, description="Model -> price in place of the catalogue's. Default none."
    )
    before: ScenarioSide | None = Field(
        default=None,
        description="What is paid now. Default: the plan's five machines all month, and monitoring for $200.",
    )
    after: ScenarioSide = Field(description="What would be paid. No default.")
    investment: UsdAmount | None = Field(
        default=None,
        description="Dollars that the change costs once, work included. Default none: no return is said.",
    )


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is paid: dollars a month and how they come about."""

    name: str
    usd_per_month: Decimal
    formula: str

    def as_json(self) -> dict[str, str]:
        return {"name": self.name, "usd_per_month": str(self.usd_per_month), "formula": self.formula}


@dataclass(frozen=True, slots=True)
class ScenarioCost:
    """A scenario in dollars a month. `prices` names the day and source of the machines' prices."""

    before: tuple[Line, ...]
    after: tuple[Line, ...]
    total: Side
    prices: str

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as decimal text."""
        return {
            "before": [line.as_json() for line in self.before],
            "after": [line.as_json() for line in self.after],
            "total": self.total.as_json(),
            "prices": self.prices,
        }


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file.

    Raises:
        ConfigError: all that is wrong with it, in its order, each with its line; also when it cannot be read.
    """
    try:
        text = read_text_file(path)
    except OSError as error:
        raise ConfigError([_problem(path, f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([_problem(path, "is not UTF-8 text")]) from None
    document = yaml_text.read_yaml(text)
    problems = [
        Problem(path.name, ".".join(map(shown_key, one.path)), one.line, None, None, one.message)
        for one in document.findings
    ]
    if problems:
        raise ConfigError(problems)
    if not isinstance(document.value, dict):
        raise ConfigError([_problem(path, "has no mapping with the key after")])
    try:
        return Scenario.model_validate(document.value)
    except ValidationError as error:
        found = []
        for finding in explain(error, Scenario):
            at = finding.loc
            line = next(
                (document.lines[at[:end]] for end in range(len(at), 0, -1) if at[:end] in document.lines),
                None,
            )
            problem = make_problem(path.name, finding, line)
            found.append(replace(problem, key=problem.key.removeprefix("sophia:")))
        raise ConfigError(sorted(found, key=lambda one: one.line or 0)) from None


def price_scenario(scenario: Scenario, token_price: TokenPriceOf) -> ScenarioCost:
    """What both sides cost.

    Args:
        token_price: prices of models that the file states none for.

    Raises:
        PriceMissing: the book has no price for a type, and the file states none.
    """
    book = PriceBook.plan() if scenario.prices == "2025-07" else PriceBook.fallback()
    pricing = _Pricing(scenario, book, token_price)
    before = pricing.lines(scenario.before or _plan_side())
    after = pricing.lines(scenario.after)
    total = Side(_sum(before), _sum(after))
    return ScenarioCost(before, after, total, f"list prices of {book.as_of}: {book.source}")


@dataclass(frozen=True, slots=True)
class _Pricing:
    scenario: Scenario
    book: PriceBook
    token_price: TokenPriceOf

    def lines(self, side: ScenarioSide) -> tuple[Line, ...]:
        return (
            *(self._machine(name, machine) for name, machine in side.machines.items()),
            *(self._tokens(model, tokens) for model, tokens in side.tokens.items()),
            *(
                Line(name, rate.usd_per_month, f"{rate}, a month of {HOURS_PER_MONTH} h")
                for name, rate in side.other.items()
            ),
        )

    def _machine(self, name: str, machine: ScenarioMachine) -> Line:
        stated = self.scenario.machine_prices.get(machine.type)
        usd = stated.usd_per_hour if stated is not None else self._listed(name, machine.type)
        hours = Decimal(str(machine.hours))
        formula = f"{machine.count} x {usd.normalize():f} x {hours.normalize():f} h"
        return Line(name, usd * hours * machine.count, formula)

    def _listed(self, name: str, instance_type: str) -> Decimal:
        if instance_type not in self.book.usd_per_hour:
            hint = did_you_mean(instance_type, self.book.usd_per_hour)
            raise PriceMissing(
                f"{name} is a {instance_type}, for which the prices of {self.book.as_of} have none{hint}.",
                next_step="state it under machine_prices, or take prices: 2026-08-20.",
            )
        return self.book.get(instance_type)

    def _tokens(self, model: str, tokens: ScenarioTokens) -> Line:
        stated = self.scenario.token_prices.get(model)
        prices = (stated.input, stated.output) if stated is not None else self.token_price(model)
        volumes = Decimal(str(tokens.input_millions)), Decimal(str(tokens.output_millions))
        usd = sum((price * volume for price, volume in zip(prices, volumes, strict=True)), Decimal(0))
        formula = " + ".join(
            f"{volume.normalize():f} M x {price.normalize():f}"
            for price, volume in zip(prices, volumes, strict=True)
        )
        return Line(model, usd, formula)


def _plan_side() -> ScenarioSide:
    """What the plan's company paid: its fleet, and monitoring."""
    figures = plan_figures()
    machines: Mapping[str, Any] = {machine.name: {"type": machine.type} for machine in figures.fleet}
    monitoring = next(row for row in figures.table if row.component == "Monitoring")
    return ScenarioSide.model_validate(
        {"machines": machines, "other": {"monitoring": f"${monitoring.before_usd}/month"}}
    )


def _sum(lines: tuple[Line, ...]) -> Decimal:
    return sum((line.usd_per_month for line in lines), Decimal(0))


def _problem(path: Path, message: str) -> Problem:
    return Problem(path.name, "", None, None, None, message)
