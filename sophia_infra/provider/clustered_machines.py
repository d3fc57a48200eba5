"""Which machines belong to 1-Click Clusters: asked by everyone who counts machines and their dollars."""

from __future__ import annotations

from collections.abc import Iterable

from sophia_infra.lambda_cloud import LambdaCloud

__all__ = ["machines_of_clusters"]


def machines_of_clusters(client: LambdaCloud, cluster_ids: Iterable[str]) -> frozenset[str]:
    """Ids of all machines of these clusters, by one list each: the account's own list says of no machine that
    it is of a cluster. Raises LambdaCloudError."""
    return frozenset(
        one.id for cluster_id in cluster_ids for one in client.list_instances(cluster_id=cluster_id)
    )
