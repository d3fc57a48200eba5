"""A group of nodes in the Lambda Cloud emulator, in this process and in its time.

Boot times, the pace of launches, refusals and the bill are the emulator's own. What it does not know is added
here: a node joins the cluster and loads a model after it is active, and is drained before it is terminated.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from sophia_infra.emulator.cloud import Cloud
from sophia_infra.emulator.errors import Refused
from sophia_infra.emulator.instances import ENDED
from sophia_infra.emulator.launch_orders import LaunchOrder
from sophia_infra.emulator.records import InstanceRecord
from sophia_infra.emulator.settings import CloudSettings
from sophia_infra.model.clock import VirtualClock
from sophia_infra.scaling.fleet import FleetView

__all__ = ["EmulatedFleet"]

_KEY: Final = "replay"
_INTENT: Final = "sophia-intent"


class EmulatedFleet:
    """Implements `Actuator` on an account of its own.

    Args:
        clock: shared with whoever scales; `tick` moves it.
        instance_type, region: of all nodes.
        join_s: from active until a node takes load.
        drain_s: from the decision to release until nothing runs on the node any more.
        seed: of boot times.
        unhealthy_share: of launches that come up unhealthy; they are terminated when that is seen.
    """

    def __init__(
        self,
        clock: VirtualClock,
        *,
        instance_type: str,
        region: str,
        join_s: float,
        drain_s: float,
        seed: int = 0,
        unhealthy_share: float = 0.0,
    ) -> None:
        settings = CloudSettings(seed=seed, limits="json", unhealthy_boot_share=unhealthy_share)
        self.cloud = Cloud(settings, clock)
        self.cloud.ssh_keys.add(_KEY, "ssh-ed25519 replay")
        self._clock = clock
        self._type, self._region = instance_type, region
        self._join_s, self._drain_s = join_s, drain_s
        self._active_since: dict[str, float] = {}
        self._draining_until: dict[str, float] = {}
        self._last_launch_s: float | None = None
        self._last_release_s: float | None = None
        self.launches = 0
        self.refused = 0

    @property
    def ready(self) -> int:
        """Nodes that take load now."""
        return len(self._ready())

    @property
    def usd(self) -> Decimal:
        """Billed so far, at list price."""
        return Decimal(self.cloud.meter.totals()["usd_instances"])

    @property
    def node_hours(self) -> float:
        """From launch to end of every node, ended or not."""
        now_s = self._clock.now()
        records = self.cloud.core.state.instances.values()
        return (
            sum(
                (one.ended_at_s if one.ended_at_s is not None else now_s) - one.launched_at_s
                for one in records
            )
            / 3600
        )

    def set_room(self, room: int | None) -> None:
        """Room for so many nodes in the region (None: no limit): what Lambda has, not what one may have."""
        self.cloud.set_capacity(self._type, self._region, room)

    def tick(self, duration_s: float) -> None:
        """Let time pass; then end nodes that have drained, or came up unhealthy."""
        self.cloud.advance(duration_s)
        now_s = self._clock.now()
        ending = []
        for one in self._live():
            if one.status == "active":
                self._active_since.setdefault(one.id, now_s)
            if one.status == "unhealthy" or self._draining_until.get(one.id, now_s + 1) <= now_s:
                ending.append(one.id)
        if ending:
            self.cloud.instances.terminate(ending)
            for node in ending:
                self._draining_until.pop(node, None)

    def look(self) -> FleetView:
        live = self._live()
        ready = {one.id for one in self._ready()}
        leaving = [one for one in live if one.status == "terminating" or one.id in self._draining_until]
        return FleetView(
            seen_at_s=self._clock.now(),
            ready=len(ready),
            coming=len(live) - len(ready) - len(leaving),
            leaving=len(leaving),
            last_launch_s=self._last_launch_s,
            last_release_s=self._last_release_s,
        )

    def launch(self, count: int, *, intent: str) -> int:
        """As many as pace and capacity allow now."""
        done = 0
        known = {tag.value for one in self._live() for tag in one.tags if tag.key == _INTENT}
        for number in range(1, count + 1):
            key = f"{intent}:{number}"
            if key in known:
                continue
            if self.cloud.limits.seconds_to_wait(launch=True) > 0:
                break
            order = LaunchOrder(
                region=self._region,
                instance_type=self._type,
                ssh_key_names=[_KEY],
                tags=[{"key": _INTENT, "value": key}],
            )
            try:
                self.cloud.instances.launch(order)
            except Refused:
                self.refused += 1
                break
            done += 1
        if done:
            self._last_launch_s = self._clock.now()
            self.launches += done
        return done

    def release(self, count: int, *, intent: str) -> int:  # noqa: ARG002 (a node drains once, whoever asks)
        """Begin to drain the youngest ready nodes."""
        leaving = sorted(self._ready(), key=lambda one: one.launched_at_s, reverse=True)[:count]
        now_s = self._clock.now()
        for one in leaving:
            self._draining_until[one.id] = now_s + self._drain_s
        if leaving:
            self._last_release_s = now_s
        return len(leaving)

    def preload(self, count: int, step_s: float) -> None:
        """Have `count` nodes ready before anything begins; time passes."""
        for number in range(count):
            while not self.launch(1, intent=f"preload:{number}"):
                self.tick(step_s)
        while self.ready < count:
            self.tick(step_s)
        self._last_launch_s = None
        self.launches = 0

    def _live(self) -> list[InstanceRecord]:
        return [one for one in self.cloud.instances.ever() if one.status not in ENDED]

    def _ready(self) -> list[InstanceRecord]:
        latest_s = self._clock.now() - self._join_s
        return [
            one
            for one in self._live()
            if one.status == "active"
            and one.id not in self._draining_until
            and self._active_since.get(one.id, latest_s + 1) <= latest_s
        ]
