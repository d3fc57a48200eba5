"""Random lives of training runs: kills, lost capacity, dying nodes, faults, hours; against sets and sums.

The model knows only what was asked for: which runs, with which caps, and which machines are somebody else's.
What it checks comes from the emulator: its list of machines and its own meter.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sophia_infra.emulator import Cloud, CloudSettings
from sophia_infra.emulator.errors import InvalidSettings, Refused
from sophia_infra.lambda_cloud import LambdaCloud, LambdaCloudError
from sophia_infra.model.clock import VirtualClock
from sophia_infra.provider.errors import ProviderError
from sophia_infra.training.access import JobStart, Node
from sophia_infra.training.attending import attend
from sophia_infra.training.closing import close_dead_run
from sophia_infra.training.context import RunMeans
from sophia_infra.training.errors import TrainingError
from sophia_infra.training.run_folder import RunFolder, list_runs
from sophia_infra.training.run_spec import Choice, RunSpec
from sophia_infra.training.sweeping import sweep
from tests.effort import FULL
from tests.summary import SUMMARY_LINE
from tests.unit.provider.in_process import InProcessServer
from tests.unit.provider.lives import live
from tests.unit.provider.ram_folder import ram_folder
from tests.unit.provider.simulated_engine import Doom, DoomedClient, Killed
from tests.unit.training.ground import EAST, H100, LIVE, STACK, WEST, Ground, WatchedAccess, one_poll_usd
from tests.unit.training.test_training_kills import DoomedFolder

LIVES = 400 if FULL else 20
STEPS_PER_LIFE = 25
STEPS_AT_LEAST = 8_000 if FULL else 300
MET = ("killed", "swept", "CapReached")
MET_IN_A_FULL_RUN = ("done", "NoRoom", "node died in a job", "went on", "replaced", "NodesLost", "stopped")
"""Which lives are lived follows from the modules that are loaded, so what is rare is in tests of its own."""

POLL_S = 120.0
KILL_AT = st.one_of(st.none(), st.none(), st.integers(1, 25), st.integers(1, 25), st.integers(26, 120))
RUN = st.integers(0, 5)
DEATH = st.one_of(
    st.none(), st.tuples(st.integers(1, 30), st.sampled_from(["terminated", "preempted", "unhealthy"]))
)
REGIONS = st.sampled_from([EAST, WEST])
PRICE = Decimal("31.92")
FAULTS = st.sampled_from(
    [
        ("launchInstance", "after", {"action": "drop"}),
        ("launchInstance", "before", {"action": "drop"}),
        ("launchInstance", "after", {"action": "truncate"}),
        ("launchInstance", "before", {"action": "status", "status": 429, "retry_after_s": 20}),
        ("listInstances", "before", {"action": "status", "status": 503}),
        ("listInstanceTypes", "before", {"action": "drop"}),
        ("terminateInstance", "before", {"action": "status", "status": 500}),
        ("terminateInstance", "after", {"action": "drop"}),
    ]
)


class WorldClock:
    """The clock of one starter: while it sleeps, the watchdogs of all runs look, each once in an interval."""

    def __init__(self, clock: VirtualClock, on_poll: Callable[[], None]) -> None:
        self._clock = clock
        self._on_poll = on_poll
        self._polled_s = clock.now()

    def now(self) -> float:
        return self._clock.now()

    def sleep(self, duration_s: float) -> None:
        until_s = self.now() + max(0.0, duration_s)
        while self.now() < until_s:
            self._clock.sleep(min(POLL_S, until_s - self.now()))
            if self.now() - self._polled_s >= POLL_S:
                self._polled_s = self.now()
                self._on_poll()


class RunLives(RuleBasedStateMachine):
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
        # The model.
        self.specs: list[RunSpec] = []
        self.jobs: dict[str, float] = {}
        self.strangers: set[str] = set()

    def teardown(self) -> None:
        """Whatever happened: once the service is well, a sweep after the last deadline leaves nothing."""
        try:
            self._heal()
            self._pass_time(8 * 3600, "sweep")
            assert [row for row in self.ground.live() if self._is_ours(row)] == []
            self._look()
        finally:
            self.ground.close()

    # What the user does

    @rule(
        nodes=st.integers(1, 4),
        fewer=st.integers(0, 2),
        usd=st.integers(60, 600),
        hours=st.integers(1, 5),
        wait=st.booleans(),
        replace=st.booleans(),
        job_s=st.sampled_from([300, 1800, 10**7]),
        kill_at=KILL_AT,
        room=st.sampled_from([None, None, None, 1, 2]),
        death=DEATH,
    )
    def starts_a_run(
        self,
        nodes: int,
        fewer: int,
        usd: int,
        hours: int,
        wait: bool,
        replace: bool,
        job_s: int,
        kill_at: int | None,
        room: int | None,
        death: tuple[int, str] | None,
    ) -> None:
        if len(self.specs) == 6:
            return
        for region in (EAST, WEST):
            self.ground.cloud.set_capacity(H100, region, room)
        # Only what the plan would let through: at least an hour of all nodes.
        max_usd = max(Decimal(usd), PRICE * nodes * Decimal("1.2"))
        folder = self.ground.new_run(
            nodes=nodes,
            min_nodes=max(1, nodes - fewer),
            max_usd=max_usd,
            max_hours=hours,
            poll_s=POLL_S,
            replace_lost=replace,
            wait_minutes=20.0 if wait else None,
            wait_usd=Decimal(20) if wait else None,
            choices=(Choice(H100, EAST, PRICE), Choice(H100, WEST, PRICE)),
        )
        self.specs.append(folder.spec())
        self.jobs[folder.run_id] = job_s
        self._attend(folder, kill_at, death)

    @rule(run=RUN, kill_at=KILL_AT, death=DEATH)
    def goes_on_with_a_run(self, run: int, kill_at: int | None, death: tuple[int, str] | None) -> None:
        for folder in self._folder(run):
            self._attend(folder, kill_at, death)

    @rule(run=RUN)
    def asks_a_run_to_stop(self, run: int) -> None:
        for folder in self._folder(run):
            folder.ask_to_stop()

    @rule(run=RUN)
    def stops_a_dead_run(self, run: int) -> None:
        for folder in self._folder(run):
            with contextlib.suppress(LambdaCloudError, TrainingError, ProviderError):
                close_dead_run(folder, self._means(folder), "stopped", "by hand")

    @rule(grace_s=st.sampled_from([0.0, 1800.0]))
    def sweeps(self, grace_s: float) -> None:
        self._sweep(grace_s)

    # What happens in the account

    @rule(region=REGIONS, count=st.sampled_from([0, 1, 2, None, None]), listed=st.sampled_from([None, True]))
    def capacity_changes(self, region: str, count: int | None, listed: bool | None) -> None:
        self.ground.cloud.set_capacity(H100, region, count, listed=listed)

    @rule(number=st.integers(0, 9), status=st.sampled_from(["terminated", "preempted", "unhealthy"]))
    def a_node_dies(self, number: int, status: str) -> None:
        ours = [row for row in self.ground.live() if self._is_ours(row)]
        if ours:
            self.ground.happens_outside(ours[number % len(ours)]["id"], status)
            self.seen[f"node {status}"] += 1

    @rule(kind=st.sampled_from(["none", "some tags", "another stack"]))
    def somebody_else_launches(self, kind: str) -> None:
        if len(self.strangers) == 3:
            return
        tags = {
            "none": {},
            "some tags": {"sophia-run": "20260101-000000-abcdef", "sophia-deadline": "1"},
            "another stack": {
                "sophia-stack": "sophia-infra/other/training/r1",
                "sophia-name": "node-1",
                "sophia-run": "r1",
                "sophia-node": "1",
                "sophia-deadline": "1",
                "sophia-max-usd": "1",
            },
        }[kind]
        self.strangers.add(self.ground.launch_outside("somebody else's", tags))

    @rule(fault=FAULTS, times=st.sampled_from([1, 3]))
    def the_service_fails(self, fault: tuple[str, str, dict[str, Any]], times: int) -> None:
        operation, when, how = fault
        self.ground.fault(operation, when, times=times, **how)

    @rule(lag_s=st.sampled_from([0, 40]), refused_s=st.sampled_from([0, 60]), bad=st.sampled_from([0.0, 0.3]))
    def the_service_is_of_another_mind(self, lag_s: int, refused_s: int, bad: float) -> None:
        self.ground.set(list_lag_s=lag_s, terminate_refused_s=refused_s, unhealthy_boot_share=bad)

    @rule(
        minutes=st.sampled_from([30, 200, 400]),
        guard=st.sampled_from(["watchdog", "watchdog", "watchdog", "sweep"]),
    )
    def time_passes(self, minutes: int, guard: str) -> None:
        self._pass_time(minutes * 60, guard)

    # What must always be so

    @invariant()
    def nothing_is_broken(self) -> None:
        type(self).steps += 1
        self._look()

    def _look(self) -> None:
        rows = self.ground.cloud.dump()["instances"]
        live = [row for row in rows if row["status"] in LIVE]
        numbers = Counter((row["tags"]["sophia-run"], row["tags"]["sophia-node"]) for row in self._ours(live))
        assert all(count == 1 for count in numbers.values()), f"two machines for one node: {numbers}"
        gone = self.strangers - {row["id"] for row in live}
        assert not gone, f"machines of others were ended: {gone}"
        for spec in self.specs:
            mine = [row for row in self._ours(live) if row["tags"]["sophia-run"] == spec.run_id]
            assert len({row["region"] for row in mine}) <= 1, "a run in two regions"
            billed = self.ground.billed(spec.run_id)
            most = spec.max_usd + one_poll_usd(spec)
            assert billed <= most, f"run {spec.run_id} was billed ${billed}, and its cap is ${spec.max_usd}"
            for row in mine:
                late_s = self.clock.now() - int(row["tags"]["sophia-deadline"])
                assert late_s <= spec.poll_s + 60, f"{late_s} s over the deadline"
        for folder in list_runs(self.ground.home):
            if folder.state().phase == "ended":
                assert not self.ground.live(folder.run_id), "an ended run has machines"

    # How it is done

    def _is_ours(self, row: dict[str, Any]) -> bool:
        return row["id"] not in self.strangers

    def _ours(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row for row in rows if self._is_ours(row)]

    def _folder(self, run: int) -> list[RunFolder]:
        folders = list_runs(self.ground.home)
        return [folders[run % len(folders)]] if folders else []

    def _means(self, folder: RunFolder, client: LambdaCloud | None = None) -> RunMeans:
        access = self.ground.access(self.jobs[folder.run_id], folder=folder)
        return self.ground.means(access, client=client)

    def _attend(self, folder: RunFolder, kill_at: int | None, death: tuple[int, str] | None) -> None:
        doom = Doom(kill_at)
        client = cast(LambdaCloud, DoomedClient(self.ground.client(), doom))
        looks = itertools.count(1)

        def on_look(_job: JobStart, node: Node) -> None:
            if death is not None and next(looks) == death[0]:
                with contextlib.suppress(InvalidSettings, Refused):
                    self.ground.happens_outside(node.instance_id, death[1])
                    self.seen["node died in a job"] += 1

        clock = WorldClock(self.clock, lambda: self._watchdogs_look(folder))
        means = self._means(folder, client)
        means = dataclasses.replace(means, clock=clock, access=WatchedAccess(means.access, on_look))
        try:
            ended = str(attend(DoomedFolder(folder.path, doom), means).outcome)
        except Killed:
            ended = "killed"
        except (LambdaCloudError, TrainingError, ProviderError) as error:
            ended = type(error).__name__
        self.seen[ended] += 1
        state = folder.state()
        self.seen["went on"] += state.incarnation > 1
        self.seen["replaced"] += len({one.number for one in state.machines.values()}) < len(state.machines)

    def _watchdogs_look(self, besides: RunFolder | None = None) -> None:
        for folder in list_runs(self.ground.home):
            if besides is None or folder.run_id != besides.run_id:
                with contextlib.suppress(LambdaCloudError, TrainingError, ProviderError):
                    self.ground.watchdog(folder).look()

    def _pass_time(self, duration_s: float, guard: str) -> None:
        """Hours in which no starter lives: the watchdogs look, or cron sweeps, once in a poll interval."""
        until_s = self.clock.now() + duration_s
        while self.clock.now() < until_s:
            # Looks of several runs take their time one after the other: their processes run side by side.
            step_s = self.clock.now() + POLL_S
            if guard == "sweep":
                self._sweep(10**9)
            else:
                self._watchdogs_look()
            if not any(self._is_ours(row) for row in self.ground.live()):
                self.clock.advance(max(0.0, until_s - self.clock.now()))
                return
            self.clock.sleep(min(step_s, until_s) - self.clock.now())

    def _sweep(self, grace_s: float) -> None:
        means = self.ground.means()
        with contextlib.suppress(LambdaCloudError):
            report = sweep(self.ground.session(), STACK, list_runs(self.ground.home), means, grace_s=grace_s)
            self.seen["swept"] += len(report.ended)

    def _heal(self) -> None:
        with self.ground.cloud.lock:
            self.ground.cloud.faults.clear()
        self.ground.set(list_lag_s=0, terminate_refused_s=0, unhealthy_boot_share=0.0)


@pytest.mark.slow
def test_runs_survive_every_life(
    monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    """Buys what no list of cases does; some 7 s of processor time, a minute in CI (or SOPHIA_FULL=1)."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    clock = VirtualClock()
    with InProcessServer(Cloud(CloudSettings(), clock)) as server, ram_folder() as folder:
        RunLives.server, RunLives.clock, RunLives.directory = server, clock, folder
        RunLives.seen, RunLives.steps, RunLives.lives = Counter(), 0, 0
        live(RunLives, lives=LIVES, steps_per_life=STEPS_PER_LIFE)
    seen = ", ".join(f"{name} {count}" for name, count in sorted(RunLives.seen.items()))
    record_property(SUMMARY_LINE, f"training: {RunLives.steps} steps in {RunLives.lives} lives met {seen}")
    assert RunLives.steps >= STEPS_AT_LEAST
    wanted = (*MET, *(MET_IN_A_FULL_RUN if FULL else ()))
    missed = [name for name in wanted if not RunLives.seen[name]]
    assert not missed, f"the lives were too quiet to prove anything: {missed} never happened"
