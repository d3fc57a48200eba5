"""What keeps the two from starting in the cluster, beyond what the other rooms refuse themselves.

ScalingError
└── NotInCluster  the account's token, or the address of the API server, is not there (user)
"""

from __future__ import annotations

from sophia_infra.scaling.errors import ScalingError

__all__ = ["NotInCluster"]


class NotInCluster(ScalingError):
    """Not a pod, or one without the token of its account."""
