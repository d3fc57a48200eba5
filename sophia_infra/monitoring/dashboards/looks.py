"""What a panel shows and how, before it is Grafana's: queries, columns of tables, steps of colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["GREEN", "ORANGE", "RED", "Column", "Query", "Steps", "above", "below"]

GREEN: Final = "green"
ORANGE: Final = "orange"
RED: Final = "red"

Steps = tuple[tuple[float | None, str], ...]
"""(from this value, colour), the first from None."""


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL and the name of its series in Grafana's notation: `{{node}}`."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One value of a table: where it is from, its heading, its unit and its colours.

    Attributes:
        by: labels by which it joins the lines of the table: "node, gpu". `expr` has them and no others.
    """

    by: str
    expr: str
    heading: str
    unit: str
    steps: Steps | None = None


def above(warning: float, critical: float) -> Steps:
    """Green, orange from `warning` up, red from `critical` up."""
    return ((None, GREEN), (warning, ORANGE), (critical, RED))


def below(critical: float, warning: float) -> Steps:
    """Red under `critical`, orange under `warning`, else green."""
    return ((None, RED), (critical, ORANGE), (warning, GREEN))
