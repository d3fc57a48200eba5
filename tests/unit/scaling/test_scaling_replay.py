"""The replay on the emulator: the bill is its bill, the same every time, and a forecast pays for itself."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import cache

import numpy as np
import pytest

from sophia_infra.model.clock import VirtualClock
from sophia_infra.model.price_book import PriceBook
from sophia_infra.scaling.emulated_fleet import EmulatedFleet
from sophia_infra.scaling.errors import SettingsRefused
from sophia_infra.scaling.replay import PolicyName, Replay, ReplayResult, replay
from sophia_infra.scaling.replay_policies import TraceSource
from tests.unit.scaling.loads import trace

WEEK = Replay(weeks=1, peak_per_s=8.0, seed=5)
"""One week after six: a quarter of what the table in docs/scaling.md replays, at a smaller load."""


@cache
def result(policy: PolicyName, settings: Replay = WEEK) -> ReplayResult:
    return replay(settings, policy)


def test_a_fixed_fleet_costs_its_price_times_the_hours() -> None:
    peak, average = result("fixed at peak"), result("fixed at average")
    for one in (peak, average):
        price = PriceBook.fallback().get(WEEK.instance_type)
        assert one.node_hours == pytest.approx(one.most_nodes * 168)
        assert float(one.usd) == pytest.approx(float(one.most_nodes * 168 * price), rel=1e-6)
        assert one.launches == one.refused == 0
    assert peak.missed_minutes == 0
    assert average.missed_minutes > 1000
    assert average.p95_wait_s > 3600
    assert peak.calls == average.calls


def test_a_forecast_is_there_before_the_load_for_nearly_the_same_money() -> None:
    peak, reactive, predictive = result("fixed at peak"), result("reactive"), result("predictive")
    assert predictive.usd < peak.usd * Decimal("0.45")
    assert predictive.usd < reactive.usd * Decimal("1.06")
    assert predictive.missed_minutes <= reactive.missed_minutes / 3
    assert predictive.slow_share < reactive.slow_share / 1.5
    assert predictive.p99_wait_s < reactive.p99_wait_s
    assert predictive.unserved == 0


def test_a_spare_buys_the_same_for_more() -> None:
    spare, predictive = result("reactive + spare"), result("predictive")
    assert spare.usd > predictive.usd * Decimal("1.15")


def test_the_same_settings_give_the_same_result() -> None:
    assert replay(WEEK, "reactive") == result("reactive")
    assert replay(replace(WEEK, seed=6), "reactive") != result("reactive")


def test_dry_spells_and_unhealthy_boots_are_refused_and_replaced() -> None:
    hard = replace(WEEK, dry_spells_per_week=30.0, unhealthy_share=0.3)
    troubled = result("reactive", hard)
    assert troubled.refused > 0
    assert troubled.launches > result("reactive").launches * 1.2
    assert troubled.missed_minutes > result("reactive").missed_minutes


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(SettingsRefused, match=r"policy is 'magic'\. Next: choose one of fixed at peak"):
        replay(WEEK, "magic")  # type: ignore[arg-type]


def test_a_policy_reads_no_step_that_is_not_over() -> None:
    load = trace("plan", 1).true
    source = TraceSource(load, VirtualClock(float(load.start_s + 3700)))
    read = source.read(load.start_s, load.end_s, 300).values
    assert np.flatnonzero(~np.isnan(read)).tolist() == list(range(12))
    np.testing.assert_array_equal(read[:12], load.values[:12])
    coarse = source.read(load.start_s, load.start_s + 7200, 3600).values
    assert (coarse[0], np.isnan(coarse[1])) == (pytest.approx(load.values[:12].mean()), True)


def fleet(**fields: float) -> tuple[EmulatedFleet, VirtualClock]:
    clock = VirtualClock()
    made = EmulatedFleet(
        clock,
        instance_type="gpu_1x_a10",
        region="us-west-1",
        join_s=fields.pop("join_s", 300.0),
        drain_s=fields.pop("drain_s", 120.0),
        **fields,  # type: ignore[arg-type]
    )
    return made, clock


def test_a_node_boots_joins_serves_drains_and_ends() -> None:
    nodes, clock = fleet()
    assert nodes.launch(1, intent="a") == 1
    begun_s = clock.now()
    while not nodes.ready:
        assert nodes.look().coming == 1
        nodes.tick(60)
    assert clock.now() - begun_s == 540
    assert nodes.release(5, intent="b") == 1
    view = nodes.look()
    assert (view.ready, view.leaving, view.last_release_s) == (0, 1, clock.now())
    nodes.tick(120)
    nodes.tick(60)
    assert nodes.look().counted_on + nodes.look().leaving == 0
    assert nodes.node_hours * 3600 == pytest.approx(540 + 120 + 30)
    assert nodes.usd == Decimal("0.258000")
    """12 started minutes at 1.29 an hour."""


def test_the_same_intent_launches_once_and_more_of_it_only_the_rest() -> None:
    nodes, _ = fleet()
    launched = 0
    for _ in range(6):
        launched += nodes.launch(2, intent="a")
        nodes.tick(12)
    assert (launched, nodes.look().coming) == (2, 2)
    assert nodes.launch(3, intent="a") == 1
    assert nodes.look().coming == 3


def test_launches_keep_the_pace_of_the_service_and_capacity_is_its_own() -> None:
    nodes, _ = fleet()
    assert nodes.launch(10, intent="a") == 1
    nodes.tick(60)
    nodes.set_room(nodes.look().counted_on)
    assert nodes.launch(10, intent="b") == 0
    assert (nodes.refused, nodes.launches) == (1, 1)


def test_a_node_that_comes_up_unhealthy_is_ended_and_paid_for() -> None:
    nodes, _ = fleet(unhealthy_share=1.0)
    nodes.launch(1, intent="a")
    for _ in range(6):
        nodes.tick(60)
    assert nodes.look().counted_on == 0
    assert nodes.usd > 0
