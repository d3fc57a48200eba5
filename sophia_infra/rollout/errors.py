"""What keeps a rollout from being done.

    RolloutError
    |-- RolloutRefused      what was asked for cannot be done like this; nothing was changed (user)
    |   |-- GatewayMissing  the cluster has nothing that splits traffic by weight (user)
    |   `-- NotPromotable   the source of a promotion is not proved good, or not complete (user)
    |-- RolloutHeld         another process moves this traffic now (user; retry later)
    `-- ClusterSilent       the cluster did not answer, or said no (cluster; retry)

Each says what to do next (`next_step`).
"""

from __future__ import annotations

from typing import ClassVar, Literal

__all__ = [
    "ClusterSilent",
    "GatewayMissing",
    "NotPromotable",
    "RolloutError",
    "RolloutHeld",
    "RolloutRefused",
]


class RolloutError(Exception):
    """Base of the room.

    Attributes:
        next_step: what to do now, an imperative sentence.
        fault: "user" or "cluster".
        retry: whether the same call may succeed later without a change.
    """

    fault: ClassVar[Literal["user", "cluster"]] = "user"
    retry: ClassVar[bool] = False

    def __init__(self, message: str, *, next_step: str) -> None:
        self.message = message
        self.next_step = next_step
        super().__init__(message, next_step)

    def __str__(self) -> str:
        return f"{self.message} Next: {self.next_step}"


class RolloutRefused(RolloutError):
    """It cannot be done like this. Nothing was changed."""


class GatewayMissing(RolloutRefused):
    """No Gateway API, or nobody who carries it out. Nothing was changed."""


class NotPromotable(RolloutRefused):
    """The source is not proved good, or lacks digests. Nothing was changed."""


class RolloutHeld(RolloutError):
    """Another process moves this traffic. This one changed nothing."""

    retry: ClassVar[bool] = True


class ClusterSilent(RolloutError):
    """No answer from the cluster: the weights are what the last one that got through says."""

    fault: ClassVar[Literal["user", "cluster"]] = "cluster"
    retry: ClassVar[bool] = True
