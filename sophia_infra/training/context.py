"""What the steps of one run share: its record, its session with the cloud, its limits, its lost nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from sophia_infra.lambda_cloud import Instance, LambdaCloud, LambdaCloudError
from sophia_infra.model.clock import Clock
from sophia_infra.provider.instance_spec import LIVE_STATUSES
from sophia_infra.provider.run_tags import RunTags
from sophia_infra.provider.session import Session, Waits
from sophia_infra.training.access import MachineAccess, Node
from sophia_infra.training.caps import ending_reserve_s
from sophia_infra.training.errors import CapReached, NodesLost, RunStopped, TrainingError
from sophia_infra.training.gang import BootText
from sophia_infra.training.history import Fate, Launch, LaunchHistory
from sophia_infra.training.machines import ask_to_end, find_machines
from sophia_infra.training.run_folder import RunFolder
from sophia_infra.training.run_spec import Choice, RunSpec
from sophia_infra.training.run_state import MachineRecord, RunState

__all__ = ["COLLECT_S", "LEAST_LEFT_S", "RunContext", "RunMeans"]

LEAST_LEFT_S: Final = 1800.0
"""What has to be left of the limits for a launch after the planned ones: a boot may take 25 min."""
COLLECT_S: Final = 300.0
"""How long before its deadline a job is ended, so that its results can still be copied."""


@dataclass(frozen=True, slots=True)
class RunMeans:
    """What a run is carried out with.

    Attributes:
        variables: environment of the command, by name; secrets.
        boot_text: see `gang.BootText`.
        ensure_watchdog: called before the first launch and at every look: makes sure that one lives.
        say: prints one line of progress.
    """

    client: LambdaCloud
    clock: Clock
    access: MachineAccess
    history: LaunchHistory
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    boot_text: BootText = lambda _number: None
    ensure_watchdog: Callable[[], None] = lambda: None
    say: Callable[[str], None] = lambda _line: None
    waits: Waits = field(default_factory=Waits)


class RunContext:
    """One run under way in this process, which holds its lock."""

    def __init__(self, folder: RunFolder, means: RunMeans) -> None:
        self.folder = folder
        self.means = means
        self.spec: RunSpec = folder.spec()
        self.state: RunState = folder.state()
        self.session = Session(
            means.client,
            means.clock,
            folder.journal,
            waits=means.waits,
            say=means.say,
            ensure_wanted=self.check_limits,
            stop_requested=lambda: folder.stop_asked or self.is_over(),
        )

    @property
    def now_s(self) -> float:
        return self.means.clock.now()

    @property
    def choice(self) -> Choice:
        return self.spec.choices[self.state.choice]

    def is_over(self) -> bool:
        """Whether the deadline, or the cap in dollars with what ending takes, has been reached."""
        now_s = self.now_s
        if self.state.deadline_s is not None and now_s >= self.state.deadline_s:
            return True
        living = self.state.living.values()
        rate = sum((one.usd_per_hour for one in living), Decimal(0))
        reserve_s = int(ending_reserve_s(len(living), 0.0))
        return self.state.usd(now_s) + rate * reserve_s / 3600 >= self.spec.max_usd

    def check_limits(self, early_s: float = 0.0) -> None:
        """Raise when the run has to end; `early_s`: seconds before the deadline that count as reached.

        Raises:
            RunStopped, CapReached.
        """
        if self.folder.stop_asked:
            raise RunStopped(f"Run {self.spec.run_id} was stopped on request.", next_step="run it again.")
        near = self.state.deadline_s is not None and self.now_s >= self.state.deadline_s - early_s
        if near or self.is_over():
            limit = (
                f"{self.spec.max_hours} h"
                if self.state.deadline_by == "max_hours"
                else f"${self.spec.max_usd}"
            )
            raise CapReached(
                f"Run {self.spec.run_id} was ended at its limit of {limit}.",
                next_step="go on from the last checkpoint in a new run, or raise the limit.",
            )

    def save(self) -> None:
        """Write the state; every step does so before it relies on it."""
        self.state.attended_s = self.now_s
        self.folder.write_state(self.state)

    def rows(self) -> list[Instance]:
        """The account's list; waits out a service that does not answer, as long as the limits allow."""
        while True:
            try:
                return self.session.instances.rows(self.session.waits.poll_s / 2)
            except LambdaCloudError as error:
                if not error.retry:
                    raise
                self.means.say(f"the list could not be read, trying on: {error}")
                self.check_limits()
                self.means.clock.sleep(self.spec.poll_s)

    def sync(self, rows: Iterable[Instance] | None = None) -> dict[int, Instance]:
        """Bring the record up to the list (read now when None); node number -> its machine as listed.

        A machine that an earlier process launched and could not note is added with the times of its tags.
        One that was lost is asked to end until it has.
        """
        listed: dict[int, Instance] = {}
        found = find_machines(self.rows() if rows is None else rows, self.spec.stack, self.spec.run_id)
        # A living machine stands for its number before one that is ending.
        for row in sorted(found, key=lambda row: row.status in LIVE_STATUSES):
            record = self.note_listed(row)
            record.address, record.private_address = row.ip, row.private_ip
            listed[record.number] = row
        billed = {row.id for row in found}
        for record in self.state.living.values():
            if record.lost_because is not None and record.id not in billed:
                self.note_ended(record)
        ask_to_end(self.session, [row for row in found if self.state.machines[row.id].lost_because])
        return listed

    def note_listed(self, row: Instance) -> MachineRecord:
        """The record of a machine of this run, as its tags say."""
        tags = RunTags.of(row.tags)
        if tags is None:
            raise ValueError(f"instance {row.id} has no tags of a run")
        record = self.note(row.id, tags.number, tags.launched_at_s)
        record.usd_per_hour = row.instance_type.usd_per_hour
        return record

    def note(self, instance_id: str, number: int, launched_at_s: float | None) -> MachineRecord:
        """The record of a machine of the present choice, made when it is new; never a later launch time."""
        launched_s = self.now_s if launched_at_s is None else float(launched_at_s)
        record = self.state.machines.get(instance_id)
        if record is None:
            choice = self.choice
            record = self.state.machines[instance_id] = MachineRecord(
                instance_id, number, choice.instance_type, choice.region, choice.usd_per_hour, launched_s
            )
        record.launched_at_s = min(record.launched_at_s, launched_s)
        return record

    def note_ended(self, record: MachineRecord) -> None:
        """Its machine has ended: it costs no more, and nothing of it is left where it had joined."""
        if record.ended_at_s is None:
            self.means.access.forget(_node(record))
            record.ended_at_s = self.now_s

    def lose(self, lost: Mapping[int, str]) -> None:
        """Go on without these nodes (number -> why); what is left of their machines ends meanwhile.

        Raises:
            NodesLost: too few are left, and they are not replaced.
        """
        for number, why in lost.items():
            self.means.say(f"node {number} is lost: {why}")
            self.state.living[number].lost_because = why
        self.save()
        if len(self.left()) < self.spec.min_nodes and not self.spec.replace_lost:
            raise NodesLost(
                f"Run {self.spec.run_id} has {len(self.left())} of {self.spec.nodes} nodes left and needs "
                f"{self.spec.min_nodes}: " + "; ".join(f"node {n}: {why}" for n, why in lost.items()) + ".",
                next_step="run it again; with a lower `min_nodes` it goes on with fewer, and with "
                "`replace_lost` they are launched again.",
            )

    def left(self) -> list[MachineRecord]:
        """The living machines that are not lost, by node number; those too that still boot."""
        living = sorted(self.state.living.values(), key=lambda one: one.number)
        return [one for one in living if one.lost_because is None]

    def missing(self) -> list[int]:
        """Numbers of nodes without a machine. One whose lost machine has not ended yet is not among them."""
        living = self.state.living
        return [number for number in range(1, self.spec.nodes + 1) if number not in living]

    def nodes(self) -> list[Node]:
        """The nodes that have come up and are not lost, by number."""
        return [_node(one) for one in self.left() if one.ready_at_s is not None]

    def answers(self, record: MachineRecord) -> bool:
        """Whether that machine takes commands yet."""
        return self.means.access.answers(_node(record))

    def remember(self, fate: Fate) -> None:
        """Note for the odds of later launches what became of this one."""
        at = self.choice
        launch = Launch(self.now_s, at.instance_type, at.region, self.spec.nodes, fate)
        self.means.history.add(launch)

    def look_again(self, early_s: float = 0.0) -> None:
        """Wait one poll, with the heartbeat, the watchdog and the limits looked after."""
        self.check_limits(early_s)
        try:
            self.means.ensure_watchdog()
        except TrainingError as error:
            self.means.say(str(error))  # the run goes on: its starter lives, and holds the limits itself
        self.save()
        self.means.clock.sleep(self._until_next(early_s))

    def _until_next(self, early_s: float) -> float:
        """Seconds of a poll, fewer when the deadline is nearer."""
        if self.state.deadline_s is None:
            return self.spec.poll_s
        return max(1.0, min(self.spec.poll_s, self.state.deadline_s - early_s - self.now_s))


def _node(record: MachineRecord) -> Node:
    return Node(record.number, record.id, record.address or "", record.private_address)
