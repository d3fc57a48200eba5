"""What makes a machine of the scaler a node: the boot text of `joining`, with names and labels of the scaler.

The agents' token and the server's authority are in the state alone, encrypted. Whoever starts the scaler
passes them on: `sophia scaler` reads the secret stack output `scaler_join`, where the program exports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from sophia_infra.joining import user_data
from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig, Node
from sophia_infra.model.kubernetes.clusters import places_of_one_gpu
from sophia_infra.model.scaled_tags import SCALED_NODE_LABEL
from sophia_infra.scaling.nodes.errors import BootTextMissing

__all__ = ["AGENT_PARTS", "BootText", "JoinBootText", "NoBootText"]

AGENT_PARTS: Final = ("agent_token", "server_ca_certificate")
"""All that an agent needs of a cluster's credentials. The server's token stays in the state."""


class BootText(Protocol):
    """Cloud-init text for one launch, a secret; None: a plain machine."""

    def text_for(self, name: str, pool: str, instance_type: str, region: str) -> str | None:
        """Raises BootTextMissing: a machine of that region could not join."""
        ...


class NoBootText:
    """For a stack without a cluster, or with one that machines join by `user_data` of the pool."""

    def text_for(self, name: str, pool: str, instance_type: str, region: str) -> str | None:  # noqa: ARG002
        return None


@dataclass(frozen=True, slots=True)
class JoinBootText:
    """Agents of the stack's joined clusters.

    Attributes:
        clusters: region -> its cluster; the key None stands for every other region (topology overlay).
        credentials: cluster -> at least `AGENT_PARTS`.
        server_addresses: cluster -> address of its server as agents reach it: private in the server's region,
            public otherwise.
    """

    kube: KubernetesConfig
    clusters: Mapping[str | None, Cluster]
    credentials: Mapping[str, Mapping[str, Any]] = field(repr=False)
    server_addresses: Mapping[str, str]

    def text_for(self, name: str, pool: str, instance_type: str, region: str) -> str | None:
        return self.text_with(name, f"Pool {pool}", instance_type, region, {SCALED_NODE_LABEL: pool})

    def text_with(
        self, name: str, whose: str, instance_type: str, region: str, further_labels: Mapping[str, str]
    ) -> str:
        """The text of a node with these labels too; `whose` it is, for the message of BootTextMissing."""
        cluster = self.clusters.get(region) or self.clusters.get(None)
        known = {} if cluster is None else self.credentials.get(cluster.name, {})
        address = None if cluster is None else self.server_addresses.get(cluster.name)
        if cluster is None or address is None or not all(known.get(part) for part in AGENT_PARTS):
            raise BootTextMissing(
                f"{whose}: there is no cluster in {region} whose server and agent token are known.",
                next_step="run `sophia up`, which makes them, or take the region out of it.",
            )
        row = CATALOGUE[instance_type]
        labels = {
            "sophia.internal/instance-type": row.name,
            "sophia.internal/region": region,
            **({"sophia.internal/gpu": row.gpu_model.lower()} if row.gpu_model else {}),
            **further_labels,
        }
        node = Node(
            name=name,
            machine=name,
            instance_type=row.name,
            gpu_model=row.gpu_model,
            gpu_count=row.gpu_count,
            places=row.gpu_count * places_of_one_gpu(row.name, self.kube),
            architecture=row.architecture,
            region=region,
            cluster=cluster.name,
            roles=(),
            is_server=False,
            vcpus=row.vcpus,
            memory_gib=row.memory_gib,
            labels=labels,
        )
        return user_data(node, cluster, known, address, self.kube)
