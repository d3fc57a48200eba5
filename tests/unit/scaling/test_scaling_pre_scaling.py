"""Decisions: early enough, within every limit, never on stale data, and one intent for one need."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import ceil
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.scaling.capacity import Capacity, LeadTime, lead_time_of
from sophia_infra.scaling.errors import SettingsRefused
from sophia_infra.scaling.fleet import FleetView
from sophia_infra.scaling.pre_scaling import decide
from tests.unit.scaling.loads import MONDAY_S, STEP_S, prediction, settings

NOW_S = float(MONDAY_S)


def view(ready: int = 2, coming: int = 0, **fields: Any) -> FleetView:
    return replace(FleetView(NOW_S, ready, coming), **fields)


def test_a_rise_is_met_as_soon_as_a_node_can_be_too_late_and_not_before() -> None:
    """A node takes 20 minutes, decisions are made each minute: the step at 25 minutes waits, at 20 not."""
    for step, action in ((4, "launch"), (5, "none")):
        rise = prediction([15.0] * step + [95.0] * (12 - step), last=15.0)
        decision = decide(rise, view(2), settings(), NOW_S)
        assert decision.action == action
        assert decision.count == (8 if action == "launch" else 0)
    assert decision.reason == "2 nodes are there or coming, and needed within the hour"


def test_a_launch_says_why_what_and_how_much_more_it_costs() -> None:
    decision = decide(prediction([95.0] * 12, last=15.0), view(2, 1), settings(), NOW_S)
    assert (decision.needed_nodes, decision.wanted_nodes, decision.counted_on) == (10, 10, 3)
    assert decision.usd_per_hour == Decimal("14.00")
    assert decision.wanted_replicas == 10
    assert decision.reason == (
        "10 nodes are needed within 20 min, the time a node takes; 3 are there or coming"
    )


def test_what_is_measured_now_counts_even_if_nobody_predicted_it() -> None:
    decision = decide(prediction([5.0] * 12, last=41.0), view(2), settings(), NOW_S)
    assert (decision.action, decision.count) == ("launch", 3)


def test_nodes_stay_while_any_step_of_the_hour_needs_them() -> None:
    last_step = prediction(lambda at: 95.0 if at == 11 else 15.0, last=15.0)
    assert decide(last_step, view(10), settings(), NOW_S).action == "none"
    decision = decide(prediction([15.0] * 12, last=15.0), view(10), settings(), NOW_S)
    assert (decision.action, decision.count, decision.wanted_nodes) == ("release", 8, 2)
    assert decision.usd_per_hour == Decimal("-16.00")


def test_cool_down_after_a_launch_or_a_release() -> None:
    quiet = prediction([15.0] * 12, last=15.0)
    for field in ("last_launch_s", "last_release_s"):

        def changed(ago_s: float, field: str = field) -> dict[str, Any]:
            return {field: NOW_S - ago_s}

        young = view(10, **changed(1799.0))
        decision = decide(quiet, young, settings(), NOW_S)
        assert (decision.action, decision.reason[:16]) == ("none", "8 nodes too many")
        assert decide(quiet, view(10, **changed(1800.0)), settings(), NOW_S).action == "release"


def test_a_launch_does_not_wait_for_a_cool_down() -> None:
    fleet = view(2, last_launch_s=NOW_S - 1.0, last_release_s=NOW_S - 1.0)
    assert decide(prediction([95.0] * 12), fleet, settings(), NOW_S).action == "launch"


@pytest.mark.parametrize(
    ("fields", "now_s", "said"),
    [
        ({"measured_until_s": NOW_S - 901}, NOW_S, "the load was last measured 15 min ago"),
        ({"made_at_s": NOW_S - 1500}, NOW_S, "the prediction is 25 min old"),
        ({}, NOW_S + 1000, "the load was last measured 17 min ago"),
    ],
)
@pytest.mark.parametrize(("load", "ready"), [(95.0, 2), (5.0, 50)])
def test_stale_data_decides_nothing(
    fields: dict[str, Any], now_s: float, said: str, load: float, ready: int
) -> None:
    stale = prediction([load] * 12, last=load, **fields)
    decision = decide(stale, view(ready), settings(), now_s)
    assert (decision.action, decision.count) == ("none", 0)
    assert decision.reason.startswith(said)


@pytest.mark.parametrize(
    ("limit", "fleet", "name"),
    [
        ({"max_nodes": 5}, {}, "ceiling"),
        ({"quota_instances": 12}, {"other_instances": 7}, "quota"),
        ({"budget_usd_per_hour": Decimal("15.99")}, {"other_usd_per_hour": Decimal("5.00")}, "budget"),
    ],
)
def test_each_limit_binds_and_is_named(limit: dict[str, Any], fleet: dict[str, Any], name: str) -> None:
    decision = decide(prediction([95.0] * 12), view(2, **fleet), settings(**limit), NOW_S)
    assert (decision.action, decision.count, decision.limited_by) == ("launch", 3, (name,))
    at_it = decide(prediction([95.0] * 12), view(5, **fleet), settings(**limit), NOW_S)
    assert (at_it.action, at_it.limited_by) == ("none", (name,))
    assert at_it.reason == f"10 nodes are needed, but {name} allows no more than 5"


def test_nodes_that_leave_are_still_billed_and_count_against_limits() -> None:
    decision = decide(prediction([95.0] * 12), view(2, leaving=2), settings(max_nodes=6), NOW_S)
    assert (decision.action, decision.count) == ("launch", 2)


def test_a_fleet_over_its_limit_is_left_alone() -> None:
    decision = decide(prediction([95.0] * 12), view(9), settings(max_nodes=5), NOW_S)
    assert (decision.action, decision.wanted_nodes) == ("none", 9)


def test_never_below_what_is_always_on_and_never_a_node_that_still_boots() -> None:
    idle = prediction([0.0] * 12)
    decision = decide(idle, view(10), settings(min_nodes=3, warm_spare=0), NOW_S)
    assert (decision.action, decision.count) == ("release", 7)
    assert decide(idle, view(1, 9), settings(), NOW_S).count == 1
    assert decide(idle, view(0, 9), settings(), NOW_S).action == "none"


def test_a_warm_spare_is_kept_beyond_the_need() -> None:
    decision = decide(prediction([15.0] * 12), view(1), settings(warm_spare=2), NOW_S)
    assert (decision.needed_nodes, decision.count) == (4, 3)


def test_an_intent_is_the_same_until_the_fleet_changes() -> None:
    first = decide(prediction([45.0] * 12), view(2), settings(), NOW_S)
    looked_again = view(2, seen_at_s=NOW_S + 120)
    later = decide(prediction([85.0] * 12, now_s=NOW_S + 120), looked_again, settings(), NOW_S + 120)
    assert (first.count, later.count) == (3, 7)
    assert first.intent == later.intent
    seen = view(2, 3, last_launch_s=NOW_S)
    after = decide(prediction([85.0] * 12, now_s=NOW_S + 240), seen, settings(), NOW_S + 240)
    assert after.intent != first.intent
    assert decide(prediction([0.0] * 12), view(5), settings(), NOW_S).intent != first.intent


LOADS = st.lists(st.floats(0, 2000), min_size=12, max_size=12)


@given(
    loads=LOADS,
    last=st.floats(0, 2000),
    ready=st.integers(0, 120),
    coming=st.integers(0, 40),
    leaving=st.integers(0, 10),
    ceiling=st.integers(1, 100),
    quota=st.none() | st.integers(0, 150),
    budget=st.none() | st.integers(1, 400).map(Decimal),
    spare=st.integers(0, 3),
    since=st.none() | st.floats(0, 4000),
)
def test_invariants(
    loads: list[float],
    last: float,
    ready: int,
    coming: int,
    leaving: int,
    ceiling: int,
    quota: int | None,
    budget: Decimal | None,
    spare: int,
    since: float | None,
) -> None:
    limits = settings(max_nodes=ceiling, quota_instances=quota, budget_usd_per_hour=budget, warm_spare=spare)
    changed_s = None if since is None else NOW_S - since
    fleet = view(ready, coming, leaving=leaving, last_release_s=changed_s)
    decision = decide(prediction(loads, last=last), fleet, limits, NOW_S)
    assert decision.wanted_nodes >= 0
    assert (decision.action == "none") == (decision.count == 0)
    need = ceil(max(last, *loads[:5]) / 10 - 1e-9) + spare
    if decision.action == "launch":
        billed = decision.wanted_nodes + leaving
        assert billed <= ceiling
        assert quota is None or billed <= quota
        assert budget is None or billed * limits.usd_per_hour <= budget
        assert decision.wanted_nodes <= max(need, limits.min_nodes)
    if decision.action == "release":
        assert decision.count <= ready
        assert decision.wanted_nodes >= max(1, ceil(max(last, *loads) / 10 - 1e-9))
        assert since is None or since >= limits.cool_down_s - 1e-6
    if not decision.limited_by and decision.action != "release":
        assert decision.wanted_nodes >= need


@given(
    walk=st.lists(st.floats(-60, 60), min_size=30, max_size=80),
    lead_s=st.sampled_from([240, 600, 1500]),
    boots=st.randoms(use_true_random=False),
)
def test_with_an_exact_forecast_no_step_is_ever_short(walk: list[float], lead_s: int, boots: Random) -> None:
    """Whatever the load does: nodes are ready before it, since each boots within the planned lead time."""
    loads = np.abs(np.cumsum([100.0, *walk])).tolist()
    loads += [loads[-1]] * 12
    limits = settings(lead=LeadTime(60.0, float(lead_s)), every_s=60.0, max_nodes=10_000)
    ready = ceil(max(loads[:12]) / 10)
    coming: list[float] = []
    last_launch_s = last_release_s = None
    for minute in range((len(loads) - 12) * 5):
        now_s = NOW_S + 60.0 * minute
        ready += len([at_s for at_s in coming if at_s <= now_s])
        coming = [at_s for at_s in coming if at_s > now_s]
        step = minute // 5
        assert ready * 10 >= loads[step] - 1e-6
        told = prediction(
            loads[step : step + 12],
            now_s=now_s,
            start_s=int(NOW_S) + step * STEP_S,
            last=loads[max(0, step - 1)],
        )
        fleet = FleetView(
            now_s, ready, len(coming), last_launch_s=last_launch_s, last_release_s=last_release_s
        )
        decision = decide(told, fleet, limits, now_s)
        if decision.action == "launch":
            coming += [now_s + boots.uniform(60.0, lead_s) for _ in range(decision.count)]
            last_launch_s = now_s
        elif decision.action == "release":
            ready -= decision.count
            last_release_s = now_s


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"max_nodes": 0}, "max_nodes is 0. Next: choose a number at least 1"),
        ({"min_nodes": -1}, "min_nodes is -1"),
        ({"usd_per_hour": Decimal(0)}, "usd_per_hour is 0. Next: choose a number above 0"),
        ({"level": 1.0}, "level is 1.0"),
        ({"every_s": float("nan")}, "every_s is nan"),
        ({"cool_down_s": float("nan")}, "cool_down_s is nan"),
    ],
)
def test_settings_that_cannot_be_are_refused(fields: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        settings(**fields)
    assert said in str(refused.value)


def test_capacity_is_whole_nodes_at_the_target() -> None:
    capacity = Capacity(per_replica=2.0, target_ratio=0.75, replicas_per_node=4)
    assert [capacity.replicas_for(load) for load in (0, 0.1, 1.5, 1.6, 6.0)] == [0, 1, 1, 2, 4]
    assert [capacity.nodes_for(load) for load in (0, 6.0, 6.1)] == [0, 1, 2]
    assert capacity.per_node == 8.0
    for bad in (-1.0, float("nan"), float("inf")):
        with pytest.raises(SettingsRefused, match="give a number of at least 0"):
            capacity.nodes_for(bad)
    for per_replica, target, per_node in ((0.0, 0.7, 1), (1.0, 1.1, 1), (1.0, 0.7, 0)):
        with pytest.raises(SettingsRefused, match="Next: "):
            Capacity(per_replica, target, per_node)


@pytest.mark.parametrize(
    ("instance_type", "shortest_s", "longest_s"),
    [("gpu_1x_a10", 180, 360), ("gpu_2x_a6000", 300, 600), ("gpu_8x_h100_sxm5", 600, 1500)],
)
def test_lead_times_follow_the_number_of_gpus(instance_type: str, shortest_s: int, longest_s: int) -> None:
    lead = lead_time_of(instance_type, join_s=300.0)
    assert (lead.shortest_s, lead.longest_s) == (shortest_s + 300, longest_s + 300)
    assert lead.quantile_s(0.0) <= lead.quantile_s(0.5) <= lead.quantile_s(1.0) == lead.longest_s
    with pytest.raises(SettingsRefused, match="in this order"):
        LeadTime(5.0, 4.0)
