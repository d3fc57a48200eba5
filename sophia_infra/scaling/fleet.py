"""What a scaler sees of its nodes and what it can do to them; the controller of the cluster implements it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

__all__ = ["Actuator", "FleetView"]


@dataclass(frozen=True, slots=True)
class FleetView:
    """The nodes of one scaled group (one instance type in one cluster), as last seen.

    Attributes:
        seen_at_s: seconds since 1970 when the list was read.
        ready: nodes that take load.
        coming: nodes that were launched and do not take load yet. They are billed.
        leaving: nodes that are drained or terminating: no longer counted on.
        other_instances: instances of the account outside the group, against the account's quota.
        other_usd_per_hour: what those cost at list price, against the budget.
        last_launch_s, last_release_s: of the group; None when never or not known.
    """

    seen_at_s: float
    ready: int
    coming: int = 0
    leaving: int = 0
    other_instances: int = 0
    other_usd_per_hour: Decimal = Decimal(0)
    last_launch_s: float | None = None
    last_release_s: float | None = None

    @property
    def counted_on(self) -> int:
        """Nodes that take load, or will."""
        return self.ready + self.coming


class Actuator(Protocol):
    """Adds and removes nodes of one group.

    An intent stays the same until the fleet is seen to have changed. The n-th node of an intent is one node
    for ever: its launch is adopted by a key made of intent and n. So a decision that is made again after a
    crash, a lost answer or a list that lags launches only what the first did not, even when it asks for more.
    """

    def look(self) -> FleetView:
        """The fleet now. Raises what its cloud raises; nothing is decided then."""
        ...

    def launch(self, count: int, *, intent: str) -> int:
        """Launch up to `count` nodes; answers how many were, also when capacity or pace allowed fewer."""
        ...

    def release(self, count: int, *, intent: str) -> int:
        """Drain up to `count` ready nodes, then terminate them; answers how many began to drain.

        Never one that is always on or protected, and never before its pods are gone.
        """
        ...
