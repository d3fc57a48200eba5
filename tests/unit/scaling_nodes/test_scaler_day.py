"""A working day of the plan's load, minute by minute, with a forecast: the emulator's account and clock."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from sophia_infra.model.clock import VirtualClock
from sophia_infra.scaling.capacity import Capacity
from sophia_infra.scaling.nodes.demand import DemandSource, LoadDemand, forecast_demand
from sophia_infra.scaling.nodes.scaler import NodeScaler
from sophia_infra.scaling.series import DAY_S, Series, align_down, make_series
from sophia_infra.scaling.traces import make_trace
from tests.summary import SUMMARY_LINE
from tests.unit.scaling_nodes.ground import A10_USD, BILLED, INTERVAL_S, Ground, pool, settings

MAX = 10
BUDGET = A10_USD * 12


class Replayed:
    """A recorded load under another clock: what would be in the future is not measured."""

    def __init__(self, series: Series, clock: VirtualClock, shift_s: float) -> None:
        self._series = series
        self._clock = clock
        self._shift_s = shift_s

    def read(self, start_s: float, end_s: float, step_s: int) -> Series:
        begin, end = align_down(start_s, step_s), align_down(end_s, step_s)
        values = np.full((end - begin) // step_s, np.nan)
        for at in range(len(values)):
            until_s = begin + (at + 1) * step_s
            place = int((begin + at * step_s - self._shift_s - self._series.start_s) // self._series.step_s)
            if until_s <= self._clock.now() and 0 <= place < len(self._series):
                values[at] = self._series.values[place]
        return make_series(begin, step_s, values)

    def load_at(self, at_s: float) -> float:
        place = int((at_s - self._shift_s - self._series.start_s) // self._series.step_s)
        return float(self._series.values[place])


@pytest.mark.slow
def test_a_day_has_nodes_before_its_load_and_gives_them_back(
    ground: Ground, record_property: Callable[[str, object], None]
) -> None:
    """Buys hours of cooperation with the emulator: 1440 looks, a forecast in each; takes seconds."""
    trace = make_trace("plan", seed=1)
    clock = ground.clock
    # A Tuesday in the fifth week, by the clock of the load; the emulator's own clock never runs backwards.
    tuesday_s = datetime(2026, 10, 6, 4, tzinfo=UTC).timestamp()
    shift_s = math.ceil((clock.now() + 3600 - tuesday_s) / (7 * DAY_S)) * 7 * DAY_S
    clock.advance(tuesday_s + shift_s - clock.now() - 1800)
    source = Replayed(trace.true, clock, shift_s)
    per_node = float(np.max(trace.true.values)) / (MAX - 3)
    capacity = Capacity(per_node, target_ratio=0.75)
    # Whole weeks lie between both clocks, so that the office hours stay; the holidays of another year do not.
    one = pool(max=MAX, min=1, lead_s=660.0)
    whole = settings(one, max_instances=MAX, budget_usd_per_hour=BUDGET)
    demand: dict[str, Sequence[DemandSource]] = {
        "gpu": [
            LoadDemand(source, capacity, clock),
            forecast_demand(one, capacity, source, clock, INTERVAL_S),
        ]
    }
    scaler: NodeScaler = ground.scaler(whole, demand)
    ground.run(scaler, 30)
    seen: Counter[str] = Counter()
    short_min = node_min = 0
    nodes = []
    until_s = clock.now() + DAY_S
    next_s = clock.now()
    while clock.now() < until_s:
        report = scaler.look_once()
        for event in report.events:
            seen[event.action] += 1
        assert report.problems == []
        ready, load = len(report.views[0].ready), source.load_at(clock.now())
        for at, name in enumerate(sorted(ground.cluster.nodes)):
            is_busy = at < math.ceil(load / per_node)
            is_open = not ground.cluster.nodes[name]["spec"].get("unschedulable")
            if is_busy and is_open and not ground.cluster.on_node(name):
                ground.cluster.place(f"model-{seen['pods']}", name)
                seen["pods"] += 1
        nodes.append(ready)
        short_min += ready * per_node < load
        billed = [row for row in ground.rows() if row["status"] in BILLED]
        node_min += len(billed)
        assert len(billed) * A10_USD <= BUDGET
        assert len(billed) <= MAX
        names = Counter(row["tags"]["sophia-name"] for row in billed)
        assert max(names.values()) == 1
        next_s += INTERVAL_S
        ground.pass_time(max(0.0, next_s - clock.now()))
    usd = sum((Decimal(row["billed_usd"]) for row in ground.rows()), Decimal(0))
    record_property(
        SUMMARY_LINE,
        f"scaler, a day of the plan's load: {node_min / 60:.0f} node-hours (${usd}), {min(nodes)} to "
        f"{max(nodes)} nodes, {short_min} min short, {seen['launch']} launches, {seen['release']} releases",
    )
    assert min(nodes) <= 2
    assert max(nodes) >= 7
    assert seen["launch"] >= 6
    assert seen["end"] >= 6
    assert short_min == 0
    assert node_min / 60 < 24 * max(nodes) * 0.75
