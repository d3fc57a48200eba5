"""Kubernetes objects from the typed model: pure functions that return plain dictionaries."""

from sophia_infra.manifests.classes import priority_classes, storage_classes
from sophia_infra.manifests.cluster_objects import ClusterObjects, all_objects, check_names
from sophia_infra.manifests.database import database
from sophia_infra.manifests.errors import ManifestError, NameTaken
from sophia_infra.manifests.external_secrets import external_secrets_operator, secret_store
from sophia_infra.manifests.gpu_operator import gpu_operator
from sophia_infra.manifests.gpu_quota import gpu_quota
from sophia_infra.manifests.image_policy import image_policy
from sophia_infra.manifests.inference_backend import inference_backend
from sophia_infra.manifests.inference_gateway import inference_gateway, resolved_gateway
from sophia_infra.manifests.keda import keda
from sophia_infra.manifests.limit_ranges import limit_ranges
from sophia_infra.manifests.monitoring.exporter import exporter
from sophia_infra.manifests.monitoring.objects import monitoring
from sophia_infra.manifests.monitoring.watched import Watched
from sophia_infra.manifests.names import ESC_TOKEN_SECRET
from sophia_infra.manifests.namespaces import namespaces
from sophia_infra.manifests.network_policies import network_policies
from sophia_infra.manifests.node_labels import node_labels
from sophia_infra.manifests.objects import ChartRelease, Item, Manifest
from sophia_infra.manifests.prometheus_adapter import prometheus_adapter
from sophia_infra.manifests.queues import training_queues
from sophia_infra.manifests.scaling.forecaster import forecaster
from sophia_infra.manifests.scaling.node_scaler import node_scaler
from sophia_infra.manifests.scaling.site import ScalingParts
from sophia_infra.manifests.workload import workload

__all__ = [
    "ESC_TOKEN_SECRET",
    "ChartRelease",
    "ClusterObjects",
    "Item",
    "Manifest",
    "ManifestError",
    "NameTaken",
    "ScalingParts",
    "Watched",
    "all_objects",
    "check_names",
    "database",
    "exporter",
    "external_secrets_operator",
    "forecaster",
    "gpu_operator",
    "gpu_quota",
    "image_policy",
    "inference_backend",
    "inference_gateway",
    "keda",
    "limit_ranges",
    "monitoring",
    "namespaces",
    "network_policies",
    "node_labels",
    "node_scaler",
    "priority_classes",
    "prometheus_adapter",
    "resolved_gateway",
    "secret_store",
    "storage_classes",
    "training_queues",
    "workload",
]
