"""The plan's figures beside the same arithmetic done again, from one file of dated data.

Everybody who shows one of these figures takes it from here: the tables of `sophia cost plan`, the report, the
documents. Tests do every row's arithmetic once more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from sophia_infra.model.money import format_usd

__all__ = ["PlanFigure", "PlanFigures", "PlanMachine", "PlanRow", "plan_figures"]

FILE: Final = Path(__file__).with_name("data") / "plan-figures-2025-07-09.json"

Unit = Literal["usd", "percent", "hours", "minutes", "million_tokens", "times", "points"]
_WORDS: Final[dict[Unit, str]] = {
    "percent": " %",
    "hours": " h",
    "minutes": " min",
    "million_tokens": " M tokens",
    "times": " times",
    "points": " points",
}


@dataclass(frozen=True, slots=True)
class PlanFigure:
    """One figure.

    Attributes:
        id: stable name of the row.
        plan: as the plan prints it, or as it follows from what it prints; None when it has none.
        honest: what `formula` gives, rounded half up to its own decimals.
        formula: arithmetic of numbers, without names, so that anybody can do it again.
        source: where the numbers of the formula are from.
        in_report: one of the few that a report for people shows.
    """

    id: str
    item: str
    unit: Unit
    plan: Decimal | None
    honest: Decimal
    formula: str
    source: str
    note: str
    in_report: bool

    @property
    def plan_text(self) -> str:
        return "-" if self.plan is None else self._text(self.plan)

    @property
    def honest_text(self) -> str:
        return self._text(self.honest)

    def as_json(self) -> dict[str, Any]:
        """Plain data; figures as decimal text."""
        return {
            "id": self.id,
            "item": self.item,
            "unit": self.unit,
            "plan": None if self.plan is None else str(self.plan),
            "honest": str(self.honest),
            "formula": self.formula,
            "source": self.source,
            "note": self.note,
        }

    def _text(self, value: Decimal) -> str:
        return format_usd(value) if self.unit == "usd" else f"{value}{_WORDS[self.unit]}"


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One row of the plan's cost table, dollars a month as printed.

    Attributes:
        machine: the machine of the fleet that the row's first figure is the month of; None: it is none.
        adds: whether it costs anything that no other row counts.
        reason: why the honest table has another figure.
    """

    component: str
    before_usd: Decimal
    after_usd: Decimal
    machine: str | None
    adds: bool
    reason: str


@dataclass(frozen=True, slots=True)
class PlanMachine:
    """One machine of the plan's fleet. `utilisation_percent` is the plan's word, measured by nobody here."""

    name: str
    type: str
    utilisation_percent: int
    always_on: bool


@dataclass(frozen=True, slots=True)
class PlanFigures:
    """All of it, the day it is of, and where it is from.

    Attributes:
        rows: those that a report shows.
        all_rows: every figure.
        unproved: claims of the plan that no arithmetic gives: claim and reason.
    """

    as_of: date
    source: str
    all_rows: tuple[PlanFigure, ...]
    table: tuple[PlanRow, ...]
    fleet: tuple[PlanMachine, ...]
    unproved: tuple[tuple[str, str], ...]

    @property
    def rows(self) -> tuple[PlanFigure, ...]:
        return tuple(row for row in self.all_rows if row.in_report)

    def get(self, figure_id: str) -> PlanFigure:
        """One figure by its id. Raises KeyError."""
        return {row.id: row for row in self.all_rows}[figure_id]


@cache
def plan_figures() -> PlanFigures:
    """The figures of the plan of 2025-07-09."""
    document = json.loads(FILE.read_text(encoding="utf-8"))
    return PlanFigures(
        as_of=date.fromisoformat(document["as_of"]),
        source=document["source"],
        all_rows=tuple(_figure(row, document["sources"]) for row in document["rows"]),
        table=tuple(
            PlanRow(
                component=row["component"],
                before_usd=Decimal(row["before"]),
                after_usd=Decimal(row["after"]),
                machine=row["machine"],
                adds=row["adds"],
                reason=row["reason"],
            )
            for row in document["table"]
        ),
        fleet=tuple(PlanMachine(**row) for row in document["fleet"]),
        unproved=tuple((row["item"], row["note"]) for row in document["unproved"]),
    )


def _figure(row: dict[str, Any], sources: dict[str, str]) -> PlanFigure:
    return PlanFigure(
        id=row["id"],
        item=row["item"],
        unit=row["unit"],
        plan=None if row["plan"] is None else Decimal(row["plan"]),
        honest=Decimal(row["honest"]),
        formula=row["formula"],
        source=sources[row["source"]],
        note=row["note"],
        in_report=row.get("report", False),
    )
