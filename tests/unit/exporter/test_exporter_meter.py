"""Counters never fall, months turn in UTC, and what nobody watched is not called complete."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.cost.spending import RunningMachine, spent_this_month
from sophia_infra.exporter.machines import Machine
from sophia_infra.exporter.meter import GAP_S, Meter
from sophia_infra.exporter.months import month_end_s, month_start_s
from sophia_infra.model.clock import VirtualClock
from tests.unit.exporter.conftest import MakeStage
from tests.unit.exporter.core import CORE, NOW_S
from tests.unit.exporter.stage import OWNERS, Stage

OCTOBER_S = datetime(2026, 10, 1, tzinfo=UTC).timestamp()
RATE = Decimal("2.29")
DEAREST = Decimal("5.00")
COST = "lambda_cloud_instance_cost_usd_total"
SPENT = "lambda_cloud_month_spent_usd"


def usd(meter: Meter) -> Decimal:
    return meter.cost_usd(CORE.instance_id)


def watch(
    meter: Meter, machines: tuple[Machine, ...], from_s: float, to_s: float, every_s: float = 300
) -> None:
    """Look every `every_s` seconds, and at the end."""
    at_s = from_s
    while at_s < to_s:
        meter.see(machines, at_s)
        at_s += every_s
    meter.see(machines, to_s)


def test_the_first_moment_of_a_month_is_in_utc() -> None:
    assert month_start_s(NOW_S) == datetime(2026, 9, 1, tzinfo=UTC).timestamp()
    assert month_end_s(NOW_S) == OCTOBER_S
    assert month_start_s(OCTOBER_S) == OCTOBER_S
    assert month_start_s(OCTOBER_S - 0.001) == month_start_s(NOW_S)
    assert (
        month_end_s(datetime(2026, 12, 31, 23, tzinfo=UTC).timestamp())
        == datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    )


def test_a_started_minute_is_a_minute() -> None:
    meter = Meter()
    for seconds, minutes in ((0, 0), (1, 1), (60, 1), (61, 2), (3_600, 60)):
        meter.see([CORE], NOW_S + seconds)
        assert usd(meter) == RATE * minutes / 60


def test_a_launch_that_lies_ahead_costs_nothing_yet() -> None:
    meter = Meter()
    meter.see([replace(CORE, launched_at_s=int(NOW_S) + 600)], NOW_S)
    assert usd(meter) == 0
    meter.see([replace(CORE, launched_at_s=int(NOW_S) + 600)], NOW_S + 660)
    assert usd(meter) == RATE / 60


def test_a_clock_that_is_set_back_takes_nothing_away() -> None:
    meter = Meter()
    meter.see([CORE], NOW_S + 3_600)
    meter.see([CORE], NOW_S - 86_400 * 40)
    assert usd(meter) == RATE
    assert meter.month_usd()["stack"] == RATE
    meter.see([CORE], NOW_S + 3_660)
    assert usd(meter) == RATE * 61 / 60


def test_a_machine_that_vanishes_from_a_list_and_comes_back_was_there_all_the_time() -> None:
    meter = Meter()
    untagged = replace(CORE, launched_at_s=None, owner="unknown")
    watch(meter, (untagged,), NOW_S, NOW_S + 3_600)
    meter.see([], NOW_S + 3_630)
    assert usd(meter) == RATE * 61 / 60
    meter.see([], NOW_S + 3_900)
    assert usd(meter) == RATE * 61 / 60
    meter.see([untagged], NOW_S + 4_200)
    assert usd(meter) == RATE * 70 / 60
    assert meter.month_usd()["unknown"] == RATE * 70 / 60
    meter.pass_time(NOW_S + 4_500)  # it is billed again, also while nobody answers
    assert usd(meter) == RATE * 75 / 60


def test_a_machine_that_came_and_went_between_two_lists_is_billed_where_it_is_still_shown() -> None:
    meter = Meter()
    ended = replace(CORE, status="terminated", launched_at_s=int(NOW_S) + 40)
    meter.see([], NOW_S)
    meter.see([ended], NOW_S + 100)
    assert usd(meter) == RATE / 60
    meter.see([ended], NOW_S + 700)
    assert usd(meter) == RATE / 60


@pytest.mark.parametrize("launched_at_s", [None, int(NOW_S) - 86_400])
def test_what_had_ended_before_anybody_looked_is_not_guessed(launched_at_s: int | None) -> None:
    for meter in (Meter(), _that_watched_nothing()):
        meter.see([replace(CORE, status="terminated", launched_at_s=launched_at_s)], NOW_S)
        meter.see([], NOW_S + 60)
        assert usd(meter) == 0


def _that_watched_nothing() -> Meter:
    meter = Meter()
    meter.see([], NOW_S - 30)
    return meter


def test_a_month_is_complete_once_it_was_watched_from_its_first_moment() -> None:
    meter, told = Meter(), []
    watch(meter, (), NOW_S, OCTOBER_S - 1)
    told.append(meter.is_complete)  # nobody knows what ran before the 21st
    watch(meter, (), OCTOBER_S, OCTOBER_S + 86_400)
    told.append(meter.is_complete)
    meter.see((), OCTOBER_S + 86_400 + GAP_S)
    told.append(meter.is_complete)
    meter.see((), OCTOBER_S + 86_400 + 2 * GAP_S + 1)
    told.append(meter.is_complete)  # a machine may have come and gone unseen
    assert told == [False, True, True, False]


def test_a_month_begins_anew_for_what_goes_on_and_forgets_what_has_ended() -> None:
    meter = Meter()
    brief = replace(CORE, instance_id="b" * 32, owner="orphan")
    watch(meter, (CORE, brief), OCTOBER_S - 7_200, OCTOBER_S - 3_600)
    watch(meter, (CORE,), OCTOBER_S - 3_570, OCTOBER_S)
    assert meter.month_usd() == {**dict.fromkeys(OWNERS, 0), "stack": 0, "orphan": 0}
    meter.see([CORE], OCTOBER_S + 3_600)
    assert meter.month_usd()["stack"] == RATE
    assert usd(meter) == RATE * -(-int(OCTOBER_S + 3_600 - NOW_S) // 60) / 60
    assert brief.instance_id in meter.dump()["machines"]
    meter.see([CORE], OCTOBER_S + 86_400)
    assert brief.instance_id not in meter.dump()["machines"]


def test_time_that_nobody_watched_is_not_billed_to_what_is_gone() -> None:
    meter = Meter()
    gone = replace(CORE, instance_id="b" * 32)
    watch(meter, (CORE, gone), NOW_S, NOW_S + 3_600)
    again = Meter.load(json.loads(json.dumps(meter.dump())))
    again.pass_time(NOW_S + 7_200)  # the API does not answer yet: nothing is known, nothing is counted
    assert usd(again) == RATE
    again.see([CORE], NOW_S + 86_400)
    assert usd(again) == RATE * 24
    assert again.cost_usd(gone.instance_id) == RATE
    assert not again.is_complete


def test_a_short_restart_is_no_gap() -> None:
    meter = Meter()
    watch(meter, (CORE,), OCTOBER_S, OCTOBER_S + 3_600)
    again = Meter.load(json.loads(json.dumps(meter.dump())))
    again.see([], OCTOBER_S + 3_660)
    assert again.is_complete
    assert again.month_usd()["stack"] == RATE * 61 / 60


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"machines": []},
        {"month_s": "september"},
        {"month_s": -1},
        {"seen_at_s": True},
        {"seen_at_s": float("nan")},
        {"machines": {"a": {}}},
        {"machines": {"a": {"owner": "nobody"}}},
    ],
)
def test_what_is_no_dump_is_refused(broken: Mapping[str, Any]) -> None:
    meter = Meter()
    meter.see([CORE], NOW_S)
    document = {**meter.dump(), **broken} if broken else {}
    with pytest.raises((ValueError, TypeError, KeyError)):
        Meter.load(document)


LOOKS = st.lists(
    st.tuples(
        st.one_of(st.integers(-7_200, 7_200), st.integers(0, 90), st.integers(0, 40 * 86_400)),
        st.sampled_from(["there", "there", "away", "no answer", "terminated", "restart"]),
        st.sampled_from([229, 229, 100, 0, 500]),
    ),
    max_size=40,
)


@given(LOOKS, st.sampled_from([None, int(NOW_S), int(NOW_S) + 5_000, int(NOW_S) - 86_400 * 60]))
def test_no_counter_ever_falls(looks: list[tuple[int, str, int]], launched_at_s: int | None) -> None:
    meter, now_s, last = Meter(), NOW_S, Decimal(0)
    for look, (seconds, what, cents) in enumerate(looks, start=1):
        now_s += seconds
        seen = replace(CORE, launched_at_s=launched_at_s, cents_per_hour=cents)
        if what == "no answer":
            meter.pass_time(now_s)
        elif what == "restart":
            meter = Meter.load(json.loads(json.dumps(meter.dump())))
        else:
            shown = {"there": [seen], "away": [], "terminated": [replace(seen, status="terminated")]}[what]
            meter.see(shown, now_s)
        # A machine that is gone since before this month is forgotten, and would be another one.
        is_known = CORE.instance_id in meter.dump()["machines"]
        cost = usd(meter) if is_known else Decimal(0)
        assert cost >= last or not is_known
        last = cost
        # The minutes of a month begin with the month, those of a machine with its launch: at each change of
        # the price, one minute may be of the old price here and of the new one there.
        assert 0 <= meter.month_usd()["stack"] <= cost + DEAREST * look / 60


@given(
    st.integers(int(NOW_S) - 86_400 * 60, int(NOW_S) + 86_400),
    st.lists(st.integers(1, 86_400 * 20), min_size=1, max_size=5),
)
def test_the_month_is_the_same_sum_as_that_of_the_cost_report(launched_at_s: int, waits: list[int]) -> None:
    meter, now_s = Meter(), NOW_S
    for seconds in waits:
        now_s += seconds
        meter.see([replace(CORE, launched_at_s=launched_at_s)], now_s)
    told = spent_this_month([RunningMachine("core", RATE, launched_at_s)], now_s)
    assert meter.month_usd()["stack"].quantize(Decimal("0.01")) == told.usd


def test_a_month_that_turns_while_the_exporter_looks_on(make_stage: MakeStage) -> None:
    stage = make_stage()
    core = stage.launch("core")
    stage.advance(OCTOBER_S - 3_600 - stage.clock.now())
    stage.pass_time(3_600 - 30)
    shown = stage.show()
    before_usd = shown.by_owner(SPENT)["stack"]
    assert round(before_usd, 6) == float(stage.billed_usd(core))
    assert shown.one("lambda_cloud_month_spent_complete") == 0
    forecast_usd = shown.by_owner("lambda_cloud_month_forecast_usd")["stack"]
    assert forecast_usd == pytest.approx(before_usd + 2.29 * 30 / 3_600)
    stage.pass_time(30)
    shown = stage.show()
    assert shown.by_owner(SPENT)["stack"] == 0
    assert shown.by_owner("lambda_cloud_month_forecast_usd")["stack"] == pytest.approx(2.29 * 31 * 24)
    assert round(shown.one(COST), 6) == float(stage.billed_usd(core))
    stage.pass_time(3_600)
    shown = stage.show()
    assert shown.by_owner(SPENT)["stack"] == pytest.approx(2.29)
    assert shown.one("lambda_cloud_month_spent_complete") == 1


@pytest.mark.parametrize("ahead_s", [7_200, -7_200])
def test_a_clock_that_is_wrong_is_shown_and_makes_no_negative_dollar(stage: Stage, ahead_s: int) -> None:
    core = stage.launch("core", launched_at_s=stage.clock.now() + ahead_s)
    stage.pass_time(60)
    shown = stage.show()
    if ahead_s > 0:  # launched by a clock that is ahead of ours
        assert shown.one("lambda_cloud_instance_age_seconds", instance_id=core) == 0
        assert shown.one(COST) == 0
    else:
        assert shown.one("lambda_cloud_instance_age_seconds", instance_id=core) == 7_260
        assert shown.one(COST) == pytest.approx(2.29 * 121 / 60)
    assert shown.one("lambda_cloud_clock_skew_seconds") == 0


@pytest.mark.parametrize("ahead_s", [90.0, -90.0])
def test_the_skew_is_ours_minus_the_services(make_stage: MakeStage, ahead_s: float) -> None:
    stage = make_stage(clock=VirtualClock(NOW_S + ahead_s))
    assert stage.show().find("lambda_cloud_clock_skew_seconds") is None
    stage.launch("core")
    stage.pass_time(600)
    shown = stage.show()
    assert shown.one("lambda_cloud_clock_skew_seconds") == ahead_s
    # Our clock counts; it is off by as much as the clocks are.
    assert shown.one(COST) == pytest.approx(2.29 * (600 + ahead_s + 30) // 60 / 60, abs=2.29 * 2 / 60)
