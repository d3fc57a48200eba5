"""Everything of one cluster, in an order in which it can be made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sophia_infra.manifests.classes import priority_classes, storage_classes
from sophia_infra.manifests.database import database
from sophia_infra.manifests.errors import NameTaken
from sophia_infra.manifests.external_secrets import external_secrets_operator, secret_store
from sophia_infra.manifests.gpu_operator import gpu_operator
from sophia_infra.manifests.gpu_quota import gpu_quota
from sophia_infra.manifests.image_policy import image_policy
from sophia_infra.manifests.inference_backend import inference_backend
from sophia_infra.manifests.inference_gateway import inference_gateway
from sophia_infra.manifests.keda import keda
from sophia_infra.manifests.limit_ranges import limit_ranges
from sophia_infra.manifests.monitoring.exporter import exporter
from sophia_infra.manifests.monitoring.names import EXPORTER
from sophia_infra.manifests.monitoring.objects import monitoring
from sophia_infra.manifests.monitoring.watched import Watched
from sophia_infra.manifests.namespaces import namespaces
from sophia_infra.manifests.network_policies import network_policies
from sophia_infra.manifests.node_labels import node_labels
from sophia_infra.manifests.objects import Item, Manifest
from sophia_infra.manifests.prometheus_adapter import prometheus_adapter
from sophia_infra.manifests.queues import training_queues
from sophia_infra.manifests.scaling.forecaster import forecaster
from sophia_infra.manifests.scaling.node_scaler import node_scaler
from sophia_infra.manifests.scaling.site import ScalingParts
from sophia_infra.manifests.workload import workload
from sophia_infra.model.gateway import GatewayConfig
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig, Placement, WorkloadConfig

__all__ = ["ClusterObjects", "all_objects", "check_names", "service"]


@dataclass(frozen=True, slots=True)
class ClusterObjects:
    """Objects and releases of one cluster; whatever one has to follow stands before it.

    Attributes:
        first: phase 1: the GPU Operator in its namespace, and labels of nodes.
        platform: phase 2: classes, namespaces, quotas, policies, secrets, monitoring, queues.
        services: phase 2: name of the database or workload -> its objects; databases first.
    """

    first: tuple[Item, ...]
    platform: tuple[Item, ...]
    services: Mapping[str, tuple[Manifest, ...]] = field(default_factory=dict)

    def up_to(self, phase: int) -> tuple[Item, ...]:
        """All of them up to `phase`, in order."""
        if phase < 2:
            return self.first
        return (*self.first, *self.platform, *(item for group in self.services.values() for item in group))


def all_objects(
    kube: KubernetesConfig,
    placement: Placement,
    cluster: Cluster,
    *,
    token: Any = None,
    secret_checksums: Mapping[str, str] | None = None,
    gateway: GatewayConfig | None = None,
    watched: Watched | None = None,
    scaling: ScalingParts | None = None,
) -> ClusterObjects:
    """Everything of `cluster`.

    Args:
        token: access token of the secret store, text or an output; only needed with `kube.secrets`.
        secret_checksums: workload or database -> checksum of the values of its secrets; those that are left
            out are not restarted by a rotation.
        gateway: `sophia:gateway`; needed where a row is the gateway.
        watched: what monitoring of this cluster knows; needed with `kube.monitoring`.
        scaling: what the node scaler needs; without it there is none.

    Raises:
        NameTaken: two objects would have one name; nothing is made.
        ValueError: `kube.monitoring` is there, and `watched` is not.
    """
    if kube.monitoring is not None and watched is None:
        raise ValueError("kube.monitoring needs what is watched")
    checksums = secret_checksums or {}
    services: dict[str, tuple[Manifest, ...]] = {}
    for name, store in kube.enabled_databases().items():
        if placement.database_cluster.get(name) == cluster.name:
            services[name] = tuple(database(name, store, kube, placement, checksums.get(name)))
    for name, row in kube.enabled_workloads().items():
        if placement.workload_cluster.get(name) == cluster.name:
            if name in services:
                raise NameTaken(f"the service {name}")
            services[name] = tuple(service(name, row, kube, placement, checksums.get(name), gateway))
    objects = ClusterObjects(
        first=(*gpu_operator(kube, cluster), *node_labels(kube, cluster)),
        platform=(
            *priority_classes(cluster),
            *storage_classes(kube, cluster),
            *namespaces(kube, placement, cluster),
            *keda(kube, cluster),
            *image_policy(kube, cluster),
            *gpu_quota(kube, placement, cluster),
            *limit_ranges(kube, placement, cluster),
            *network_policies(kube, placement, cluster),
            *external_secrets_operator(kube, cluster),
            *secret_store(kube, placement, cluster, token),
            *(monitoring(watched) if watched is not None else ()),
            *(exporter(watched, checksums.get(EXPORTER)) if watched is not None else ()),
            *prometheus_adapter(kube, placement, cluster),
            *forecaster(kube, placement, cluster),
            *(node_scaler(kube, placement, cluster, scaling) if scaling is not None else ()),
            *training_queues(kube, placement, cluster),
        ),
        services=services,
    )
    check_names(objects.up_to(2))
    return objects


def service(
    name: str,
    row: WorkloadConfig,
    kube: KubernetesConfig,
    placement: Placement,
    secret_checksum: str | None,
    gateway: GatewayConfig | None,
) -> list[Manifest]:
    """Every object of one row, whatever it serves.

    Raises ValueError for the gateway's row without `sophia:gateway`, which no accepted stack has.
    """
    if row.vllm is not None:
        return inference_backend(name, row, kube, placement, secret_checksum, gateway)
    if not row.gateway:
        return workload(name, row, kube, placement, secret_checksum)
    if gateway is None:
        raise ValueError(f"{name} is the gateway, and there is no sophia:gateway")
    return inference_gateway(name, row, gateway, kube, placement, secret_checksum)


def check_names(items: Iterable[Item]) -> None:
    """Refuse two items with one logical name, or two objects of one kind, namespace and name.

    Names are put together from names of rows (`<database>-backup`), so a row can hit one of another.
    Raises NameTaken.
    """
    logical: set[tuple[str, str]] = set()
    actual: set[tuple[str, str, str]] = set()
    for item in items:
        kind = item.kind if isinstance(item, Manifest) else "Release"
        if (kind, item.name) in logical:
            raise NameTaken(f"the resource {item.name} ({kind})")
        logical.add((kind, item.name))
        if isinstance(item, Manifest):
            namespace = item.metadata.get("namespace", "")
            key = (kind, namespace, item.metadata["name"])
            if key in actual:
                place = f" in namespace {namespace}" if namespace else ""
                raise NameTaken(f"{kind} {key[2]}{place}")
            actual.add(key)
