"""A baseline: captured, read back, compared; what is unknown stays unknown and never becomes 0."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sophia_infra.reports.figures import known, unknown
from sophia_infra.validation.baseline import capture, read_baseline
from sophia_infra.validation.comparison import compare
from sophia_infra.validation.errors import BaselineRefused
from sophia_infra.validation.world import World
from tests.unit.reports.figures import NOW_S

from .worlds import a_fleet, a_watched_snapshot, a_world, an_update


def before() -> World:
    """Slow, half idle, deployed in eight minutes."""
    made = a_watched_snapshot()
    inference = replace(made.inference, p95_s=known(1.0, "Prometheus", NOW_S))
    return a_world(
        snapshot=replace(made, inference=inference),
        updates=known((an_update(duration_s=480),), "history", NOW_S),
    )


def test_a_baseline_is_compared_with_the_targets_of_the_plan() -> None:
    comparison = compare(capture(before()), capture(a_world()))
    rows = {row.id or row.name: row for row in comparison.rows}
    assert (rows["P2"].before, rows["P2"].now, rows["P2"].change, rows["P2"].reached) == (
        "480 s",
        "40 s",
        "-91.7 %",
        "yes",
    )
    assert (rows["P6"].before, rows["P6"].now, rows["P6"].reached) == ("1,000 ms", "120 ms", "yes")
    assert (rows["P5"].now, rows["P5"].reached) == ("85 %", "yes")
    assert (rows["$5"].now, rows["$5"].reached) == ("$5,292.00", "no")


def test_what_nobody_measured_is_unknown_on_both_sides() -> None:
    rows = {row.id: row for row in compare(capture(before()), capture(a_world())).rows}
    for name in ("P1", "P3", "P8"):
        assert {rows[name].before, rows[name].now, rows[name].change, rows[name].reached} == {"unknown"}
        assert rows[name].missing


def test_a_fleet_that_does_not_run_is_no_saving() -> None:
    fleet = known(a_fleet(**{"sophia-ai-core": "absent"}), "list", NOW_S)
    now = a_world(snapshot=a_watched_snapshot(fleet=fleet))
    rows = {row.id: row for row in compare(capture(a_world()), capture(now)).rows}
    assert (rows["$5"].now, rows["$5"].reached) == ("unknown", "unknown")
    assert "sophia-ai-core absent" in rows["$5"].missing


def test_a_baseline_comes_back_as_it_was_written(tmp_path: Path) -> None:
    found = capture(a_world(inference_month_usd=unknown("no gateway ran")))
    file = tmp_path / "baseline.json"
    file.write_text(json.dumps(found.as_json()))
    assert read_baseline(file, "local") == found
    assert found.values["inference_usd"].value is None
    assert json.loads(file.read_text())["figures"]["inference_usd"]["missing"] == "no gateway ran"


def damaged(key: str, value: object) -> str:
    return json.dumps({**capture(a_world()).as_json(), key: value})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no baseline, or was damaged"),
        ("[]", "no baseline, or was damaged"),
        (damaged("figures", None), "no baseline, or was damaged"),
        (damaged("figures", {"deploy_s": {"value": "NaN", "source": "", "missing": None}}), "damaged"),
        (damaged("format", 2), "is of form 2, this program knows 1"),
        (damaged("stack", "production"), "is of stack production, not of local"),
    ],
)
def test_a_file_that_is_no_baseline_of_this_stack_is_refused(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(text)
    with pytest.raises(BaselineRefused, match=says):
        read_baseline(file, "local")


def test_a_baseline_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BaselineRefused, match="sophia baseline capture"):
        read_baseline(tmp_path / "none.json", "local")
