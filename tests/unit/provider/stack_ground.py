"""What a life of a stack stands on: its account, its file, its engine, and how each is changed and asked."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis.stateful import RuleBasedStateMachine

from sophia_infra.emulator.errors import Refused
from sophia_infra.emulator.launch_orders import LaunchOrder
from sophia_infra.lambda_cloud import LambdaCloudError
from sophia_infra.model.clock import VirtualClock
from sophia_infra.operations.doctor import Finding, FindingKind, examine, ids_in_state
from sophia_infra.provider.errors import ProviderError
from sophia_infra.provider.instance_end import terminate
from sophia_infra.provider.instance_spec import InstanceSpec
from sophia_infra.provider.session import Session, Waits
from sophia_infra.provider.tags import NAME_TAG, STACK_TAG
from tests.unit.provider.in_process import InProcessServer
from tests.unit.provider.simulated_engine import (
    INSTANCE,
    Doom,
    Engine,
    Failed,
    Killed,
    Resource,
    doomed_session,
)
from tests.unit.provider.stack_wishes import (
    HOME_REGION,
    HOME_TYPE,
    STACK_KEY,
    STACK_PUBLIC_KEY,
    Edit,
    Want,
    instance_props,
)
from tests.unit.provider.stage import KEY_NAME, LIVE, STACK, Stage


class StackGround(RuleBasedStateMachine):
    """One stack and the model of it: plain sets. The rules of its lives are in test_stateful.py."""

    server: ClassVar[InProcessServer]
    clock: ClassVar[VirtualClock]
    directory: ClassVar[Path]
    steps: ClassVar[int]
    lives: ClassVar[int]
    broken: ClassVar[int]
    seen: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        cls = type(self)
        cls.lives += 1
        self.server.cloud.reset()
        self.stage = Stage(self.server.url, self.server.cloud, self.clock, self.directory / str(self.lives))
        self.base = self.stage.session(Waits(poll_s=10))
        self.engine = Engine()
        # The model: plain sets of what is wanted, of whose is what, and of what was ended on purpose.
        self.wanted: dict[str, Want] = {}
        self.disks: set[str] = set()
        self.foreign: set[str] = set()
        self.foreign_disks: set[str] = set()
        self.ended: set[str] = set()
        self.released: set[str] = set()
        self.born: dict[str, tuple[str, tuple[object, ...]]] = {}
        self.from_broken_runs: set[str] = set()
        self.strays: set[str] = set()
        self.to_adopt: list[str] = []
        self.first_look = True

    def teardown(self) -> None:
        self.stage.close()

    def _edit(self, label: str, edit: Edit) -> None:
        """Change one thing of one machine in the file; some edits make no sense for some and do nothing."""
        what, value = edit
        want = self.wanted.get(label)
        if what == "asked for":
            if want is None:
                instance_type, region, fallback = value
                self.wanted[label] = Want(instance_type, region, name=label, fallback=fallback)
        elif what == "adopted":
            if want is None:
                self._adopt(label)
        elif want is None:
            return
        elif what == "taken out":
            del self.wanted[label]
            if want.adopt is not None:
                self.released.add(want.adopt)
        elif what == "name":
            self._change(label, name=value)
        elif want.adopt is None:
            self._edit_own(label, want, what, value)

    def _edit_own(self, label: str, want: Want, what: str, value: Any) -> None:
        if what == "generation":
            self._change(label, generation=max(1, want.generation + value))
        elif what == "region":
            self._change(label, region=value, disk=want.disk if value == HOME_REGION else None)
        elif what != "disk":
            self._change(label, **{what: value})
        elif want.region == HOME_REGION:
            self.disks.add(value)
            self._change(label, disk=value)

    def _adopt(self, label: str) -> None:
        adopted = {want.adopt for want in self.wanted.values()}
        if not self.foreign - self.released - self.ended - adopted:
            self._launch_for_somebody_else()
        free = [one for one in self.stage.live() if one in self.foreign - self.released - adopted]
        if free:
            self.wanted[label] = Want(name=label, adopt=free[0])

    def _make_a_filesystem_for_somebody_else(self, disk: str) -> None:
        # Made within five minutes of an unanswered request of ours, nobody could tell it from ours.
        self.clock.advance(301)
        if disk not in {row["name"] for row in self._dump()["filesystems"]}:
            with self.stage.cloud.lock:
                self.foreign_disks.add(self.stage.cloud.filesystems.create(disk, HOME_REGION).id)

    def _launch_for_somebody_else(self) -> None:
        order = LaunchOrder(HOME_REGION, HOME_TYPE, [KEY_NAME], name="somebody else's")
        with self.stage.cloud.lock, contextlib.suppress(Refused):
            if len(self.foreign) < 5:
                self.foreign.add(self.stage.cloud.instances.launch(order).id)

    def _change(self, label: str, **changes: Any) -> None:
        self.wanted[label] = dataclasses.replace(self.wanted[label], **changes)

    def _dump(self) -> dict[str, Any]:
        return self.stage.cloud.dump()

    def _program(self) -> list[Resource]:
        wanted = dict(self.wanted)

        def fixed(props: dict[str, Any]) -> Callable[[Any], dict[str, Any]]:
            return lambda _: props

        def ready(ids: Any) -> dict[str, Any]:
            return {"stack": STACK, "instances": {label: ids[label] for label in wanted}}

        return [
            Resource("key", "ssh-key", fixed({"name": STACK_KEY, "public_key": STACK_PUBLIC_KEY})),
            *(
                Resource("filesystem", disk, fixed({"stack": STACK, "name": disk, "region": HOME_REGION}))
                for disk in sorted(self.disks)
            ),
            *(
                Resource(INSTANCE, label, fixed(instance_props(label, want)), want.terminate_first)
                for label, want in wanted.items()
            ),
            Resource("ready", "fleet-ready", ready),
        ]

    def _update(self, kill_at: int | None, **how: Any) -> str:
        program = self._program()
        unchanged = self._unchanged()
        outcome = self._run(lambda session, doom: self.engine.update(program, session, doom, **how), kill_at)
        lost = unchanged - set(self.stage.live()) - self._disks_and_keys()
        assert not lost, f"things that nobody asked to change were ended: {lost}"
        return outcome

    def _disks_and_keys(self) -> set[str]:
        dump = self._dump()
        return {row["id"] for row in (*dump["filesystems"], *dump["ssh_keys"])}

    def _unchanged(self) -> set[str]:
        """What the state holds for a wish that it still fulfils."""
        there = self._disks_and_keys()
        found = {
            entry.id
            for entry in self.engine.state
            if entry.id in there and not entry.delete and (entry.kind == "key" or entry.name in self.disks)
        }
        live = set(self.stage.live())
        for label, want in self.wanted.items():
            entry = self.engine.current(INSTANCE, label)
            if entry is None or entry.id not in live:
                continue
            if entry.id == want.adopt or self.born.get(entry.id) == (label, want.machine):
                found.add(entry.id)
        return found

    def _run(self, call: Callable[[Session, Doom], None], kill_at: int | None) -> str:
        """Run in a new provider process; "done", "failed" or "killed"."""
        doom = Doom(kill_at)
        try:
            call(doomed_session(self.base, doom), doom)
            outcome = "done"
        except Failed as failure:
            self.last_failure: object = failure
            outcome = "failed"
            self.seen.update(type(error).__name__ for error in failure.args[0])
        except Killed:
            outcome = "killed"
        self.seen[f"{outcome} runs"] += 1
        held = {entry.id for entry in self.engine.state}
        dump = self._dump()
        if outcome != "done":
            # A filesystem or key that no state holds: found again by its name, unless nobody asks for it.
            others = {row["id"] for row in (*dump["filesystems"], *dump["ssh_keys"][1:])}
            self.strays |= others - held - self.foreign_disks
        for row in dump["instances"]:
            if row["tags"].get(STACK_TAG) == STACK and row["id"] not in self.born:
                label = row["tags"][NAME_TAG]
                self.born[row["id"]] = (label, self.wanted[label].machine)
                if outcome != "done" and row["id"] not in held:
                    self.from_broken_runs.add(row["id"])
        return outcome

    def _examine(self) -> list[Finding]:
        """What the doctor finds once the list shows everything, with the stack file as it is now."""
        lag_s = self.stage.cloud.settings.list_lag_s
        with self.stage.cloud.lock:
            rules, self.stage.cloud.faults._rules = self.stage.cloud.faults._rules, {}
        self.stage.set(list_lag_s=0)
        machines = self.base.client.list_instances()
        self.stage.set(list_lag_s=lag_s)
        with self.stage.cloud.lock:
            self.stage.cloud.faults._rules = rules
        keys = {
            str(InstanceSpec.of(instance_props(label, want)).launch_key)
            for label, want in self.wanted.items()
            if want.adopt is None
        }
        intents = self.base.journal.list()
        return examine(STACK, self.engine.deployment(), machines, intents, self.clock.now(), wanted=keys)

    def _heal(self) -> None:
        """The service is well again, what it had begun is visible, and the user corrects the file."""
        with self.stage.cloud.lock:
            self.stage.cloud.faults.clear()
        for instance_type in ("gpu_1x_a10", "gpu_1x_a6000"):
            for region in ("us-east-1", "us-west-1", "us-west-2"):
                self.stage.cloud.set_capacity(instance_type, region, None)
        self.clock.advance(61)
        statuses = {row["id"]: row["status"] for row in self.stage.instances()}
        for label, want in list(self.wanted.items()):
            if want.adopt is not None:
                if statuses[want.adopt] not in LIVE:
                    del self.wanted[label]
                elif statuses[want.adopt] == "unhealthy":
                    self.stage.happens_outside(want.adopt, "active")
        for one, status in statuses.items():
            if status == "unhealthy" and one in self.born:
                label, machine = self.born[one]
                wish = self.wanted.get(label)
                if wish is not None and wish.machine == machine:
                    self._change(label, generation=wish.generation + 1)

    def _follow_the_doctor(self) -> None:
        """The fixes that are not "run an update"; an update follows anyway."""
        for finding in self._examine():
            if finding.kind in {FindingKind.ORPHAN, FindingKind.DUPLICATE}:
                self._terminate_as_told(finding)
            elif finding.kind is FindingKind.LEFTOVER:
                for entry in list(self.engine.state):
                    if entry.delete and entry.id == finding.instance_id:
                        self.engine.state.remove(entry)

    def _terminate_as_told(self, finding: Finding) -> None:
        assert f"--terminate {finding.instance_id}" in finding.fix
        assert finding.instance_id not in ids_in_state(self.engine.deployment())
        try:
            terminate(self.stage.session(Waits(poll_s=10)), finding.instance_id, finding.name)
        except (LambdaCloudError, ProviderError) as error:
            pytest.fail(f"the doctor's own fix failed: {error}")
        self.ended.add(finding.instance_id)
