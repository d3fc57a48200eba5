"""End machines of a pool: drained first, their node deleted, then asked to terminate until the list agrees.

A machine that is being ended is noted here before its node goes: a scaler that starts anew on this host goes
on. On another host it meets a machine without a node, and gives it up after the time a boot may take.
A note that cannot be written is said and passed over: a full disk launches nothing and keeps nothing billed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from sophia_infra.lambda_cloud import LambdaCloudError, NotFound
from sophia_infra.provider.errors import JournalUnwritable
from sophia_infra.provider.journal import Intent, Journal
from sophia_infra.provider.session import Session
from sophia_infra.scaling.nodes.cluster import NodeKeeper, NodeSeen
from sophia_infra.scaling.nodes.errors import ClusterUnavailable
from sophia_infra.scaling.nodes.settings import PoolSettings
from sophia_infra.scaling.nodes.viewing import BILLED_STATUSES, ScaledMachine

__all__ = ["Endings", "choose_release"]


def choose_release(
    ready: Sequence[ScaledMachine], nodes: Mapping[str, NodeSeen] | None, count: int
) -> list[ScaledMachine]:
    """The ones with the fewest pods that use GPUs, and of those the youngest."""

    def order(machine: ScaledMachine) -> tuple[int, float, str]:
        node = (nodes or {}).get(machine.name.name)
        return (node.gpu_pods if node else 0, -machine.launched_at_s, machine.id)

    return sorted(ready, key=order)[:count]


class Endings:
    """The way out of one scaler's machines.

    Args:
        keeper: of the cluster; None: machines are no nodes, and nothing can be drained.
        ensure_leading: raises when another scaler may act by now; called before every change.
    """

    def __init__(
        self,
        session: Session,
        stack: str,
        keeper: NodeKeeper | None,
        ensure_leading: Callable[[], None],
        on_problem: Callable[[str], None],
    ) -> None:
        self._session = session
        self._stack = stack
        self._keeper = keeper
        self._ensure_leading = ensure_leading
        self._on_problem = on_problem
        self._released_at_s: dict[str, float] = {}

    @property
    def _journal(self) -> Journal:
        return self._session.journal

    def noted(self, machines: Iterable[ScaledMachine], *, tidy: bool) -> dict[str, float]:
        """Id -> since when it is being ended, of machines that are still billed; others are forgotten."""
        billed = {one.id for one in machines if one.status in BILLED_STATUSES}
        found = {}
        for intent in self._journal.list():
            if not intent.key.startswith(f"{self._stack}/") or not intent.key.endswith("/ending"):
                continue
            if intent.resource_id in billed and intent.resource_id is not None:
                found[intent.resource_id] = intent.begun_at_s
            elif tidy:
                self._journal.forget(intent.key)
        return found

    def last_release_s(self, pool: str) -> float | None:
        """When a node of the pool was last released, by this process or from this host."""
        intent = self._journal.find(self._release_key(pool))
        noted_s = None if intent is None else min(intent.begun_at_s, self._session.clock.now())
        known_s = (noted_s, self._released_at_s.get(pool))
        return max((one for one in known_s if one is not None), default=None)

    def begin(self, pool: PoolSettings, machine: ScaledMachine) -> bool:
        """Release one node: cordon it, or end it where there is no cluster. Whether its machine was ended."""
        self._ensure_leading()
        now_s = self._session.clock.now()
        self._note_release(pool, machine, now_s)
        if self._keeper is None:
            self.end(machine)
            return True
        self._keeper.begin_drain(machine.name.name, now_s)
        return False

    def rescue(self, machine: ScaledMachine) -> None:
        """Take a node back that was being drained."""
        self._ensure_leading()
        if self._keeper is not None:
            self._keeper.end_drain(machine.name.name)

    def go_on(self, pool: PoolSettings, machine: ScaledMachine, node: NodeSeen | None) -> bool:
        """One step of a drain. True: it was empty, and the machine was asked to end.

        Where some pods stay after the limit the node is taken back: nobody's pod is killed to save money.
        """
        self._ensure_leading()
        if self._keeper is None:
            return False
        left = self._keeper.drain(machine.name.name)
        now_s = self._session.clock.now()
        since_s = node.draining_since_s if node and node.draining_since_s is not None else now_s
        # What is not ready runs nothing: nobody there would answer.
        if not left or (node is not None and not node.is_ready):
            self.end(machine)
            return True
        if now_s - since_s >= pool.drain_timeout_s:
            self._keeper.end_drain(machine.name.name)
            self._note_release(pool, machine, now_s)
            self._on_problem(
                f"{machine.name.name} is kept: {', '.join(left[:3])} did not leave it within "
                f"{pool.drain_timeout_s / 60:.0f} min"
            )
        return False

    def end_lost(self, pool: PoolSettings, machine: ScaledMachine, node: NodeSeen | None) -> bool:
        """End a machine that is of no use; what still runs on it gets the time of a drain, and no more."""
        if self._keeper is not None and node is not None and node.is_ready:
            self._ensure_leading()
            now_s = self._session.clock.now()
            if node.draining_since_s is None:
                self._keeper.begin_drain(node.name, now_s)
            since_s = now_s if node.draining_since_s is None else node.draining_since_s
            if self._keeper.drain(node.name) and now_s - since_s < pool.drain_timeout_s:
                return False
        self.end(machine)
        return True

    def end(self, machine: ScaledMachine, *, has_node: bool = True) -> None:
        """Note it, delete its node, ask for its end; what is not heard is asked again at the next look."""
        self._ensure_leading()
        key = f"{self._stack}/{machine.name.name}/{machine.id}/ending"
        if self._journal.find(key) is None:
            self._note(Intent(key, self._session.clock.now(), machine.id))
        if self._keeper is not None and has_node:
            try:
                self._keeper.delete(machine.name.name)
            except ClusterUnavailable as error:
                self._on_problem(error.message)
        self.ask_again(machine)

    def ask_again(self, machine: ScaledMachine) -> None:
        """Send the terminate; whether it was heard, the next list says."""
        self._ensure_leading()
        try:
            with contextlib.suppress(NotFound):
                self._session.client.terminate_instances([machine.id])
        except LambdaCloudError as error:
            self._on_problem(f"{machine.name.name} ({machine.id}) is not ended yet: {error}")
        finally:
            self._session.instances.make_stale()

    def _note_release(self, pool: PoolSettings, machine: ScaledMachine, now_s: float) -> None:
        self._released_at_s[pool.name] = now_s
        self._note(Intent(self._release_key(pool.name), now_s, machine.id))

    def _note(self, intent: Intent) -> None:
        try:
            self._journal.write(intent)
        except JournalUnwritable as error:
            self._on_problem(str(error))

    def _release_key(self, pool: str) -> str:
        return f"{self._stack}/{pool}/released"
