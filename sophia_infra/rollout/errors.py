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

from sophia_infra.model.room_error import RoomError

__all__ = [
    "ClusterSilent",
    "GatewayMissing",
    "NotPromotable",
    "RolloutError",
    "RolloutHeld",
    "RolloutRefused",
]


class RolloutError(RoomError):
    """Base of the room."""


class RolloutRefused(RolloutError):
    """It cannot be done like this. Nothing was changed."""


class GatewayMissing(RolloutRefused):
    """No Gateway API, or nobody who carries it out. Nothing was changed."""


class NotPromotable(RolloutRefused):
    """The source is not proved good, or lacks digests. Nothing was changed."""


class RolloutHeld(RolloutError):
    """Another process moves this traffic. This one changed nothing."""

    retry = True


class ClusterSilent(RolloutError):
    """No answer from the cluster: the weights are what the last one that got through says."""

    fault = "cluster"
    retry = True
