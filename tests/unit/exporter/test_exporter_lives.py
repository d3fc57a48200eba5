"""Random lives of an account and its exporter: launches, ends, outages, kills, months, against invariants.

The exporter looks at a real emulator; the emulator's own meter is the judge of what it says.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sophia_infra.exporter.months import month_start_s
from sophia_infra.exporter.snapshot import Snapshot
from tests.effort import FULL
from tests.emulator.emulator_client import API_KEY, strict_settings
from tests.summary import SUMMARY_LINE
from tests.unit.exporter.stage import OTHER_STACK, OWNERS, POLL_S, Shown, Stage, machine, settings_of
from tests.unit.provider.in_process import InProcessServer
from tests.unit.provider.ram_folder import ram_folder

LIVES = 200 if FULL else 30
STEPS = 40
COST = "lambda_cloud_instance_cost_usd_total"

FLEET = {"core": machine(node="core"), "data": machine("gpu_1x_a10")}
TYPES = st.sampled_from(["gpu_1x_gh200", "gpu_1x_a10", "gpu_8x_h100_sxm5", "cpu_4x_general"])
MINUTE_S = 60.0


class Lives(RuleBasedStateMachine):
    """One account, one exporter with a state file."""

    met: ClassVar[Counter[str]] = Counter()

    @initialize()
    def begin(self) -> None:
        self.world = ExitStack()
        folder = self.world.enter_context(ram_folder())
        emulator = self.world.enter_context(InProcessServer(strict_settings(terminated_visible_s=60.0)))
        self.stage = Stage(emulator, settings_of(FLEET), state=folder / "state.json")
        self.highest: dict[tuple[str, ...], float] = {}
        self.seen_s: list[float] = []  # of the lists that succeeded
        self.scraped: tuple[tuple[Snapshot, float], Shown] | None = None
        self.is_fresh = False  # whether what is shown is of a list of this very moment
        self.look()

    def teardown(self) -> None:
        if hasattr(self, "stage"):
            self.stage.close()
            self.stage.api.session.close()
            self.world.close()

    # What happens.

    @rule(name=st.sampled_from(["core", "data", "lost"]), kind=TYPES, generation=st.integers(1, 2))
    def launch_ours(self, name: str, kind: str, generation: int) -> None:
        self.stage.launch(name, generation=generation, instance_type_name=kind)
        self.is_fresh = False

    @rule(kind=TYPES, stack=st.sampled_from([None, OTHER_STACK]))
    def launch_elsewhere(self, kind: str, stack: str | None) -> None:
        self.stage.launch("core", stack=stack, instance_type_name=kind)
        self.is_fresh = False

    @precondition(lambda self: self.live())
    @rule(data=st.data())
    def terminate(self, data: st.DataObject) -> None:
        self.stage.api.terminate(data.draw(st.sampled_from(self.live())))
        self.is_fresh = False

    @precondition(lambda self: self.live())
    @rule(data=st.data(), status=st.sampled_from(["preempted", "terminated", "unhealthy"]))
    def lose(self, data: st.DataObject, status: str) -> None:
        instance_id = data.draw(st.sampled_from(self.live()))
        self.stage.api.control("POST", f"/instances/{instance_id}/status", {"status": status})
        self.is_fresh = False

    @rule(polls=st.integers(1, 4))
    def watch(self, polls: int) -> None:
        for _ in range(polls):
            self.advance(POLL_S)
            self.look()

    @rule(seconds=st.sampled_from([1.0, 59.0, 61.0, 599.0, 3_600.0, 86_400.0, 40 * 86_400.0]))
    def sleep(self, seconds: float) -> None:
        """The process, or its machine, is away."""
        self.advance(seconds)
        self.look()

    @rule(
        fault=st.sampled_from(
            [
                {"action": "drop"},
                {"action": "truncate"},
                {"action": "status", "status": 500},
                {"action": "status", "status": 429, "retry_after_s": 90},
                {"action": "status", "status": 403, "body": "error code: 1010"},
                {"action": "status", "status": 200, "body": {"data": "?"}},
            ]
        ),
        polls=st.integers(1, 6),
    )
    def go_dark(self, fault: dict[str, Any], polls: int) -> None:
        self.stage.cloud.faults.add("listInstances", "before", times=None, **fault)
        for _ in range(polls):
            self.advance(POLL_S)
            self.look()
        self.stage.cloud.faults.clear()
        self.met["outages"] += 1

    @rule()
    def revoke_the_key_for_a_while(self) -> None:
        self.stage.cloud.change_settings({"api_keys": ["another"]})
        self.advance(POLL_S)
        self.look()
        self.stage.cloud.change_settings({"api_keys": [API_KEY]})
        self.met["revoked keys"] += 1

    @rule(kind=TYPES, cents=st.sampled_from([20, 99, 500]))
    def change_the_price(self, kind: str, cents: int) -> None:
        """Of what is launched from now on: the emulator bills a machine at the price of its launch."""
        self.stage.cloud.change_settings({"price_overrides_cents_per_hour": {kind: cents}})

    @rule()
    def restart(self) -> None:
        self.stage.start()
        self.look()
        self.met["restarts"] += 1

    # What has to hold.

    @invariant()
    def no_counter_falls(self) -> None:
        if not hasattr(self, "stage"):
            return
        for labels, value in self.shown().all(COST):
            key = (labels["instance_id"],)
            assert value >= self.highest.get(key, 0.0)
            self.highest[key] = value

    @invariant()
    def the_run_rate_is_what_the_account_bills(self) -> None:
        if not hasattr(self, "stage") or not self.is_fresh:
            return
        rates = self.shown().by_owner("lambda_cloud_usd_per_hour")
        assert set(rates) == set(OWNERS)
        assert sum(rates.values()) == pytest.approx(float(self.stage.cloud.meter.totals()["usd_per_hour"]))

    @invariant()
    def the_month_is_never_more_than_was_billed_and_what_nobody_saw(self) -> None:
        if not hasattr(self, "stage"):
            return
        spent = self.shown().by_owner("lambda_cloud_month_spent_usd")
        if not spent:
            return
        assert min(spent.values()) >= 0
        assert sum(spent.values()) <= self.most_usd() + 1e-6

    @invariant()
    def a_machine_that_runs_is_billed_to_the_minute(self) -> None:
        if not hasattr(self, "stage") or not self.is_fresh:
            return
        shown = self.shown()
        for record in self.records():
            if record.ended_at_s is None and any(tag.key == "sophia-launched-at" for tag in record.tags):
                cost = shown.one(COST, instance_id=record.id)
                assert round(cost, 6) == float(self.stage.billed_usd(record.id))

    # How it is told.

    def look(self) -> None:
        before = len(self.stage.lists())
        self.stage.poller.poll()
        assert len(self.stage.lists()) - before in (1, 3)  # one, and two repeated attempts where it failed
        self.is_fresh = self.stage.poller.snapshot.is_up
        if self.is_fresh:
            self.seen_s.append(self.stage.clock.now())
        self.met["looks"] += 1

    def advance(self, seconds: float) -> None:
        self.stage.advance(seconds)
        self.is_fresh = False

    def shown(self) -> Shown:
        """A scrape, one for each step."""
        moment = (self.stage.poller.snapshot, self.stage.clock.now())
        if self.scraped is None or self.scraped[0] != moment:
            self.scraped = (moment, self.stage.show())
        return self.scraped[1]

    def records(self) -> list[Any]:
        with self.stage.cloud.lock:
            return self.stage.cloud.instances.ever()

    def live(self) -> list[str]:
        if not hasattr(self, "stage"):
            return []
        return [one.id for one in self.records() if one.status in ("booting", "active", "unhealthy")]

    def most_usd(self) -> float:
        """What was billed in this month, had each machine ended when a list first showed that it was gone."""
        now_s = self.stage.clock.now()
        month_s = month_start_s(now_s)
        total = 0.0
        for record in self.records():
            ended_s = now_s if record.ended_at_s is None else record.ended_at_s
            # A list of the very moment may have come before the end.
            end_s = next((at_s for at_s in self.seen_s if at_s > ended_s), now_s)
            seconds = max(0.0, end_s - max(record.launched_at_s, month_s))
            total += record.cents_per_hour / 100 * (seconds + MINUTE_S) / 3_600
        return total


@pytest.mark.slow
def test_lives(record_property: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Costs seconds; buys the invariants above after every step of many lives."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # no power fails here, and a disk takes its time
    Lives.met.clear()
    run_state_machine_as_test(
        Lives,
        settings=settings(
            max_examples=LIVES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate, Phase.shrink),
        ),
    )
    met = Lives.met
    assert min(met[what] for what in ("looks", "outages", "restarts", "revoked keys")) > 0
    told = ", ".join(f"{count} {what}" for what, count in sorted(met.items()))
    record_property(SUMMARY_LINE, f"exporter lives: {told}")
