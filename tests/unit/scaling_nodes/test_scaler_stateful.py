"""Random lives of a scaled stack: loads, deaths, full regions, kills, two scalers, faults; against counts.

The model knows what was asked for and which limits hold. What it checks comes from the emulator's own list,
from the fake cluster, and from a client that watches what is asked to end.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sophia_infra.emulator import Cloud, CloudSettings
from sophia_infra.emulator.errors import InvalidSettings, Refused
from sophia_infra.model.clock import VirtualClock
from sophia_infra.model.price_book import PriceBook
from sophia_infra.scaling.nodes.demand import DemandSource
from sophia_infra.scaling.nodes.lease import LEASE_S
from sophia_infra.scaling.nodes.settings import FleetMachine
from tests.effort import FULL
from tests.summary import SUMMARY_LINE
from tests.unit.provider.in_process import InProcessServer
from tests.unit.provider.lives import live
from tests.unit.provider.ram_folder import ram_folder
from tests.unit.scaling_nodes.dying import Process
from tests.unit.scaling_nodes.ground import (
    A10,
    A100,
    BILLED,
    EAST,
    INTERVAL_S,
    STACK,
    WEST,
    Asked,
    Ground,
    pool,
    settings,
)

LIVES = 300 if FULL else 30
STEPS_PER_LIFE = 30
STEPS_AT_LEAST = 6_000 if FULL else 600
MET = ("killed", "second scaler", "launch", "release", "rescue", "end", "give_up", "limited", "cluster down")

MIN, MAX, MAX_INSTANCES = 1, 3, 5
BUDGET = Decimal("8.50")
"""The fleet's A10 and three scaled ones, and one A100: a second A100 does not fit beside them."""
BOOT_S = 240.0 + 120.0
SETTLING_S = LEASE_S * 2 + 60.0

WHOLE = settings(
    pool(min=MIN, max=MAX, warm_spares=0, cooldown_s=300.0, scale_down_after_s=120.0, drain_timeout_s=300.0),
    pool(name="big", types=(A100,), regions=(EAST, WEST), max=3, cooldown_s=0.0, scale_down_after_s=0.0),
    fleet=[FleetMachine("core", A10)],
    max_instances=MAX_INSTANCES,
    budget_usd_per_hour=BUDGET,
)
FAULTS = st.sampled_from(
    [
        ("launchInstance", "after", {"action": "drop"}),
        ("launchInstance", "before", {"action": "drop"}),
        ("launchInstance", "after", {"action": "truncate"}),
        ("launchInstance", "before", {"action": "status", "status": 429, "retry_after_s": 20}),
        ("launchInstance", "after", {"action": "status", "status": 500}),
        ("listInstances", "before", {"action": "status", "status": 503}),
        ("listInstanceTypes", "before", {"action": "drop"}),
        ("terminateInstance", "before", {"action": "status", "status": 500}),
        ("terminateInstance", "after", {"action": "drop"}),
    ]
)


class ScalerLives(RuleBasedStateMachine):
    """One life of one account."""

    server: ClassVar[InProcessServer]
    clock: ClassVar[VirtualClock]
    directory: ClassVar[Path]
    steps: ClassVar[int] = 0
    lives: ClassVar[int] = 0
    seen: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        cls = type(self)
        cls.lives += 1
        self.server.cloud.reset()
        self.ground = Ground(self.server.url, self.server.cloud, self.clock, self.directory / str(cls.lives))
        self.asked = {"gpu": Asked(0), "big": Asked(0)}
        self.demand: dict[str, Sequence[DemandSource]] = {name: [one] for name, one in self.asked.items()}
        self.starts = 0
        self.strangers: set[str] = set()
        self.quiet_since_s = self.clock.now()
        self.first = self._start("host")
        self.pods = 0

    def teardown(self) -> None:
        """Once the world is well: what is asked for is there, and an emptied scaler leaves nothing."""
        try:
            self._heal()
            for one in self.asked.values():
                one.nodes = 0
            for _ in range(15):
                self._passes(self.first, 3)
                if self._is_at_rest():
                    break
            self._passes(self.first, 3)
            assert self._is_at_rest(), self.ground.said[-5:]
            self.first.scaler.close()
            last = self.ground.scaler(WHOLE.emptied(), {}, lease=self.ground.kubernetes_lease("last"))
            for _ in range(15):
                last.look_once()
                self.ground.pass_time(INTERVAL_S)
                self._disturb()
                self._check()
                if not self.ground.live() and not self.ground.cluster.nodes:
                    break
            assert self.ground.live() == []
            assert self.ground.cluster.nodes == {}
        finally:
            self.ground.close()

    # What happens

    @rule(name=st.sampled_from(["gpu", "big"]), nodes=st.one_of(st.none(), st.integers(0, 4)))
    def the_load_changes(self, name: str, nodes: int | None) -> None:
        self.asked[name].nodes = nodes

    @rule(
        region=st.sampled_from([EAST, WEST]),
        kind=st.sampled_from([A10, A100]),
        room=st.sampled_from([0, 1, None]),
    )
    def the_room_changes(self, region: str, kind: str, room: int | None) -> None:
        self.ground.cloud.set_capacity(kind, region, room)
        self._disturb()

    @rule(which=st.integers(0, 9), status=st.sampled_from(["preempted", "terminated", "unhealthy"]))
    def a_machine_dies(self, which: int, status: str) -> None:
        rows = self.ground.live()
        if rows:
            with contextlib.suppress(Refused, InvalidSettings):
                self.ground.happens_outside(rows[which % len(rows)]["id"], status)
            self.ground.sync()
            self._disturb()

    @rule(which=st.integers(0, 9), sticks=st.booleans())
    def a_pod_is_placed(self, which: int, sticks: bool) -> None:
        nodes = [
            name for name, one in self.ground.cluster.nodes.items() if not one["spec"].get("unschedulable")
        ]
        if nodes:
            self.pods += 1
            name = f"pod-{self.pods}"
            self.ground.cluster.place(name, nodes[which % len(nodes)])
            if sticks:
                self.ground.cluster.stuck.add(name)

    @rule()
    def budgets_let_pods_go(self) -> None:
        self.ground.cluster.stuck.clear()

    @rule(count=st.integers(1, 20))
    def the_scaler_looks(self, count: int) -> None:
        self._passes(self.first, count)

    @rule(high=st.integers(2, 4), low=st.integers(0, 1), sticks=st.booleans(), again=st.integers(0, 3))
    def a_load_comes_and_goes(self, high: int, low: int, sticks: bool, again: int) -> None:
        for nodes, looks in ((high, 12), (low, 10), (again, 8)):
            for one in self.asked.values():
                one.nodes = nodes
            self._passes(self.first, looks)
            if nodes == high:
                for at in range(4):
                    self.a_pod_is_placed(at, sticks)

    @rule(which=st.integers(0, 9))
    def a_machine_stays_unhealthy(self, which: int) -> None:
        self.a_machine_dies(which, "unhealthy")
        self._passes(self.first, 8)

    @rule(count=st.integers(2, 10))
    def a_second_one_looks_beside_it(self, count: int) -> None:
        second = self._start("other-host")
        for _ in range(count):
            self._passes(self.first, 1, 20)
            self._passes(second, 1, 20)
        self.seen["second scaler"] += 1

    @rule(kill_at=st.integers(1, 60), other_host=st.booleans())
    def it_is_killed_and_starts_anew(self, kill_at: int, other_host: bool) -> None:
        self.first.scaler.close()
        doomed = self._start("host", kill_at)
        for _ in range(4):
            if not doomed.look():
                self.seen["killed"] += 1
                break
            self.ground.pass_time(INTERVAL_S)
            self._check()
        self._check()
        self.first = self._start("other-host" if other_host else "host")
        self._disturb()

    @rule(fault=FAULTS, times=st.integers(1, 6))
    def the_service_errs(self, fault: tuple[str, str, dict[str, object]], times: int) -> None:
        operation, when, more = fault
        self.ground.fault(operation, when, times=times, **more)  # type: ignore[arg-type]
        self._disturb()

    @rule(lag_s=st.sampled_from([0.0, 30.0, 50.0]))
    def the_list_lags(self, lag_s: float) -> None:
        self.ground.set(list_lag_s=lag_s)
        self._disturb()

    @rule(count=st.integers(1, 4))
    def the_cluster_is_away(self, count: int) -> None:
        self.ground.cluster.is_down = True
        self._passes(self.first, count)
        self.ground.cluster.is_down = False
        self.seen["cluster down"] += 1
        self._disturb()

    @rule(duration_s=st.sampled_from([30.0, 300.0, 3600.0]))
    def nobody_looks(self, duration_s: float) -> None:
        self.ground.pass_time(duration_s)
        self._disturb()

    @rule(tagged=st.booleans())
    def somebody_else_launches(self, tagged: bool) -> None:
        tags = {
            "sophia-stack": "sophia-infra/other",
            "sophia-name": "gpu-scaled-1",
            "sophia-scaler": "gpu/1-9",
        }
        with contextlib.suppress(Refused):
            self.strangers.add(self.ground.launch_outside("gpu-scaled-1", tags if tagged else None))

    @invariant()
    def _holds(self) -> None:
        type(self).steps += 1
        self._check()

    # The model

    def _check(self) -> None:
        rows = self.ground.everything()
        mine = [
            row for row in rows if row["tags"].get("sophia-scaler") and row["tags"]["sophia-stack"] == STACK
        ]
        billed = [row for row in mine if row["status"] in BILLED]
        prices = PriceBook.fallback()
        usd = sum((prices.get(row["type"]) for row in billed), prices.get(A10))
        assert usd <= BUDGET, "over the budget"
        assert len(billed) <= MAX_INSTANCES
        assert sum(row["type"] == A10 for row in billed) <= MAX
        doubles = Counter(row["tags"]["sophia-name"] for row in billed)
        assert all(count == 1 for count in doubles.values()), doubles
        ended = {row["id"] for row in rows if row["status"] not in ("booting", "active")}
        assert not self.strangers & ended, "somebody else's machine was touched"
        assert self.ground.violations == []
        calm_s = self.clock.now() - self.quiet_since_s
        if calm_s > BOOT_S + INTERVAL_S + SETTLING_S + 120.0:
            assert len(self._live("gpu")) >= MIN, "below the minimum for longer than boot and settling"

    def _is_at_rest(self) -> bool:
        return len(self._live("gpu")) == MIN and not self._live("big")

    def _live(self, name: str) -> list[str]:
        return [one for one in self.ground.names() if one.startswith(f"{name}-")]

    def _disturb(self) -> None:
        self.quiet_since_s = self.clock.now()

    def _start(self, host: str, kill_at: int | None = None) -> Process:
        self.starts += 1
        return Process(self.ground, WHOLE, self.demand, f"{host}-{self.starts}", host, kill_at)

    def _passes(self, process: Process, count: int, interval_s: float = INTERVAL_S) -> None:
        for _ in range(count):
            report = process.scaler.look_once()
            for event in report.events:
                self.seen[event.action] += 1
            is_limited = any(one.limited_by for one in report.decisions)
            self.seen["limited"] += is_limited
            if is_limited or not report.leads or report.problems:
                self._disturb()
            self._check()
            self.ground.pass_time(interval_s)
            self._check()

    def _heal(self) -> None:
        with self.ground.cloud.lock:
            self.ground.cloud.faults.clear()
        for kind in (A10, A100):
            for region in (EAST, WEST):
                self.ground.cloud.set_capacity(kind, region, None)
        self.ground.set(list_lag_s=0.0)
        self.ground.cluster.stuck.clear()
        self.ground.cluster.is_down = False
        self._disturb()


@pytest.mark.slow
def test_whatever_happens_limits_hold_and_nothing_is_left(
    record_property: Callable[[str, object], None],
) -> None:
    """Buys the combinations that nobody thinks of; takes some 3 s of processor time."""
    clock = VirtualClock()
    with InProcessServer(Cloud(CloudSettings(), clock)) as server, ram_folder() as folder:
        ScalerLives.server, ScalerLives.clock, ScalerLives.directory = server, clock, folder
        ScalerLives.seen, ScalerLives.steps, ScalerLives.lives = Counter(), 0, 0
        live(ScalerLives, lives=LIVES, steps_per_life=STEPS_PER_LIFE)
    seen = ", ".join(f"{name} {count}" for name, count in sorted(ScalerLives.seen.items()))
    record_property(
        SUMMARY_LINE, f"scaler: {ScalerLives.steps} steps in {ScalerLives.lives} lives met {seen}"
    )
    assert ScalerLives.steps >= STEPS_AT_LEAST
    missed = [name for name in MET if not ScalerLives.seen[name]]
    assert not missed, f"the lives were too quiet to prove anything: {missed} never happened"
