"""docs/scaling.md: its tables are what the command prints, and what it says of settings is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sophia_infra.scaling import __main__ as command
from sophia_infra.scaling.accuracy import measure_accuracy
from sophia_infra.scaling.errors import SettingsRefused
from sophia_infra.scaling.gauges import PredictionGauges
from sophia_infra.scaling.replay import replay
from sophia_infra.scaling.tables import (
    accuracy_table,
    latency_table,
    measure_load_limits,
    replay_table,
)
from sophia_infra.scaling.traces import SHAPES
from tests.unit.scaling.loads import MONDAY_S, prediction

FILE = Path(__file__).parents[3] / "docs" / "scaling.md"
TEXT = FILE.read_text(encoding="utf-8")


def rows(name: str) -> dict[str, list[str]]:
    """First cell -> the others, of the table between the marks of `name`."""
    table = TEXT.split(f"<!-- {name}:begin -->")[1].split(f"<!-- {name}:end -->")[0]
    return cells(table)


def cells(table: str) -> dict[str, list[str]]:
    lines = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.strip().splitlines()]
    return {line[0]: line[1:] for line in lines}


def same(documented: list[str], measured: list[str]) -> None:
    """Words are equal, numbers to 2 %, or to the last digit shown: other processors round otherwise."""
    assert len(documented) == len(measured)
    for one, other in zip(documented, measured, strict=True):
        numbers = [re.sub(r"[$,% sh]", "", text) for text in (one, other)]
        if re.fullmatch(r"-?[0-9.]+", numbers[0]) and re.fullmatch(r"-?[0-9.]+", numbers[1]):
            last_digit = 10.0 ** -len(numbers[0].partition(".")[2])
            assert float(numbers[1]) == pytest.approx(float(numbers[0]), rel=0.02, abs=1.01 * last_digit)
        else:
            assert one == other


def test_every_shape_has_its_row_and_none_is_worse_by_five_percent() -> None:
    table = rows("accuracy")
    assert set(SHAPES) <= set(table)
    assert all(float(table[shape][4]) <= 1.05 for shape in SHAPES)


def test_a_row_of_the_accuracy_table_is_what_is_measured_now() -> None:
    """One of them: all take half a minute, `python -m sophia_infra.scaling docs` makes them."""
    measured = cells(accuracy_table([measure_accuracy("walk")]))
    same(rows("accuracy")["walk"], measured["walk"])


def test_a_row_of_the_replay_is_what_is_measured_now() -> None:
    results = [replay(command.STEADY, "fixed at peak")]
    same(rows("replay")["fixed at peak"], cells(replay_table(results))["fixed at peak"])


def test_the_load_limits_are_what_is_measured_now() -> None:
    measured = latency_table(measure_load_limits(command.GATEWAY_OVERHEAD_S))
    documented = TEXT.split("<!-- latency:begin -->")[1].split("<!-- latency:end -->")[0].strip()
    for one, other in zip(documented.splitlines(), measured.splitlines(), strict=True):
        same(one.strip("| ").split(" | "), other.strip("| ").split(" | "))


def test_the_command_prints_and_writes_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_TABLES", {"latency": lambda: "| new |"})
    file = tmp_path / "page.md"
    file.write_text("before\n<!-- latency:begin -->\nold\n<!-- latency:end -->\nafter\n")
    assert command.main(["docs", str(file)]) == 0
    assert file.read_text() == "before\n<!-- latency:begin -->\n| new |\n<!-- latency:end -->\nafter\n"
    assert command.main(["latency"]) == 0
    assert capsys.readouterr().out == "| new |\n"
    with pytest.raises(SettingsRefused, match=r"no place for the table latency\. Next: put"):
        command.replace_table("nothing", "latency", "")
    assert command.main(["accuracy", "square"]) == 64
    assert "shape is 'square'. Next: choose one of plan" in capsys.readouterr().err


def test_every_metric_of_the_page_exists_and_the_other_way_round() -> None:
    gauges = PredictionGauges()
    gauges._clock = type("Now", (), {"now": lambda self: float(MONDAY_S)})()
    gauges.show(prediction([1.0] * 12))
    gauges.failed(SettingsRefused("x", next_step="y"))
    made = {sample.name for family in gauges.collect() for sample in family.samples}
    named = set(re.findall(r"`(lambda_inference_predict[a-z_]+)", TEXT))
    assert named == made
