"""Which machines the node scaler launched: told by their tags alone, since no state holds them.

Whoever compares the account with a state (doctor, status, reports, policies) asks `is_scaled` first: these
machines are in no state on purpose, and are no orphans.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = [
    "LEASE_NAMESPACE",
    "OWNER_WORD",
    "SCALED_NODE_LABEL",
    "SCALER_TAG",
    "ScaledName",
    "is_scaled",
    "lease_name",
    "scaled_name",
]

SCALER_TAG: Final = "sophia-scaler"
SCALED_NODE_LABEL: Final = "sophia.internal/scaled"
"""On every node of the scaler, with its pool; for the fleet's own label `sophia up` would retire it."""
LEASE_NAMESPACE: Final = "kube-system"
"""Of the Lease by which one scaler acts: the same for one inside of the cluster and one outside."""
OWNER_WORD: Final = "node scaler"
"""Who looks after such a machine, in words for people."""

_NAME_TAG: Final = "sophia-name"
_VALUE = re.compile(r"(?P<pool>[a-z][a-z0-9-]{0,49})/(?P<number>[1-9][0-9]{0,3})-(?P<begun>[0-9]{1,12})")


def lease_name(stack: str) -> str:
    """Name of the Lease of a stack; `stack` is the last part of its tag."""
    return f"sophia-scaler-{stack}".lower().replace("_", "-")


def scaled_name(pool: str, number: int) -> str:
    """Name of machine and node: `<pool>-scaled-<n>`."""
    return f"{pool}-scaled-{number}"


@dataclass(frozen=True, slots=True)
class ScaledName:
    """One launch of the scaler.

    Attributes:
        pool: of `sophia:scaler`.
        number: from 1; one live machine at most has it.
        begun_s: when the launch was first asked for, seconds since 1970 on the cloud's clock.
    """

    pool: str
    number: int
    begun_s: int

    @property
    def name(self) -> str:
        return scaled_name(self.pool, self.number)

    @property
    def value(self) -> str:
        """The value of the tag `sophia-scaler`: pool and intent key."""
        return f"{self.pool}/{self.number}-{self.begun_s}"

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> ScaledName | None:
        """What the tags say; None for a machine of no scaler, and when they do not fit each other."""
        match = _VALUE.fullmatch(tags.get(SCALER_TAG, ""))
        if match is None:
            return None
        found = cls(match["pool"], int(match["number"]), int(match["begun"]))
        return found if tags.get(_NAME_TAG) == found.name else None


def is_scaled(tags: Mapping[str, str]) -> bool:
    """Whether the node scaler launched a machine with these tags, and looks after it."""
    return ScaledName.of(tags) is not None
