"""Training clusters as far as they outlast their runs, and 1-Click Clusters as far as they can be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from sophia_infra.components.registration import Registration
from sophia_infra.manifests.training_clusters import training_cluster_objects
from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.kubernetes.services import TrainingConfig
from sophia_infra.model.one_click import OneClickConfig
from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.training import ClusterConfig
from sophia_infra.provider.resources import Filesystem, OneClickCluster

__all__ = ["AdoptedTrainingCluster", "JoinGround", "TrainingCluster"]


@dataclass(frozen=True, slots=True)
class JoinGround:
    """The Kubernetes cluster that machines of `bootstrap: join` become nodes of.

    Attributes:
        cluster: its name.
        registration: registers objects there, after Kueue.
        training: where the jobs are queued.
    """

    cluster: str
    registration: Registration
    training: TrainingConfig


class TrainingCluster(pulumi.ComponentResource):
    """What of a training cluster is there between its runs, and costs nothing by being there.

    It launches no machine, on purpose. A run lives for hours and ends itself; `pulumi up` would have to wait
    for its end while it holds the state, or return with machines of $255 an hour that only the next update
    ends. A run that is killed, stopped or at its cap would be a difference that the next update mends by
    launching again. So `sophia train run` launches, and this component holds what a run needs to find: the
    checkpoint filesystem, the queue of its jobs, and its terms.

    Args:
        name: of the cluster in `sophia:training`.
        config: its settings.
        filesystems: of the stack, by name; the checkpoints' is among them.
        join: for `bootstrap: join`; None otherwise, and where no cluster has a queue for training.

    Outputs:
        terms: workload, types, regions, nodes, limits, {nodes: dollars per hour} at list price of the price
            book, checkpoints {name, mount_point} or None, queue (namespace/name) or None.
    """

    terms: pulumi.Output[dict[str, Any]]

    def __init__(
        self,
        name: str,
        config: ClusterConfig,
        *,
        filesystems: Mapping[str, Filesystem],
        join: JoinGround | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("sophia:training:TrainingCluster", name, None, opts)
        queue = None
        if join is not None:
            join.registration.add(training_cluster_objects(name, config, join.training, join.cluster), self)
            queue = f"{join.training.namespace}/{name}"
        self.terms = pulumi.Output.from_input(
            {
                **_terms(config),
                "checkpoints": _checkpoints(config, filesystems),
                "queue": queue,
            }
        )
        self.register_outputs({"terms": self.terms})


class AdoptedTrainingCluster(pulumi.ComponentResource):
    """A 1-Click Cluster: its machines as Lambda lists them, read again at every refresh, never changed.

    Outputs:
        terms: cluster_id, machines {name: {id, status, instance_type, region, ip, private_ip}}, gpus,
            list_usd_per_hour.
    """

    terms: pulumi.Output[dict[str, Any]]

    def __init__(self, name: str, config: OneClickConfig, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sophia:training:AdoptedTrainingCluster", name, None, opts)
        found = OneClickCluster(name, {"cluster_id": config.cluster_id}, pulumi.ResourceOptions(parent=self))
        self.terms = pulumi.Output.from_input(
            {
                "cluster_id": config.cluster_id,
                "machines": found.machines,
                "gpus": found.gpus,
                "list_usd_per_hour": found.list_usd_per_hour,
            }
        )
        self.register_outputs({"terms": self.terms})


def _terms(config: ClusterConfig) -> dict[str, Any]:
    usd = PriceBook.fallback().get(config.type)
    return {
        "workload": config.workload,
        "types": list(config.types),
        "gpus_of_a_node": CATALOGUE[config.type].gpu_count,
        "regions": list(config.regions),
        "min_nodes": config.min_nodes,
        "max_nodes": config.max_nodes,
        "max_usd": str(config.max_usd),
        "max_hours": config.max_hours,
        "bootstrap": config.bootstrap,
        "usd_per_hour": {str(nodes): str(usd * nodes) for nodes in range(1, config.max_nodes + 1)},
    }


def _checkpoints(config: ClusterConfig, filesystems: Mapping[str, Filesystem]) -> dict[str, Any] | None:
    if config.checkpoints is None:
        return None
    found = filesystems[config.checkpoints]
    return {"name": found.name, "mount_point": found.mount_point}
