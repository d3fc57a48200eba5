"""Kubernetes as typed configuration: clusters, workloads, databases, and where they find a place. Pure."""

from sophia_infra.model.kubernetes.autoscaling import (
    AdapterConfig,
    AutoscaleConfig,
    AutoscalingConfig,
    KedaConfig,
)
from sophia_infra.model.kubernetes.config import KubernetesConfig
from sophia_infra.model.kubernetes.database import (
    DATABASE_PORTS,
    SENTINEL_CPU,
    SENTINEL_MEMORY,
    SENTINEL_PORT,
    BackupConfig,
    DatabaseConfig,
)
from sophia_infra.model.kubernetes.gpus import ARM64_GPU_MODELS, GpuOperatorConfig, GpuRequest, GpuSharing
from sophia_infra.model.kubernetes.monitoring import METRICS_PORT, MetricsFamily, MonitoringConfig
from sophia_infra.model.kubernetes.nodes import LABEL_PREFIX, Cluster, Node, Placement, Unplaced
from sophia_infra.model.kubernetes.placement import place
from sophia_infra.model.kubernetes.quantity import CpuSpan, MemorySpan, bytes_of, millicores_of
from sophia_infra.model.kubernetes.scaling import ForecasterConfig, NodeScalerConfig
from sophia_infra.model.kubernetes.services import (
    ImagesConfig,
    IngressConfig,
    NamespaceConfig,
    SecretsConfig,
    StorageClassConfig,
    TrainingConfig,
)
from sophia_infra.model.kubernetes.sidecars import SIDECARS, Sidecar, sidecar_of
from sophia_infra.model.kubernetes.vllm import API_KEY_VARIABLE, VllmConfig
from sophia_infra.model.kubernetes.workload import (
    HealthConfig,
    RouteConfig,
    VolumeConfig,
    WorkloadConfig,
)

__all__ = [
    "API_KEY_VARIABLE",
    "ARM64_GPU_MODELS",
    "DATABASE_PORTS",
    "LABEL_PREFIX",
    "METRICS_PORT",
    "SENTINEL_CPU",
    "SENTINEL_MEMORY",
    "SENTINEL_PORT",
    "SIDECARS",
    "AdapterConfig",
    "AutoscaleConfig",
    "AutoscalingConfig",
    "BackupConfig",
    "Cluster",
    "CpuSpan",
    "DatabaseConfig",
    "ForecasterConfig",
    "GpuOperatorConfig",
    "GpuRequest",
    "GpuSharing",
    "HealthConfig",
    "ImagesConfig",
    "IngressConfig",
    "KedaConfig",
    "KubernetesConfig",
    "MemorySpan",
    "MetricsFamily",
    "MonitoringConfig",
    "NamespaceConfig",
    "Node",
    "NodeScalerConfig",
    "Placement",
    "RouteConfig",
    "SecretsConfig",
    "Sidecar",
    "StorageClassConfig",
    "TrainingConfig",
    "Unplaced",
    "VllmConfig",
    "VolumeConfig",
    "WorkloadConfig",
    "bytes_of",
    "millicores_of",
    "place",
    "sidecar_of",
]
