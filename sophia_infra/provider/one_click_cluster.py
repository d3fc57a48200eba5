"""The resource kind OneClickCluster: the machines of a cluster that was reserved in Lambda's console.

Read-only. `create` proves that the key's workspace has it, `read` lists it anew, `delete` forgets it:
Lambda's API has no call that creates, scales or ends one (facts 4, 7), and none of its machines is ever named
in another request.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sophia_infra.lambda_cloud import Instance
from sophia_infra.provider.errors import AdoptionRefused
from sophia_infra.provider.outcome import Checked, Created, Diff, Found, Props
from sophia_infra.provider.session import Session

__all__ = ["OneClickClusterKind"]


class OneClickClusterKind:
    """Property: `cluster_id`. Outputs: `machines` {name: {...}}, `gpus`, `list_usd_per_hour`, `reachable`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def check(self, _olds: Mapping[str, Any], news: Props) -> Checked:
        return Checked(news)

    def diff(self, _resource_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Diff:
        is_other = olds.get("cluster_id") != news.get("cluster_id")
        return Diff(("cluster_id",), ("cluster_id",)) if is_other else Diff()

    def create(self, news: Props) -> Created:
        cluster_id = str(news["cluster_id"])
        machines = self._list(cluster_id)
        if not machines:
            raise AdoptionRefused(
                f"The key's workspace has no machine of the 1-Click Cluster {cluster_id}.",
                next_step="check the id and the key's workspace in the Lambda Cloud console.",
            )
        return Created(cluster_id, _outputs(cluster_id, machines))

    def read(self, resource_id: str, _props: Props) -> Found:
        """A cluster whose reservation has ended lists nothing; it is gone then."""
        machines = self._list(resource_id)
        return Found(resource_id, _outputs(resource_id, machines)) if machines else Found(None)

    def update(self, resource_id: str, _olds: Mapping[str, Any], _news: Props) -> Props:
        return _outputs(resource_id, self._list(resource_id))

    def delete(self, _resource_id: str, _props: Mapping[str, Any]) -> None:
        return None

    def _list(self, cluster_id: str) -> list[Instance]:
        found = self._session.client.list_instances(cluster_id=cluster_id)
        return sorted(found, key=lambda one: (one.name or "", one.id))


def _outputs(cluster_id: str, machines: list[Instance]) -> Props:
    rate = sum((one.instance_type.usd_per_hour for one in machines), Decimal(0))
    return {
        "cluster_id": cluster_id,
        "machines": {
            one.name or one.id: {
                "id": one.id,
                "status": one.status,
                "instance_type": one.instance_type.name,
                "region": one.region,
                "ip": one.ip or "",
                "private_ip": one.private_ip or "",
            }
            for one in machines
        },
        "gpus": sum(one.instance_type.specs.gpus for one in machines),
        # Of the types; what the cluster costs, its contract says.
        "list_usd_per_hour": str(rate),
    }
