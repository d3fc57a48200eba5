"""Which listed machines are of the 1-Click Clusters that the file reads: no tag says so, a list does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sophia_infra.exporter.timing import SIDE_POLL_S
from sophia_infra.lambda_cloud import Instance, LambdaCloud
from sophia_infra.model.clock import Clock
from sophia_infra.provider.clustered_machines import machines_of_clusters
from sophia_infra.provider.tags import STACK_TAG

__all__ = ["ClusterMembers"]


class ClusterMembers:
    """One GET /instances?cluster_id=... for each cluster when there is a machine to be asked about.

    That is: one without our tag that was not listed before; and one that was in no cluster's list, every five
    minutes, since lists lag. A machine never leaves its cluster, so what was found stays.

    Args:
        cluster_ids: of the clusters; none asks nothing.
        cloud: the exporter's client.
        clock: of the cloud.
    """

    def __init__(self, cluster_ids: Sequence[str], cloud: LambdaCloud, clock: Clock) -> None:
        self._cluster_ids, self._cloud, self._clock = cluster_ids, cloud, clock
        self._members: frozenset[str] = frozenset()
        self._strangers: frozenset[str] = frozenset()
        self._due_s = 0.0

    def among(self, listed: Iterable[Instance]) -> frozenset[str]:
        """Ids of the machines of the clusters, all of `listed`.

        Raises:
            LambdaCloudError: a cluster's list could not be read; it is asked for again at the next call.
        """
        if not self._cluster_ids:
            return frozenset()
        untagged = frozenset(one.id for one in listed if STACK_TAG not in one.tags)
        strangers = untagged - self._members
        if strangers - self._strangers or (strangers and self._clock.now() >= self._due_s):
            self._members = machines_of_clusters(self._cloud, self._cluster_ids)
            self._due_s = self._clock.now() + SIDE_POLL_S
        self._strangers = untagged - self._members
        return untagged & self._members
