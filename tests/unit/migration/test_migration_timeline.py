"""The plan's 42 days on the calendar: contiguous, dated, drawn; impossible dates are refused."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.migration.errors import PlanRefused
from sophia_infra.migration.gantt import gantt_svg
from sophia_infra.migration.timeline import DAYS, ENTRIES, PHASE_DAYS, parse_start, schedule

START = date(2026, 11, 30)


def test_the_activities_cover_42_days_without_gap_or_overlap() -> None:
    activities = [entry for entry in ENTRIES if entry.phase]
    assert [entry.entry_id for entry in activities] == [f"T{number}" for number in range(1, 14)]
    assert activities[0].days[0] == 1
    assert activities[-1].days[1] == DAYS
    assert all(later.days[0] == earlier.days[1] + 1 for earlier, later in pairwise(activities))
    for phase, days in PHASE_DAYS.items():
        of_phase = [entry.days for entry in activities if entry.phase == phase]
        assert (of_phase[0][0], of_phase[-1][1]) == days


def test_all_twelve_windows_are_there() -> None:
    assert {entry.entry_id for entry in ENTRIES if not entry.phase} == {f"N{n}" for n in range(1, 13)}


def test_each_row_has_its_dates_and_week() -> None:
    rows = {row.entry.entry_id: row for row in schedule(START)}
    assert (rows["T1"].first, rows["T1"].last, rows["T1"].week) == (START, date(2026, 12, 1), 1)
    assert (rows["T13"].last, rows["T13"].week) == (date(2027, 1, 10), 6)
    assert (rows["N9"].first, rows["N9"].week) == (date(2026, 11, 29), 0)


@given(st.dates(min_value=date(2020, 1, 1), max_value=date(9990, 1, 1)))
def test_for_every_start_the_rows_are_in_order_and_last_42_days(start: date) -> None:
    rows = schedule(start)
    assert [row.first for row in rows] == sorted(row.first for row in rows)
    assert all(row.first <= row.last for row in rows)
    assert max(row.last for row in rows) - start == timedelta(days=DAYS - 1)


@pytest.mark.parametrize("text", ["2026-02-30", "tomorrow", "", "2026-13-01", "9999-12-30", "0001-01-01"])
def test_an_impossible_date_is_refused(text: str) -> None:
    with pytest.raises(PlanRefused, match="Next:"):
        parse_start(text, date(1, 1, 1))


def test_a_start_that_is_over_is_refused_unless_the_plan_runs() -> None:
    with pytest.raises(PlanRefused, match="is over: today is 2026-11-30"):
        parse_start("2026-11-29", START)
    assert parse_start("2026-11-29", START, past_too=True) == date(2026, 11, 29)
    assert parse_start("2026-11-30", START) == START


def test_the_picture_is_valid_svg_with_a_bar_and_dates_for_each_row() -> None:
    rows = schedule(START)
    root = ElementTree.fromstring(gantt_svg(rows, "A & B <plan>"))  # noqa: S314 - our own text
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    tips = [tip.text for tip in root.iterfind(".//{*}rect/{*}title")]
    assert len(tips) == len(rows)
    assert "T1 Inference API over the fleet's own GPUs: 2026-11-30 to 2026-12-01" in tips
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for bar in root.iterfind(".//{*}rect"):
        assert float(bar.get("x", 0)) + float(bar.get("width", 0)) <= width
        assert float(bar.get("y", 0)) + float(bar.get("height", 0)) <= height
