"""One measured figure beside its budget, and how they are shown."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["Figure", "Skipped", "as_document", "show"]

_UNITS: Mapping[str, str] = {
    "s": "{:.3f} s",
    "ms": "{:.3f} ms",
    "MiB": "{:.0f} MiB",
    "1/s": "{:.0f}/s",
    "x": "{:.2f} times",
    "": "{:.0f}",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured.

    Attributes:
        budget: the value to hold; None for a figure that is only shown.
        at_least: the budget is a floor (a rate), not a ceiling (a time).
        reference: the same work by other means in this very run, and what that is; None without one.
    """

    name: str
    value: float
    unit: Literal["s", "ms", "MiB", "1/s", "x", ""]
    budget: float | None
    how: str
    at_least: bool = False
    reference: tuple[float, str] | None = None

    @property
    def ratio(self) -> float | None:
        """Measured over budget; above 1 (below 1 for a floor) is OVER."""
        return None if not self.budget else self.value / self.budget

    @property
    def verdict(self) -> str:
        """OK, OVER, or `-` without a budget."""
        ratio = self.ratio
        if ratio is None:
            return "-"
        return "OK" if (ratio >= 1) == self.at_least or ratio == 1 else "OVER"

    def text(self, value: float) -> str:
        return _UNITS[self.unit].format(value)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A figure that was not measured, and why."""

    name: str
    reason: str

    @property
    def verdict(self) -> str:
        return "SKIPPED"


def as_document(figures: Iterable[Figure | Skipped]) -> dict[str, Any]:
    """Plain data for `--json`: the machine, and one row for each figure."""
    return {"machine": _machine(), "figures": [_row(figure) for figure in figures]}


def show(console: Console, figures: Iterable[Figure | Skipped]) -> None:
    """The table for people."""
    table = Table(pad_edge=False, box=None)
    for heading in ("What", "Measured", "Budget", "Ratio", "", "How"):
        justify: Literal["right", "left"] = "right" if heading in ("Measured", "Budget", "Ratio") else "left"
        table.add_column(heading, justify=justify, no_wrap=heading != "How", overflow="fold")
    for figure in figures:
        if isinstance(figure, Skipped):
            table.add_row(figure.name, "", "", "", Text("SKIPPED", "yellow"), figure.reason)
            continue
        budget = (
            ""
            if figure.budget is None
            else f"{'>=' if figure.at_least else '<='} {figure.text(figure.budget)}"
        )
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        how = figure.how
        if figure.reference is not None:
            value, what = figure.reference
            how += f"; {what}: {figure.text(value)}, so {figure.value / value:.2f} times that"
        style = {"OK": "green", "OVER": "bold red"}.get(figure.verdict, "")
        table.add_row(figure.name, figure.text(figure.value), budget, ratio, Text(figure.verdict, style), how)
    console.print(table)
    machine = _machine()
    console.print(
        f"{machine['cores']} cores, Python {machine['python']}, load {machine['load_1_min']:.1f}: "
        "a load above 1 means that other work ran beside this."
    )


def _row(figure: Figure | Skipped) -> dict[str, Any]:
    if isinstance(figure, Skipped):
        return {"name": figure.name, "verdict": figure.verdict, "reason": figure.reason}
    row: dict[str, Any] = {
        "name": figure.name,
        "value": round(figure.value, 4),
        "unit": figure.unit,
        "budget": figure.budget,
        "at_least": figure.at_least,
        "ratio": None if figure.ratio is None else round(figure.ratio, 3),
        "verdict": figure.verdict,
        "how": figure.how,
    }
    if figure.reference is not None:
        row["reference"] = {"value": round(figure.reference[0], 4), "what": figure.reference[1]}
    return row


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_1_min": round(os.getloadavg()[0], 2),
    }
