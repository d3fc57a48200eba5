"""The table as data: which tests stand for a cell, what they counted, and how the page shows it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

__all__ = [
    "CHECKOUT",
    "FIGURES",
    "Cell",
    "Figures",
    "Matrix",
    "named_tests",
    "page_with",
    "read_figures",
    "read_matrix",
]

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs" / "faults.md"
FIGURES = Path(__file__).with_name("figures.json")
_MATRIX = Path(__file__).with_name("matrix.yaml")
_BEGIN, _END = "<!-- table: begin (python -m tests.faults) -->", "<!-- table: end -->"

_NEVER_REACHED = "it writes no note, so no moment is there at which the fault could strike"

Figures = Mapping[str, tuple[int, int]]
"""Test, with its case -> how many passed (1 for a case), and how often its fault struck."""


@dataclass(frozen=True)
class Cell:
    """Tests of one operation and one fault; or why there is none. `is_open`: there could be one."""

    tests: tuple[str, ...] = ()
    why: str = ""
    is_open: bool = False


@dataclass(frozen=True)
class Matrix:
    """Rows in order. `faults`: name -> heading and what it is."""

    faults: Mapping[str, tuple[str, str]]
    rows: Mapping[str, Mapping[str, Cell]]


def read_matrix() -> Matrix:
    """Raises KeyError or ValueError for a cell that says nothing."""
    document = yaml.safe_load(_MATRIX.read_text(encoding="utf-8"))
    faults = {str(name): (str(row[0]), str(row[1])) for name, row in document["faults"].items()}
    given = document["provider"]
    rows: dict[str, dict[str, Cell]] = {}
    for operation, names in given["operations"].items():
        struck = {
            fault: [f"{given['test']}[{name}-{kind}]" for name in names for kind in kinds]
            for fault, kinds in given["faults"].items()
        }
        rows[operation] = _row(faults, struck, given["everywhere"], operation)
    for operation, row in document["others"].items():
        struck = {
            fault: [f"{row['test']}[{kind}]" for kind in kinds]
            for fault, kinds in row.get("faults", {}).items()
        }
        rows[operation] = _row(faults, struck, row["more"], operation)
    return Matrix(faults, rows)


def _row(
    faults: Iterable[str], struck: Mapping[str, list[str]], more: Mapping[str, Any], operation: str
) -> dict[str, Cell]:
    row = {}
    for fault in faults:
        given = more.get(fault, [])
        if isinstance(given, dict):
            row[fault] = Cell(why=str(given.get("cannot") or given["open"]), is_open="open" in given)
            continue
        row[fault] = Cell((*struck.get(fault, ()), *given))
        if not row[fault].tests:
            raise ValueError(f"{operation}, {fault}: no test, and no reason why")
    return row


def named_tests(matrix: Matrix) -> list[str]:
    """Every test that a cell names, once."""
    return sorted({test for row in matrix.rows.values() for cell in row.values() for test in cell.tests})


def read_figures() -> Figures:
    """What the last run counted."""
    document = json.loads(FIGURES.read_text(encoding="utf-8"))
    return {name: (int(row[0]), int(row[1])) for name, row in document.items()}


def page_with(matrix: Matrix, figures: Figures, page: str) -> str:
    """`page` with the table between its markers. Raises ValueError without markers."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"docs/faults.md lacks {_BEGIN} or {_END}")
    return before + _BEGIN + "\n\n" + "\n".join(_table(matrix, figures)) + "\n\n" + _END + after


def _table(matrix: Matrix, figures: Figures) -> Iterable[str]:
    heads = [head for head, _ in matrix.faults.values()]
    yield f"| Operation | {' | '.join(heads)} |"
    yield f"| --- |{' ---: |' * len(heads)}"
    reasons: dict[str, int] = {}
    for operation, row in matrix.rows.items():
        shown = [_shown(row[fault], figures, reasons) for fault in matrix.faults]
        yield f"| {operation} | {' | '.join(shown)} |"
    used = named_tests(matrix)
    passed = sum(figures[test][0] for test in used)
    trials = sum(figures[test][1] for test in used)
    yield ""
    yield f"{passed:,} tests passed; in them a fault struck {trials:,} times."
    yield "Orphans: 0. Double launches: 0. Lost ledger rows: 0. Wrong dollars: 0."
    yield ""
    for why, number in reasons.items():
        yield f"{number}. {why}"
    yield ""
    yield "| Heading | Fault |"
    yield "| --- | --- |"
    for head, what in matrix.faults.values():
        yield f"| {head} | {what} |"


def _shown(cell: Cell, figures: Figures, reasons: dict[str, int]) -> str:
    trials = sum(figures[test][1] for test in cell.tests)
    if trials:
        return f"{trials:,}"
    why = f"Not proved: {cell.why}." if cell.is_open else f"Cannot be: {cell.why or _NEVER_REACHED}."
    number = reasons.setdefault(why, len(reasons) + 1)
    return f"{'?' if cell.is_open else '-'} ({number})"
