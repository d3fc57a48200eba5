"""Looks at the account again and again, in one thread, and leaves a snapshot of what it saw."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from sophia_infra.exporter.clusters import ClusterMembers
from sophia_infra.exporter.machines import Fleet, see_fleet
from sophia_infra.exporter.meter import Meter
from sophia_infra.exporter.snapshot import Market, Snapshot, dollars_of
from sophia_infra.exporter.state_file import StateFile
from sophia_infra.exporter.timing import ASKED_AT_MOST_S, REFUSED_POLL_S, SIDE_POLL_S, Timing
from sophia_infra.lambda_cloud import LambdaCloud, LambdaCloudError, Outcome, outcome_of
from sophia_infra.model.clock import Clock
from sophia_infra.monitoring.exporter_settings import ExporterSettings

__all__ = ["Poller"]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Side:
    """A list that is read now and then, after the machines."""

    name: str
    read: Callable[[float], None]
    due_s: float = 0.0
    is_failing: bool = False


class Poller:
    """One GET /instances an interval; every five minutes GET /instance-types and GET /file-systems beside it.

    Args:
        settings: of the stack.
        cloud: a client whose lists are over before the next is due; see `Timing`.
        clock: of the cloud.
        state: where the meter is kept; nowhere when None.

    Raises:
        StateUnusable: the state file cannot be read.
    """

    def __init__(
        self, settings: ExporterSettings, cloud: LambdaCloud, clock: Clock, state: StateFile | None = None
    ) -> None:
        self._settings = settings
        self._cloud = cloud
        self._clock = clock
        self._state = state
        self._timing = Timing(settings.poll_s)
        self._meter = Meter() if state is None else state.load()
        self._members = ClusterMembers(settings.clusters, cloud, clock)
        self._regions = frozenset(settings.regions)
        self._sides = (
            _Side("prices and capacity", self._read_market),
            _Side("filesystems", self._read_filesystems),
        )
        self._said: Outcome = "ok"
        self.snapshot = Snapshot()
        """What is shown now: replaced as a whole, so that any thread may read it."""

    def run(self, stop: threading.Event) -> None:
        """Poll until `stop`, which is noticed between two polls. Lives through whatever a poll raises."""
        while not stop.is_set():
            try:
                due_s = self.poll()
            except Exception:
                _log.exception("a poll failed inside the exporter; the next one is due as usual")
                self.snapshot = replace(self.snapshot, was_tried=True, is_up=False)
                due_s = self._clock.now() + self._timing.poll_s
            self._clock.sleep(due_s - self._clock.now())

    def poll(self) -> float:
        """Read the machines once, and one of the side lists when its time has come.

        Returns:
            When the next poll is due, seconds since 1970.
        """
        began_s = self._clock.now()
        try:
            instances = self._cloud.list_instances()
            clustered = self._members.among(instances)
        except LambdaCloudError as error:
            return self._miss(error, began_s)
        fleet = see_fleet(self._settings, instances, clustered)
        now_s = self._clock.now()
        self._meter.see(fleet.machines, now_s)
        self._publish("ok", began_s, now_s, fleet)
        self._say("ok", "the account answers again")
        if now_s - began_s <= self._timing.patience_s:
            self._read_side()
        return began_s + self._timing.poll_s

    def _miss(self, error: LambdaCloudError, began_s: float) -> float:
        outcome = outcome_of(error)
        now_s = self._clock.now()
        self._meter.pass_time(now_s)
        self._publish(outcome, began_s, now_s, self.snapshot.fleet)
        if outcome in ("unauthorized", "forbidden"):
            goes_on = "when it answers, counting goes on; another LAMBDA_API_KEY is read at a start only."
            self._say(outcome, f"{error} Asked again every {REFUSED_POLL_S:.0f} s: {goes_on}")
            return began_s + max(REFUSED_POLL_S, self._timing.poll_s)
        self._say(outcome, str(error))
        asked_s = min(error.retry_after_s or 0.0, ASKED_AT_MOST_S)
        return max(began_s + self._timing.poll_s, now_s + asked_s)

    def _publish(self, outcome: Outcome, began_s: float, now_s: float, fleet: Fleet | None) -> None:
        shown = self.snapshot
        is_up = outcome == "ok"
        if fleet is not None and self._state is not None:
            # Before it is shown: after a kill no counter begins below what was seen of it.
            self._state.save(self._meter)
        self.snapshot = replace(
            shown,
            was_tried=True,
            is_up=is_up,
            polls={**shown.polls, outcome: shown.polls[outcome] + 1},
            duration_s=now_s - began_s,
            listed_at_s=began_s if is_up else shown.listed_at_s,
            fleet=fleet,
            dollars=None if fleet is None else dollars_of(fleet, self._meter, now_s),
        )

    def _say(self, outcome: Outcome, text: str) -> None:
        """One line when it changes how the account answers, none while it stays."""
        if outcome != self._said:
            _log.log(logging.INFO if outcome == "ok" else logging.WARNING, "%s", text)
        self._said = outcome

    def _read_side(self) -> None:
        """At most one a poll, so that no poll is long."""
        now_s = self._clock.now()
        side = min(self._sides, key=lambda side: side.due_s)
        if side.due_s > now_s:
            return
        try:
            side.read(now_s)
            side.due_s, side.is_failing = now_s + SIDE_POLL_S, False
        except LambdaCloudError as error:
            if not side.is_failing:
                _log.warning(
                    "%s stay as they were, and are read again in %.0f s: %s", side.name, REFUSED_POLL_S, error
                )
            side.due_s, side.is_failing = now_s + REFUSED_POLL_S, True

    def _read_market(self, now_s: float) -> None:
        sold = self._cloud.list_instance_types()
        # A region that has no room for anything is in no answer: once seen, it is shown as full.
        self._regions |= {code for row in sold.values() for code in row.regions_with_capacity}
        market = Market.of(sold, now_s, types=self._settings.types, regions=self._regions)
        self.snapshot = replace(self.snapshot, market=market)

    def _read_filesystems(self, _now_s: float) -> None:
        self.snapshot = replace(self.snapshot, filesystems=tuple(self._cloud.list_filesystems()))
