"""The file that is written, the plan's figures, and how figures and ages read."""

from __future__ import annotations

import ast
import os
import stat
from decimal import Decimal
from pathlib import Path

import pytest

from sophia_infra.cli.inference_break_even import _PLAN_AFTER_USD, _PLAN_BEFORE_USD
from sophia_infra.cost.plan_figures import PlanFigure, plan_figures
from sophia_infra.model.money import HOURS_PER_MONTH
from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.printable import printable
from sophia_infra.monitoring.terms import PLAN_INFERENCE_USD_PER_MONTH
from sophia_infra.reports import words
from sophia_infra.reports.errors import OutputRefused
from sophia_infra.reports.figures import first_known, known, unknown
from sophia_infra.reports.snapshot import higher_month, month_of_days
from sophia_infra.reports.writing import check_output, write_report
from tests.unit.reports.figures import NOW_S, a_history, a_machine, a_snapshot

PAGE = "<!DOCTYPE html>\n<html lang=en>ä</html>\n"
FLEET = ("gpu_1x_gh200", "gpu_1x_a6000", "gpu_1x_a100", "gpu_1x_rtx6000", "gpu_1x_a10")


def test_a_file_is_written_whole_and_replaced(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    assert write_report(out, PAGE) == len(PAGE.encode()) == out.stat().st_size
    assert write_report(out, PAGE * 2) == 2 * len(PAGE.encode())
    assert out.read_text(encoding="utf-8") == PAGE * 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    umask = os.umask(0o022)
    os.umask(umask)
    assert stat.S_IMODE(out.stat().st_mode) == 0o666 & ~umask


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "report.html"
    link.symlink_to(tmp_path / "real" / "report.html")
    write_report(link, PAGE)
    assert link.is_symlink()
    assert (tmp_path / "real" / "report.html").read_text(encoding="utf-8") == PAGE


def test_what_would_be_destroyed_or_cannot_be_written_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "Pulumi.local.yaml"
    other.write_text("config: {}\n")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for out, says in (
        (tmp_path, "is a folder. Next: give a file in it"),
        (tmp_path / "no" / "report.html", "There is no folder"),
        (other, "is there and is not a report: it stays"),
        (fifo, "is not a plain file"),
    ):
        with pytest.raises(OutputRefused) as caught:
            check_output(out)
        assert says in str(caught.value)
    assert other.read_text() == "config: {}\n"


def test_no_permission_is_said_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(OutputRefused, match="You may not write"):
        check_output(tmp_path / "report.html")


def test_a_disk_that_refuses_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "report.html"
    write_report(out, PAGE)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OutputRefused, match="No space left on device"):
        write_report(out, PAGE * 2)
    assert out.read_text(encoding="utf-8") == PAGE
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("row", plan_figures().rows, ids=lambda row: row.id)
def test_honest_figures_are_what_their_formulas_give(row: PlanFigure) -> None:
    assert _calculate(row.formula).quantize(row.honest) == row.honest


def test_honest_figures_rest_on_the_price_books_and_on_each_other() -> None:
    by_id = {row.id: row for row in plan_figures().rows}
    assert len(by_id) == len(plan_figures().rows)
    plan, later = (sum(book.get(name) for name in FLEET) for book in (PriceBook.plan(), PriceBook.fallback()))
    assert by_id["fleet-hour"].honest == plan
    assert by_id["fleet-day"].honest == by_id["fleet-day"].plan == plan * 24
    assert by_id["fleet-month"].honest == plan * HOURS_PER_MONTH
    assert by_id["fleet-month-2026"].honest == later * HOURS_PER_MONTH
    assert by_id["inference-before"].plan == _PLAN_BEFORE_USD
    assert str(_PLAN_AFTER_USD) in by_id["inference-saving"].formula
    assert f"{PLAN_INFERENCE_USD_PER_MONTH} / 720" == by_id["inference-alert"].formula
    assert by_id["total-before"].plan_text == "$5,147.00"
    assert by_id["total-saving"].honest * 12 == by_id["year-saving"].honest
    assert by_id["year-saving"].honest / 5 == by_id["investment"].honest
    assert (by_id["fleet-hour"].plan_text, by_id["utilisation"].plan_text) == ("-", "45 %")


def test_the_month_by_days_wins_where_it_says_more() -> None:
    cost = a_history().cost
    snapshot = a_snapshot(a_machine(1), spent_usd="10")
    by_days = month_of_days(cost)
    assert by_days.value is not None
    assert by_days.value.is_complete is False  # the first day was watched in part, today is not there
    assert higher_month(snapshot.month, by_days) is by_days
    rich = a_snapshot(a_machine(1), spent_usd="99999")
    assert higher_month(rich.month, by_days) is rich.month
    assert higher_month(rich.month, unknown("no")) is rich.month
    assert higher_month(unknown("no"), by_days) is by_days
    assert month_of_days(unknown("no days")).missing == "no days"


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (-3, "0 s"),
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_199, "120 min"),
        (7_200, "2 h"),
        (172_800, "2 d"),
    ],
)
def test_ages_read_like_this(seconds: float, says: str) -> None:
    assert words.age_words(seconds) == says


def test_dollars_below_a_cent_keep_their_decimals() -> None:
    figures = [words.usd_words(Decimal(text)) for text in ("0", "0.000042", "0.01", "1234.5")]
    assert figures == ["$0.00", "$0.000042", "$0.01", "$1,234.50"]


def test_a_figure_says_where_it_is_from_or_why_it_is_not_there() -> None:
    one, none = known(Decimal("1.50"), "the ledger", NOW_S), unknown("nobody asked")
    assert one.as_json(str) == {
        "value": "1.50",
        "source": "the ledger",
        "at": "2026-11-21T12:00:00Z",
        "missing": None,
    }
    assert none.as_json(str) == {"value": None, "source": "", "at": None, "missing": "nobody asked"}
    assert first_known(none, one) is one
    assert first_known(one, none) is one
    assert first_known(none, unknown("b")) is none
    assert printable("a\tb\x07\u2028c") == "a b\N{REPLACEMENT CHARACTER} c"


def _calculate(formula: str) -> Decimal:
    """The value of numbers joined by + - * / and parentheses, exactly."""

    def value(node: ast.expr) -> Decimal:
        if isinstance(node, ast.Constant):
            return Decimal(ast.get_source_segment(formula, node) or "")
        assert isinstance(node, ast.BinOp)
        left, right = value(node.left), value(node.right)
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right
        return left * right if isinstance(node.op, ast.Mult) else left / right

    return value(ast.parse(formula, mode="eval").body)
