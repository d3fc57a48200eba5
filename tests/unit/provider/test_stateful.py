"""Random lives of a stack: edits, crashes, faults and strangers, against a model that knows only sets.

The provider core and the doctor run against a real emulator, driven by a simulated engine that can be killed
at every moment. After every step the account is compared with what the model allows.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from sophia_infra.emulator import Cloud, CloudSettings
from sophia_infra.model.clock import VirtualClock
from sophia_infra.operations.doctor import FindingKind
from sophia_infra.provider.tags import LAUNCH_TAG, NAME_TAG, STACK_TAG
from tests.effort import FULL
from tests.summary import SUMMARY_LINE
from tests.unit.provider.in_process import InProcessServer
from tests.unit.provider.lives import live
from tests.unit.provider.ram_folder import ram_folder
from tests.unit.provider.simulated_engine import INSTANCE
from tests.unit.provider.stack_ground import StackGround
from tests.unit.provider.stack_wishes import (
    DISKS,
    EDITS,
    FAULTS,
    KILL_AT,
    LABELS,
    OPERATIONS,
    REGIONS,
    STATUSES,
    TYPES,
    Edit,
    Want,
)
from tests.unit.provider.stage import KEY_NAME, LIVE, STACK

STEPS_PER_LIFE = 50
STEPS_OF_A_LIFE = 35
"""Rather fewer than the mean of what Hypothesis takes of those, 38 over hundreds of lives."""
LIVES = 300 if FULL else 50
STEPS_AT_LEAST = 10_000 if FULL else 1_400
STEPS_WANTED = int(os.environ.get("SOPHIA_STATEFUL_STEPS", "0"))
"""For a long run by hand: so many lives that at least about so many steps are done."""

OUTCOMES = ("done runs", "failed runs", "killed runs")
MET_IN_A_FULL_RUN = (
    *(kind.value for kind in FindingKind if kind not in (FindingKind.DUPLICATE, FindingKind.OVERDUE)),
    "LaunchUncertain",
    "UnrecordedInstance",
    "CapacityExhausted",
    "AdoptionRefused",
    "Unreachable",
    "ServerFault",
)


class StackLives(StackGround):
    """One life of one stack."""

    # What the user does to the stack file

    @initialize(labels=st.sets(LABELS, min_size=1))
    def a_new_stack(self, labels: set[str]) -> None:
        self.wanted = {label: Want(name=label) for label in sorted(labels)}

    @rule(label=LABELS, edit=EDITS)
    def edits_the_file(self, label: str, edit: Edit) -> None:
        self._edit(label, edit)

    @rule(label=LABELS, edit=EDITS, kill_at=KILL_AT, refresh=st.booleans(), go_on=st.booleans())
    def edits_the_file_and_updates(
        self, label: str, edit: Edit, kill_at: int | None, refresh: bool, go_on: bool
    ) -> None:
        self._edit(label, edit)
        self._update(kill_at, refresh=refresh, go_on=go_on)

    @rule(label=LABELS, edit=EDITS, again=EDITS, kill_at=st.integers(3, 40))
    def is_killed_and_thinks_again(self, label: str, edit: Edit, again: Edit, kill_at: int) -> None:
        self._edit(label, edit)
        self._update(kill_at)
        self._edit(label, again)

    @precondition(lambda self: self.to_adopt)
    @rule(edit=st.sampled_from([("taken out", None), ("generation", 1)]))
    def wants_no_more_what_a_killed_run_launched(self, edit: Edit) -> None:
        self._edit(self.to_adopt[0], edit)

    @rule(label=LABELS, edit=EDITS, kill_at=KILL_AT, lost=st.booleans(), refresh=st.booleans())
    def tries_again_at_once_while_the_list_lags(
        self, label: str, edit: Edit, kill_at: int | None, lost: bool, refresh: bool
    ) -> None:
        self.stage.set(list_lag_s=40, get_sees_lagging=False)
        self._edit(label, edit)
        if lost:
            self.stage.fault("launchInstance", "after", "drop")
        self._update(kill_at)
        self._update(None, refresh=refresh)

    @rule(label=LABELS, disk=DISKS, kill_at=st.integers(4, 9))
    def is_killed_over_a_filesystem_that_somebody_else_then_makes(
        self, label: str, disk: str, kill_at: int
    ) -> None:
        self._edit(label, ("disk", disk))
        self._update(kill_at)
        self._make_a_filesystem_for_somebody_else(disk)
        self._update(None)

    @rule(disk=DISKS)
    def takes_a_filesystem_out(self, disk: str) -> None:
        self.disks.discard(disk)
        for label, want in self.wanted.items():
            if want.disk == disk:
                self._change(label, disk=None)

    # What happens in the account

    @rule()
    def somebody_else_launches(self) -> None:
        self._launch_for_somebody_else()

    @rule(disk=DISKS)
    def somebody_else_makes_a_filesystem(self, disk: str) -> None:
        self._make_a_filesystem_for_somebody_else(disk)

    @rule(number=st.integers(0, 9), status=STATUSES)
    def something_happens_to_a_machine(self, number: int, status: str) -> None:
        live = self.stage.live()
        if live:
            chosen = live[number % len(live)]
            self.stage.happens_outside(chosen, status)
            if status != "unhealthy":
                self.ended.add(chosen)

    @rule(operation=st.sampled_from(OPERATIONS), fault=FAULTS, times=st.sampled_from([1, 2, 12]))
    def the_service_fails(self, operation: str, fault: tuple[str, dict[str, Any]], times: int) -> None:
        when, how = fault
        self.stage.fault(operation, when, times=times, **how)

    @rule(label=LABELS, edit=EDITS, fault=FAULTS, operation=st.sampled_from(OPERATIONS[:3]))
    def the_service_fails_during_an_update(
        self, label: str, edit: Edit, fault: tuple[str, dict[str, Any]], operation: str
    ) -> None:
        self._edit(label, edit)
        when, how = fault
        self.stage.fault(operation, when, times=8, **how)
        self._update(None)

    @rule(instance_type=TYPES, region=REGIONS, count=st.sampled_from([0, 1, None]))
    def capacity_changes(self, instance_type: str, region: str, count: int | None) -> None:
        self.stage.cloud.set_capacity(instance_type, region, count)

    @rule(lag_s=st.sampled_from([0, 40]), sees=st.booleans(), refused_s=st.sampled_from([0, 60]))
    def the_service_is_of_another_mind(self, lag_s: int, sees: bool, refused_s: int) -> None:
        self.stage.set(list_lag_s=lag_s, get_sees_lagging=sees, terminate_refused_s=refused_s)

    @rule(duration_s=st.sampled_from([1, 15, 41, 70, 1000]))
    def time_passes(self, duration_s: int) -> None:
        self.clock.advance(duration_s)

    # What is run

    @rule(kill_at=KILL_AT, refresh=st.booleans(), go_on=st.booleans())
    def runs_an_update(self, kill_at: int | None, refresh: bool, go_on: bool) -> None:
        self._update(kill_at, refresh=refresh, go_on=go_on)

    @rule(kill_at=KILL_AT, name=st.one_of(LABELS, st.just("ssh-key"), DISKS), again=st.booleans())
    def forces_a_replacement(self, kill_at: int | None, name: str, again: bool) -> None:
        self._update(kill_at, forced=name)
        if again:
            self._update(None)

    @rule(kill_at=KILL_AT)
    def runs_a_refresh(self, kill_at: int | None) -> None:
        self._run(lambda session, doom: self.engine.refresh(session, doom), kill_at)

    @precondition(lambda self: not any(want.adopt for want in self.wanted.values()))
    @rule(kill_at=KILL_AT)
    def runs_a_destroy(self, kill_at: int | None) -> None:
        """Adopted machines are protected: the engine would refuse."""
        if not any(entry.outputs.get("adopt") for entry in self.engine.state):
            self._run(lambda session, doom: self.engine.destroy(session, doom), kill_at)

    @rule()
    def mends_everything(self) -> None:
        """The operator follows the doctor, then a whole update runs on a healthy service."""
        self._heal()
        self._follow_the_doctor()
        if self._update(None, refresh=True) != "done":
            # A file changed again over an interrupted replacement: the doctor's second way.
            for finding in self._examine():
                if finding.kind is FindingKind.TO_DELETE:
                    self._terminate_as_told(finding)
            assert self._update(None, refresh=True) == "done", self.last_failure
        self._must_be_exactly_as_wanted()
        with self.stage.counting() as operations:
            assert self._update(None, refresh=True) == "done", self.last_failure
        assert set(operations) <= {"listInstances", "listFilesystems", "listSSHKeys"}, operations

    @precondition(lambda self: not any(want.adopt for want in self.wanted.values()))
    @rule()
    def takes_everything_down(self) -> None:
        self._heal()
        if any(entry.outputs.get("adopt") for entry in self.engine.state):
            return
        wanted, self.wanted, disks, self.disks = self.wanted, {}, self.disks, set()
        self._follow_the_doctor()
        done = self._run(lambda session, doom: self.engine.destroy(session, doom), None)
        assert done == "done", self.last_failure
        dump = self._dump()
        # One that was taken into the file and out again before any update is still somebody else's.
        live = {row["id"] for row in dump["instances"] if row["ended_at_s"] is None}
        assert live <= self.foreign - self.ended
        assert {row["id"] for row in dump["filesystems"]} - self.strays == self.foreign_disks
        assert [row["name"] for row in dump["ssh_keys"] if row["id"] not in self.strays] == [KEY_NAME]
        if not live:
            assert float(dump["billing"]["usd_per_hour"]) == 0
        self.wanted, self.disks = wanted, disks

    # What must always be so

    @invariant()
    def nothing_is_broken(self) -> None:
        cls = type(self)
        if self.first_look:
            self.first_look = False
        else:
            cls.steps += 1
        try:
            self._look()
        except AssertionError:
            cls.broken += 1
            raise

    def _look(self) -> None:
        dump = self._dump()
        live = {row["id"]: row for row in dump["instances"] if row["status"] in LIVE}
        launches = [
            (row["tags"][NAME_TAG], row["tags"][LAUNCH_TAG])
            for row in live.values()
            if row["tags"].get(STACK_TAG) == STACK
        ]
        assert len(set(launches)) == len(launches), f"two live machines of one launch: {launches}"
        gone = self.foreign - set(live) - self.ended - self.released
        assert not gone, f"machines of others were ended: {gone}"
        disks = {row["id"] for row in dump["filesystems"]}
        assert self.foreign_disks <= disks, "a filesystem of others was deleted"
        held = {entry.id for entry in self.engine.state if entry.kind == INSTANCE}
        strays = {one for one, row in live.items() if row["tags"].get(STACK_TAG) == STACK} - held
        assert strays <= self.from_broken_runs, f"lost by a run that did not break: {strays}"
        self._doctor_must_name(strays, set(live))

    def _doctor_must_name(self, strays: set[str], live: set[str]) -> None:
        """Every stray machine and every wrong entry, each with its kind, and nothing else."""
        expected: dict[tuple[str, FindingKind], int] = {}
        self.to_adopt = []
        for one in sorted(strays):
            label, machine = self.born[one]
            want = self.wanted.get(label)
            if want is not None and want.machine == machine:
                expected[one, FindingKind.TO_ADOPT] = 1
                self.to_adopt.append(label)
            else:
                expected[one, FindingKind.ORPHAN] = 1
        entries = [entry for entry in self.engine.state if entry.kind == INSTANCE]
        current = {entry.id for entry in entries if not entry.delete}
        for entry in entries:
            if entry.delete and entry.id in current:
                kind = FindingKind.LEFTOVER
            elif entry.delete and entry.id in live:
                kind = FindingKind.TO_DELETE
            elif not entry.delete and entry.id not in live:
                kind = FindingKind.GONE
            else:
                continue
            expected[entry.id, kind] = expected.get((entry.id, kind), 0) + 1
        found: dict[tuple[str, FindingKind], int] = {}
        for finding in self._examine():
            self.seen[finding.kind.value] += 1
            at = (finding.instance_id, finding.kind)
            found[at] = found.get(at, 0) + 1
        assert found == expected

    def _must_be_exactly_as_wanted(self) -> None:
        dump = self._dump()
        live = {row["id"]: row for row in dump["instances"] if row["status"] in LIVE}
        state = {entry.name: entry.id for entry in self.engine.state if entry.kind == INSTANCE}
        assert set(state) == set(self.wanted)
        assert len([entry for entry in self.engine.state if entry.kind == INSTANCE]) == len(state)
        ours = {one for one, row in live.items() if row["tags"].get(STACK_TAG) == STACK}
        adopted = {want.adopt for want in self.wanted.values() if want.adopt is not None}
        assert ours | adopted == set(state.values())
        for label, want in self.wanted.items():
            row = live[state[label]]
            assert row["name"] == want.name
            if want.adopt is not None:
                assert state[label] == want.adopt
                continue
            assert self.born[state[label]] == (label, want.machine)
            assert row["type"] == want.instance_type
            assert row["region"] in {want.region, "us-west-2" if want.fallback else want.region}
            assert row["filesystem_names"] == ([want.disk] if want.disk else [])
        assert self.disks <= {row["name"] for row in dump["filesystems"]}
        assert self._examine() == []


@pytest.mark.slow
def test_a_stack_survives_every_life(
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """Buys what no list of cases does: crashes, faults and edits in combinations nobody thought of.

    About 1,500 steps take some 4 s of processor time; CI (or SOPHIA_FULL=1) runs 10,000 and more, and
    SOPHIA_STATEFUL_STEPS as many as it says.
    """
    # Nobody pulls the plug of this machine between two steps, and fsync is most of the journal's time.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    clock = VirtualClock()
    cloud = Cloud(CloudSettings(boot_ranges_s=((0, 10.0, 30.0),), ip_after_s=5.0), clock)
    with InProcessServer(cloud) as server, ram_folder() as folder:
        StackLives.server, StackLives.clock, StackLives.directory = server, clock, folder
        StackLives.steps = StackLives.lives = StackLives.broken = 0
        StackLives.seen = Counter()
        try:
            live(StackLives, lives=max(LIVES, STEPS_WANTED // STEPS_OF_A_LIFE), steps_per_life=STEPS_PER_LIFE)
        except BaseException:
            StackLives.broken = max(1, StackLives.broken)
            raise
        finally:
            seen = StackLives.seen
            record_property(
                SUMMARY_LINE,
                f"stateful: {StackLives.steps} steps, {StackLives.broken} broken invariants\n"
                f"stateful: in {StackLives.lives} lives met "
                + ", ".join(f"{name} {count}" for name, count in sorted(seen.items())),
            )
    assert StackLives.steps >= STEPS_AT_LEAST
    missed = [name for name in (*OUTCOMES, *(MET_IN_A_FULL_RUN if FULL else ())) if not seen[name]]
    assert not missed, f"the lives were too quiet to prove anything: {missed} never happened"
