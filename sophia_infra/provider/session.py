"""What the resources of one update share: the client, the lists they read, and what the state held.

One provider process serves one update. Its resources see one list of instances instead of a request
each (1 request/s: 64 instances would take 64 s), and they must know which machines the state already
holds, because a tag alone cannot tell a machine to adopt from a machine to replace.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from sophia_infra.lambda_cloud import Filesystem, FirewallRuleset, Instance, LambdaCloud, SshKey
from sophia_infra.model.clock import Clock
from sophia_infra.provider.journal import Journal
from sophia_infra.provider.tags import Owner

__all__ = ["Memory", "Session", "SharedList", "Waits"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Waits:
    """How long to wait for what, in seconds.

    Attributes:
        poll_s: between two lists while waiting; one list serves every resource that waits. Default 5.
        list_lag_s: how old a launch may be and still be missing from the list. Not documented by the
            service; 60 is six times the slowest launch answer seen (8.9 s, facts 1.6).
        capacity_poll_s: between two looks at capacity while waiting for it. Default 30.
        terminate_s: until a terminate must have taken the machine off the list. Default 900.
        in_use_s: until a filesystem or ruleset must be free of its ended instances. Default 900.
        fresh_s: how old a shared list may be where a decision spends money. Default 30.
        refresh_s: how old it may be for a plain read. Default 300: one list serves a whole refresh.
    """

    poll_s: float = 5.0
    list_lag_s: float = 60.0
    capacity_poll_s: float = 30.0
    terminate_s: float = 900.0
    in_use_s: float = 900.0
    fresh_s: float = 30.0
    refresh_s: float = 300.0


class SharedList(Generic[T]):
    """One list call that serves every caller for a while; callers in other threads wait for it."""

    def __init__(self, fetch: Callable[[], list[T]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._rows: list[T] = []
        self._fetched_at_s: float | None = None

    def rows(self, max_age_s: float) -> list[T]:
        """The rows, fetched again when older than `max_age_s` seconds or made stale. Raises as the fetch."""
        with self._lock:
            if self._fetched_at_s is None or self._clock.now() - self._fetched_at_s > max_age_s:
                # The age counts from before the request: what happened during it may be missing.
                started_s = self._clock.now()
                self._rows = self._fetch()
                self._fetched_at_s = started_s
            return list(self._rows)

    def make_stale(self) -> None:
        """Forget the rows: something was just written."""
        with self._lock:
            self._fetched_at_s = None


class Memory:
    """What the engine's calls of this process have told about the state. Safe between threads.

    A tag says whose a machine is, not whether the state holds it. `diff` is called with the id of every
    resource that the state holds, before anything of it is created or deleted: so a machine of an owner
    that was never seen here is in no state. Machines that this update keeps, or has just handed out, are
    remembered because nothing may terminate them: the engine deletes "the old one" of a replacement by id.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_state: dict[Owner, set[str]] = defaultdict(set)
        self._kept: dict[str, str] = {}
        self._handed_out: set[str] = set()
        self._launch_locks: dict[Owner, threading.Lock] = defaultdict(threading.Lock)

    def saw_in_state(self, owner: Owner, resource_id: str, *, kept: bool) -> None:
        """The state holds this machine for `owner`; `kept`: and this update does not replace it."""
        with self._lock:
            self._in_state[owner].add(resource_id)
            if kept:
                self._kept[resource_id] = owner.name
            else:
                self._kept.pop(resource_id, None)

    def keep(self, resource_id: str, name: str) -> None:
        """The state holds this resource as `name`, and this update does not replace it."""
        with self._lock:
            self._kept[resource_id] = name

    def in_state(self, owner: Owner) -> frozenset[str]:
        """The ids that the state was seen to hold for `owner`."""
        with self._lock:
            return frozenset(self._in_state[owner])

    def kept_as(self, resource_id: str) -> str | None:
        """The name under which this update keeps the resource, None when it does not."""
        with self._lock:
            return self._kept.get(resource_id)

    def hand_out(self, resource_id: str) -> None:
        """The engine was just given this as a new resource."""
        with self._lock:
            self._handed_out.add(resource_id)

    def was_handed_out(self, resource_id: str) -> bool:
        with self._lock:
            return resource_id in self._handed_out

    def launch_lock(self, owner: Owner) -> threading.Lock:
        """One launch per owner at a time."""
        with self._lock:
            return self._launch_locks[owner]


class Session:
    """The shared things of one update.

    Args:
        client: the API client, paced.
        clock: the time of the cloud (scaled for the emulator).
        journal: launch intents of this machine.
        waits: deadlines and intervals.
        say: prints one line of progress to the user.
        ensure_wanted: called right before a machine is launched; raises when nobody waits for it any more.
        stop_requested: whether the user asked to stop; looked at between the polls of a long wait.
        adopt_only: what exists may be taken over; nothing that costs money is made, and nothing is ended.
        may_found_clusters: whether credentials of a cluster may be made, which fit no node that is there.
    """

    def __init__(
        self,
        client: LambdaCloud,
        clock: Clock,
        journal: Journal,
        *,
        waits: Waits | None = None,
        say: Callable[[str], None] = print,
        ensure_wanted: Callable[[], None] = lambda: None,
        stop_requested: Callable[[], bool] = lambda: False,
        adopt_only: bool = False,
        may_found_clusters: bool = True,
    ) -> None:
        self.client = client
        self.clock = clock
        self.journal = journal
        self.waits = waits or Waits()
        self.say = say
        self.ensure_wanted = ensure_wanted
        self.stop_requested = stop_requested
        self.adopt_only = adopt_only
        self.may_found_clusters = may_found_clusters
        self.memory = Memory()
        self.launch_turn = threading.Lock()
        self.instances: SharedList[Instance] = SharedList(client.list_instances, clock)
        self.ssh_keys: SharedList[SshKey] = SharedList(client.list_ssh_keys, clock)
        self.filesystems: SharedList[Filesystem] = SharedList(client.list_filesystems, clock)
        self.firewall_rulesets: SharedList[FirewallRuleset] = SharedList(client.list_firewall_rulesets, clock)

    def may_turn_up(self, resource_id: str) -> bool:
        """Whether this machine was launched from here so lately that the list may not show it yet."""
        now_s = self.clock.now()
        return any(
            intent.resource_id == resource_id and 0 <= now_s - intent.begun_at_s < self.waits.list_lag_s
            for intent in self.journal.list()
        )

    def deadline(self, duration_s: float) -> Deadline:
        """A deadline `duration_s` seconds from now on the cloud's clock."""
        return Deadline(self.clock, self.clock.now() + duration_s)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on a clock, to be polled towards."""

    clock: Clock
    at_s: float

    @property
    def left_s(self) -> float:
        return self.at_s - self.clock.now()

    def pause(self, interval_s: float) -> bool:
        """Wait for `interval_s` seconds, less when the deadline is nearer. False: it had passed already."""
        if self.left_s <= 0:
            return False
        self.clock.sleep(min(interval_s, self.left_s))
        return True
