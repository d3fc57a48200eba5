"""The parts of a cluster as components: each one turns its share of the typed configuration into objects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pulumi

from sophia_infra import manifests
from sophia_infra.components.registration import Registration
from sophia_infra.manifests import Item, ScalingParts, Watched
from sophia_infra.model.gateway import GatewayConfig
from sophia_infra.model.kubernetes import (
    Cluster,
    DatabaseConfig,
    KubernetesConfig,
    Placement,
    WorkloadConfig,
)

__all__ = [
    "ClusterArgs",
    "Database",
    "Exporter",
    "GpuOperator",
    "GpuQuota",
    "ImagePolicy",
    "InferenceBackend",
    "InferenceGateway",
    "Keda",
    "Monitoring",
    "Namespaces",
    "NetworkPolicies",
    "NodeLabels",
    "PriorityClasses",
    "PrometheusAdapter",
    "Scaling",
    "Secrets",
    "StorageClasses",
    "TrainingQueues",
    "Workload",
]


@dataclass(frozen=True, slots=True)
class ClusterArgs:
    """What every part of one cluster is made from."""

    kube: KubernetesConfig
    placement: Placement
    cluster: Cluster
    registration: Registration
    gateway: GatewayConfig | None = None
    watched: Watched | None = None


class _Part(pulumi.ComponentResource):
    """A component whose children come whole from a pure function."""

    def __init__(
        self,
        name: str,
        args: ClusterArgs,
        items: Iterable[Item],
        opts: pulumi.ResourceOptions | None,
    ) -> None:
        super().__init__(f"sophia:kubernetes:{type(self).__name__}", name, None, opts)
        self.objects = args.registration.add(items, self)
        self.register_outputs({})


class GpuOperator(_Part):
    """NVIDIA's GPU Operator in a privileged namespace of its own."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args, manifests.gpu_operator(args.kube, args.cluster), opts)


class NodeLabels(_Part):
    """Roles and sharing profiles, as patches of nodes that joined before."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args, manifests.node_labels(args.kube, args.cluster), opts)


class Namespaces(_Part):
    """Namespaces with their level of Pod Security."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        items = manifests.namespaces(args.kube, args.placement, args.cluster)
        super().__init__(name, args, items, opts)


class PriorityClasses(_Part):
    """gpu-critical, high and standard."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args, manifests.priority_classes(args.cluster), opts)


class StorageClasses(_Part):
    """The StorageClass of claims that name none."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args, manifests.storage_classes(args.kube, args.cluster), opts)


class GpuQuota(_Part):
    """Quotas and limit ranges of the namespaces, derived from the fleet's GPUs."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        items = [
            *manifests.gpu_quota(args.kube, args.placement, args.cluster),
            *manifests.limit_ranges(args.kube, args.placement, args.cluster),
        ]
        super().__init__(name, args, items, opts)


class TrainingQueues(_Part):
    """Kueue, a flavor for each GPU type, and the queue of training jobs."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        items = manifests.training_queues(args.kube, args.placement, args.cluster)
        super().__init__(name, args, items, opts)


class Keda(_Part):
    """KEDA, which scales rows by what Prometheus knows."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args, manifests.keda(args.kube, args.cluster), opts)


class PrometheusAdapter(_Part):
    """What serves GPU use to the cluster's own autoscaler; empty where none of its autoscalers asks."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        items = manifests.prometheus_adapter(args.kube, args.placement, args.cluster)
        super().__init__(name, args, items, opts)


class NetworkPolicies(_Part):
    """Nothing may connect, except by the openings that have a name."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        items = manifests.network_policies(args.kube, args.placement, args.cluster)
        super().__init__(name, args, items, opts)


class ImagePolicy(_Part):
    """Admission policies of the API server itself: digests, and GPUs asked for properly."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args, manifests.image_policy(args.kube, args.cluster), opts)


class Secrets(_Part):
    """The External Secrets Operator, its token, and the store.

    Args:
        token: access token of Pulumi ESC; secret.
    """

    def __init__(
        self, name: str, args: ClusterArgs, token: Any, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        items = [
            *manifests.external_secrets_operator(args.kube, args.cluster),
            *manifests.secret_store(args.kube, args.placement, args.cluster, token),
        ]
        super().__init__(name, args, items, opts)


class Monitoring(_Part):
    """Prometheus, Alertmanager and Grafana, with the rules, dashboards and monitors that are no row's own.

    Args:
        watched: what this cluster's monitoring knows.
    """

    def __init__(
        self, name: str, args: ClusterArgs, watched: Watched, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, args, manifests.monitoring(watched), opts)


class Exporter(_Part):
    """The fleet and its dollars as Lambda's API says them. Arguments as Monitoring's and Workload's."""

    def __init__(
        self,
        name: str,
        args: ClusterArgs,
        watched: Watched,
        secret_checksum: str | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, args, manifests.exporter(watched, secret_checksum), opts)


class Scaling(_Part):
    """The forecast of the load, and the node scaler.

    Args:
        parts: what the node scaler needs beside the typed configuration.
    """

    def __init__(
        self, name: str, args: ClusterArgs, parts: ScalingParts, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        items = [
            *manifests.forecaster(args.kube, args.placement, args.cluster),
            *manifests.node_scaler(args.kube, args.placement, args.cluster, parts),
        ]
        super().__init__(name, args, items, opts)


class Workload(_Part):
    """One row of the workload table.

    Args:
        secret_checksum: changes when one of its secrets does, which restarts its pods; None without secrets.
    """

    def __init__(
        self,
        name: str,
        args: ClusterArgs,
        row: WorkloadConfig,
        secret_checksum: str | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        items = manifests.workload(name, row, args.kube, args.placement, secret_checksum)
        super().__init__(name, args, items, opts)


class InferenceBackend(_Part):
    """One row with `vllm`: a model on GPUs of our own behind OpenAI's API. Arguments as Workload's."""

    def __init__(
        self,
        name: str,
        args: ClusterArgs,
        row: WorkloadConfig,
        secret_checksum: str | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        items = manifests.inference_backend(
            name, row, args.kube, args.placement, secret_checksum, args.gateway
        )
        super().__init__(name, args, items, opts)


class InferenceGateway(_Part):
    """The row that is the gateway, with its configuration. Arguments as Workload's.

    Args:
        gateway: `sophia:gateway` of the stack.
    """

    def __init__(
        self,
        name: str,
        args: ClusterArgs,
        row: WorkloadConfig,
        gateway: GatewayConfig,
        secret_checksum: str | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        items = manifests.inference_gateway(name, row, gateway, args.kube, args.placement, secret_checksum)
        super().__init__(name, args, items, opts)


class Database(_Part):
    """One database as a StatefulSet, with its backup. Arguments as Workload's."""

    def __init__(
        self,
        name: str,
        args: ClusterArgs,
        row: DatabaseConfig,
        secret_checksum: str | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        items = manifests.database(name, row, args.kube, args.placement, secret_checksum)
        super().__init__(name, args, items, opts)
