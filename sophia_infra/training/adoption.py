"""A 1-Click Cluster, read by its id: Lambda's API can list its machines and do nothing else with it.

No call creates, scales or ends one (facts/lambda-cloud.md 4, 7), and none is made here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Protocol

from sophia_infra.lambda_cloud import Instance
from sophia_infra.training.errors import RunMissing, RunRefused

__all__ = ["AdoptedCluster", "ClusterReader", "adopt_cluster"]

_CLUSTER_ID: Final = re.compile(r"[0-9a-f]{32}")


class ClusterReader(Protocol):
    """The one call of `LambdaCloud` that is needed: whoever holds this can change nothing."""

    def list_instances(self, *, cluster_id: str | None = None) -> list[Instance]: ...


@dataclass(frozen=True, slots=True)
class AdoptedCluster:
    """What the account says about it. `machines` are head nodes and workers, by name."""

    cluster_id: str
    machines: tuple[Instance, ...]

    @property
    def gpus(self) -> int:
        return sum(machine.instance_type.specs.gpus for machine in self.machines)

    @property
    def usd_per_hour(self) -> Decimal:
        """At list price of the types; the cluster's own contract says what it really costs."""
        return sum((machine.instance_type.usd_per_hour for machine in self.machines), Decimal(0))

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as decimal text."""
        return {
            "cluster_id": self.cluster_id,
            "gpus": self.gpus,
            "list_usd_per_hour": str(self.usd_per_hour),
            "machines": [
                {
                    "id": machine.id,
                    "name": machine.name,
                    "status": machine.status,
                    "instance_type": machine.instance_type.name,
                    "region": machine.region,
                    "ip": machine.ip,
                    "private_ip": machine.private_ip,
                }
                for machine in self.machines
            ],
        }


def adopt_cluster(reader: ClusterReader, cluster_id: str) -> AdoptedCluster:
    """Look the cluster up.

    Raises:
        RunRefused: `cluster_id` is no id. RunMissing: the key's workspace has no machine of that cluster.
    """
    if not _CLUSTER_ID.fullmatch(cluster_id):
        raise RunRefused(
            f"{cluster_id!r} is not the id of a 1-Click Cluster.",
            next_step="give the 32 lower-case hex digits that the Lambda Cloud console shows.",
        )
    found = reader.list_instances(cluster_id=cluster_id)
    if not found:
        raise RunMissing(
            f"The key's workspace has no machine of the 1-Click Cluster {cluster_id}.",
            next_step="check the id and the key's workspace in the Lambda Cloud console.",
        )
    return AdoptedCluster(cluster_id, tuple(sorted(found, key=lambda one: (one.name or "", one.id))))
