"""What keeps the node scaler from acting, beyond what cloud and cluster answer themselves.

ScalingError
├── LeaseLost           another scaler may act by now, so this one does not (network)
├── LeaseHeld           another scaler leads; this one waits (user, or nobody)
├── ClusterUnavailable  the cluster's API did not answer or refused (network)
└── BootTextMissing     what makes a machine a node is not at hand, so none is launched (user)
"""

from __future__ import annotations

from sophia_infra.scaling.errors import ScalingError

__all__ = ["BootTextMissing", "ClusterUnavailable", "LeaseHeld", "LeaseLost"]


class LeaseLost(ScalingError):
    """The lease could not be renewed in time. Whatever was begun is found by its tags and goes on later."""

    fault = "network"
    retry = True


class LeaseHeld(ScalingError):
    """Nothing was done: one scaler acts for a stack."""

    retry = True


class ClusterUnavailable(ScalingError):
    """Nothing is known of nodes and pods; nothing is drained or ended meanwhile."""

    fault = "network"
    retry = True


class BootTextMissing(ScalingError):
    """A machine that cannot join costs money and does nothing."""
