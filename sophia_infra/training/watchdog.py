"""The watchdog of a run: a process of its own that outlives the starter and ends the machines at the limits.

It launches nothing and needs nothing but the key and the list: what a machine may cost stands in its tags.
One lives for each run, by a lock that dies with it; any later `run`, `status` or `sweep` starts it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final

from sophia_infra.lambda_cloud import Instance, LambdaCloudError
from sophia_infra.provider.errors import ProviderError
from sophia_infra.provider.instance_spec import LIVE_STATUSES
from sophia_infra.provider.run_tags import RunTags
from sophia_infra.provider.session import Session
from sophia_infra.training.caps import Billed, billed_usd, ending_reserve_s
from sophia_infra.training.closing import close_dead_run
from sophia_infra.training.context import RunMeans
from sophia_infra.training.errors import RecordUnusable, RunHeld, TrainingError
from sophia_infra.training.machines import end_machines, find_machines, open_launches
from sophia_infra.training.run_folder import RunFolder
from sophia_infra.training.run_spec import RunSpec
from sophia_infra.training.run_state import Outcome, RunState

__all__ = ["Watchdog", "bill_of", "watch"]

_FIRST_LOOKS: Final = 3
"""Looks in which a run without machines and without a living starter is given time to begin."""


class Watchdog:
    """Looks again and again; `look` is one of them. Holds no lock: `watch` does."""

    def __init__(self, folder: RunFolder, means: RunMeans) -> None:
        self._folder = folder
        self._means = means
        self._spec: RunSpec = folder.spec()
        self._session = Session(means.client, means.clock, folder.journal, waits=means.waits, say=means.say)
        self._looks = 0

    @property
    def poll_s(self) -> float:
        return self._spec.poll_s

    def look(self) -> bool:
        """End what has to end. True: nothing is left to watch.

        Raises:
            LambdaCloudError, TrainingError: the service did not answer, or a machine did not end; look again.
        """
        self._looks += 1
        starter_lives = self._folder.is_held("starter")
        launching = open_launches(self._session)
        state = self._state()
        machines = find_machines(self._session.instances.rows(0), self._spec.stack, self._spec.run_id)
        living = [machine for machine in machines if machine.status in LIVE_STATUSES]
        why = self._reason(state, living, starter_lives)
        if why is not None and (living or not starter_lives):
            self._end(living, starter_lives, *why)
            return False
        if machines or launching or starter_lives:
            return False
        return state is None or state.phase == "ended" or self._looks >= _FIRST_LOOKS

    def _reason(
        self, state: RunState | None, living: Iterable[Instance], starter_lives: bool
    ) -> tuple[Outcome, str] | None:
        """Why the machines have to end now, None when they may go on."""
        living = list(living)
        now_s = self._means.clock.now()
        overdue = [row for row in living if (tags := RunTags.of(row.tags)) and tags.deadline_s <= now_s]
        if overdue:
            return "cap", "its deadline has passed"
        usd = bill_of(state, living, now_s)
        rate = sum((row.instance_type.usd_per_hour for row in living), Decimal(0))
        if (
            living
            and usd + rate * int(ending_reserve_s(len(living), self.poll_s)) / 3600 >= self._spec.max_usd
        ):
            return "cap", f"it has cost ${usd:.2f} of ${self._spec.max_usd}"
        if state is None or starter_lives or state.phase == "ended":
            ended = state is not None and state.phase == "ended" and living and not starter_lives
            return ("stopped", "its run has ended") if ended else None
        if self._folder.stop_asked:
            return "stopped", "it was asked to stop, and its starter is dead"
        if state.phase == "ending":
            return state.outcome or "stopped", "its starter died while it ended"
        if state.deadline_s is not None and state.deadline_s <= now_s:
            return "cap", "its deadline has passed"
        return None

    def _end(self, living: list[Instance], starter_lives: bool, outcome: Outcome, why: str) -> None:
        self._means.say(f"ending {len(living)} machines of run {self._spec.run_id}: {why}")
        if not starter_lives:
            try:
                close_dead_run(self._folder, self._means, outcome, f"Ended by its watchdog: {why}.")
                return
            except (RunHeld, RecordUnusable) as error:
                self._means.say(str(error))
        end_machines(self._session, living)

    def _state(self) -> RunState | None:
        """None when the record is gone: the tags still say all that matters."""
        try:
            return self._folder.state()
        except RecordUnusable as error:
            self._means.say(str(error))
            return None


def watch(folder: RunFolder, means: RunMeans) -> None:
    """Watch until nothing of the run is left; whatever fails is said and tried again at the next look.

    Raises:
        RunHeld: it has a watchdog already.
        RecordUnusable: the run was never recorded.
    """
    with folder.held("watchdog"):
        dog = Watchdog(folder, means)
        while not _look(dog, means.say):
            means.clock.sleep(dog.poll_s)


def _look(dog: Watchdog, say: Callable[[str], None]) -> bool:
    try:
        return dog.look()
    except (LambdaCloudError, ProviderError, TrainingError, OSError) as error:
        say(str(error))
        return False


def bill_of(state: RunState | None, listed: Iterable[Instance], now_s: float) -> Decimal:
    """Dollars so far, of the recorded machines and of listed ones that nobody could record."""
    recorded = {} if state is None else state.machines
    bills = [record.billed for record in recorded.values()]
    for row in listed:
        tags = RunTags.of(row.tags)
        if row.id not in recorded and tags is not None:
            launched_s = now_s if tags.launched_at_s is None else float(tags.launched_at_s)
            bills.append(Billed(row.instance_type.usd_per_hour, launched_s))
    return billed_usd(bills, now_s)
