"""From a load to replicas and nodes, and how long a node takes to be of use."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, isfinite
from typing import Final

from sophia_infra.cost.boot import boot_minutes
from sophia_infra.scaling.errors import SettingsRefused

__all__ = ["JOIN_S", "Capacity", "LeadTime", "lead_time_of"]

JOIN_S: Final = 300.0
"""From active to serving: join the cluster, pull images, load a model. Our guess, nobody measured it: a 70B
model alone takes 240 to 300 s to load (checklist (c))."""

_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a replica carries. State it from a measurement of the service: nothing here can know it.

    Attributes:
        per_replica: load of one replica that is fully busy, in the unit of the forecast (calls per second).
        target_ratio: share of that to plan for, above 0 up to 1; the rest is for what a mean does not show.
        replicas_per_node: replicas that fit on one node.
    """

    per_replica: float
    target_ratio: float = 0.75
    replicas_per_node: int = 1

    def __post_init__(self) -> None:
        if not (isfinite(self.per_replica) and self.per_replica > 0):
            raise SettingsRefused(
                f"per_replica is {self.per_replica}.",
                next_step="state a load above 0 that one replica carries.",
            )
        if not 0 < self.target_ratio <= 1:
            raise SettingsRefused(
                f"target_ratio is {self.target_ratio}.", next_step="choose a share above 0 and up to 1."
            )
        if self.replicas_per_node < 1:
            raise SettingsRefused(
                f"replicas_per_node is {self.replicas_per_node}.", next_step="choose at least 1."
            )

    @property
    def per_node(self) -> float:
        """Load of a node whose replicas are all fully busy."""
        return self.per_replica * self.replicas_per_node

    def replicas_for(self, load: float) -> int:
        """Replicas that carry `load` at the target; 0 for no load. Raises SettingsRefused: no load at all."""
        if not (isfinite(load) and load >= 0):
            raise SettingsRefused(f"The load is {load}.", next_step="give a number of at least 0.")
        return ceil(load / (self.per_replica * self.target_ratio) - _ROUNDING)

    def nodes_for(self, load: float) -> int:
        """Nodes for those replicas."""
        return ceil(self.replicas_for(load) / self.replicas_per_node)


@dataclass(frozen=True, slots=True)
class LeadTime:
    """Seconds from a launch until the node takes load: between `shortest_s` and `longest_s`.

    Every time between them counts as equally likely: only ends of the range were ever reported.
    """

    shortest_s: float
    longest_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.shortest_s <= self.longest_s or not isfinite(self.longest_s):
            raise SettingsRefused(
                f"The lead time is {self.shortest_s} to {self.longest_s} s.",
                next_step="give a shortest and a longest time of at least 0, in this order.",
            )

    def quantile_s(self, level: float) -> float:
        """The time within which that share of launches is of use."""
        if not 0 <= level <= 1:
            raise SettingsRefused(f"The level is {level}.", next_step="choose one from 0 to 1.")
        return self.shortest_s + level * (self.longest_s - self.shortest_s)


def lead_time_of(instance_type: str, join_s: float = JOIN_S) -> LeadTime:
    """Boot times reported for the type's number of GPUs (3-6 min for one, 10-25 for eight), and `join_s`."""
    minutes = boot_minutes(instance_type)
    return LeadTime(minutes.low * 60 + join_s, minutes.high * 60 + join_s)
