"""docs/faults.md shows what the last run counted, of tests that exist."""

from __future__ import annotations

import ast
import re

import pytest

from tests.faults.table import CHECKOUT, PAGE, named_tests, page_with, read_figures, read_matrix

MATRIX = read_matrix()


def test_every_cell_of_the_table_names_a_test_or_says_why_there_is_none() -> None:
    assert len(MATRIX.rows) == 21
    for operation, row in MATRIX.rows.items():
        assert list(row) == list(MATRIX.faults)
        for fault, cell in row.items():
            assert bool(cell.tests) != bool(cell.why), (operation, fault)


@pytest.mark.parametrize("file", sorted({test.partition("::")[0] for test in named_tests(MATRIX)}))
def test_every_test_of_the_table_exists(file: str) -> None:
    defined = {
        node.name
        for node in ast.parse((CHECKOUT / file).read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    named = {
        re.sub(r"\[.*", "", test.partition("::")[2])
        for test in named_tests(MATRIX)
        if test.startswith(f"{file}::")
    }
    assert named <= defined


def test_the_page_shows_the_figures_of_the_last_run() -> None:
    page = PAGE.read_text(encoding="utf-8")
    figures = read_figures()
    assert set(figures) == set(named_tests(MATRIX)), "run `python -m tests.faults`"
    assert page_with(MATRIX, figures, page) == page, "run `python -m tests.faults --draw`"
