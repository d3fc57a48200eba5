"""The tables of criteria: nothing of the checklist is missing, and every proof that is named exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from sophia_infra.validation import catalogue
from sophia_infra.validation.catalogue import chosen, criteria
from sophia_infra.validation.checks import CHECKS
from sophia_infra.validation.criterion import Criterion
from sophia_infra.validation.errors import CriteriaRefused, CriterionUnknown

CHECKOUT = Path(__file__).resolve().parents[3]
SIZES = {
    "H": 7, "G": 3, "C": 10, "$": 6, "P": 8, "T": 13, "S": 7, "K": 12, "D": 10, "N": 12, "B": 12, "R": 13,
    "1.1": 7, "1.2": 7, "1.3": 5, "2.1": 5, "2.2": 4, "2.3": 5, "3.1": 5, "3.2": 5, "3.3": 5,
    "M1.": 4, "M2.": 4, "M3.": 4, "M4.": 5,
}  # fmt: skip
"""First characters of the checklist's ids -> how many there are."""


def expected_ids() -> set[str]:
    numbered = {
        f"{start}{n}"
        for start, size in SIZES.items()
        if start[0].isalpha() or start == "$"
        for n in range(1, size + 1)
    }
    lettered = {
        f"{start}{chr(97 + n)}" for start, size in SIZES.items() if start[0].isdigit() for n in range(size)
    }
    return numbered | lettered


@cache
def names_in(file: Path) -> frozenset[str]:
    """Functions and classes of a test file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def test_every_id_of_the_checklist_is_there_once() -> None:
    ids = [row.id for row in criteria()]
    assert len(ids) == len(set(ids))
    assert set(ids) == expected_ids()


@pytest.mark.parametrize("row", criteria(), ids=lambda row: row.id)
def test_every_test_that_a_label_rests_on_exists(row: Criterion) -> None:
    for test in row.tests:
        file, _, name = test.partition("::")
        path = CHECKOUT / file
        assert path.is_file(), test
        assert re.match(r"test_.*\.py", path.name), test
        if name:
            assert name in names_in(path), test
        else:
            assert any(found.startswith("test_") for found in names_in(path)), test


def test_every_check_is_named_by_a_criterion_and_every_named_one_exists() -> None:
    assert {row.check.partition(" ")[0] for row in criteria() if row.check} == set(CHECKS)


def test_what_closes_no_gate_is_a_figure_that_nobody_can_make_true_by_hand() -> None:
    shown_only = {row.id for row in criteria() if not row.gates}
    assert all(row.check for row in criteria() if not row.gates)
    assert {"$5", "M4.1", "1.3e"} <= shown_only
    assert not shown_only & {"K3", "R1", "R6", "K9", "2.2c", "2.1e"}


def test_a_phase_has_its_own_criteria_and_those_of_every_phase() -> None:
    ids = {row.id for row in chosen(phase=2)}
    assert {"2.2c", "K3", "R6"} <= ids
    assert not ids & {"1.1a", "3.2a"}


def test_a_wrong_id_names_the_closest() -> None:
    with pytest.raises(CriterionUnknown, match=r"criterion '2\.2cc', did you mean 2\.2c\?"):
        chosen(["2.2cc"])


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("{id: X, text: t, target: t, label: maybe}", "has the label 'maybe'"),
        ("{id: X, text: t, target: t, label: proved}", "no test is named"),
        ("{id: X, text: t, target: t, label: not provable here}", "nothing says why"),
        ("{id: X, text: t, target: t, label: proved, tests: [a.py], why: w}", "keys that are none: why"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(
    row: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.yaml").write_text(f"- section: s\n  phase: 1\n  criteria: [{row}]\n")
    monkeypatch.setattr(catalogue, "_FOLDER", tmp_path)
    catalogue.criteria.cache_clear()
    try:
        with pytest.raises(CriteriaRefused, match=re.escape(says)):
            criteria()
    finally:
        monkeypatch.undo()
        catalogue.criteria.cache_clear()
