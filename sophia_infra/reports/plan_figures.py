"""The plan's figures beside the same arithmetic done again. Dated data; tests do the arithmetic once more."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Final, Literal

from sophia_infra.model.money import format_usd

__all__ = ["PlanFigure", "PlanFigures", "plan_figures"]

_FILE: Final = "plan-figures-2025-07-09.json"


@dataclass(frozen=True, slots=True)
class PlanFigure:
    """One figure.

    Attributes:
        id: stable name of the row.
        plan: as the plan prints it, or as it follows from what it prints; None when it has none.
        honest: what `formula` gives, rounded to its own decimals.
        formula: arithmetic on list prices and on figures of other rows.
    """

    id: str
    item: str
    unit: Literal["usd", "percent"]
    plan: Decimal | None
    honest: Decimal
    formula: str
    note: str

    @property
    def plan_text(self) -> str:
        return "-" if self.plan is None else self._text(self.plan)

    @property
    def honest_text(self) -> str:
        return self._text(self.honest)

    def _text(self, value: Decimal) -> str:
        return format_usd(value) if self.unit == "usd" else f"{value} %"


@dataclass(frozen=True, slots=True)
class PlanFigures:
    """All rows, the day they are of, and where they are from."""

    as_of: date
    source: str
    rows: tuple[PlanFigure, ...]


@cache
def plan_figures() -> PlanFigures:
    """The figures of the plan of 2025-07-09."""
    file = resources.files("sophia_infra.reports") / "data" / _FILE
    document = json.loads(file.read_text(encoding="utf-8"))
    rows = tuple(
        PlanFigure(
            id=row["id"],
            item=row["item"],
            unit=row["unit"],
            plan=None if row["plan"] is None else Decimal(row["plan"]),
            honest=Decimal(row["honest"]),
            formula=row["formula"],
            note=row["note"],
        )
        for row in document["rows"]
    )
    return PlanFigures(date.fromisoformat(document["as_of"]), document["source"], rows)
