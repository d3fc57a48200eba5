"""`sophia:kubernetes`: the clusters of a stack and what runs on them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, model_validator

from sophia_infra.model.forms import ClosedModel, ConflictsFound, choice_form, text_form
from sophia_infra.model.kubernetes.autoscaling import AutoscalingConfig
from sophia_infra.model.kubernetes.config_rules import find_kubernetes_conflicts
from sophia_infra.model.kubernetes.database import DatabaseConfig
from sophia_infra.model.kubernetes.gpus import GpuModel, GpuOperatorConfig, GpuSharing
from sophia_infra.model.kubernetes.monitoring import MonitoringConfig
from sophia_infra.model.kubernetes.scaling import ForecasterConfig, NodeScalerConfig
from sophia_infra.model.kubernetes.services import (
    ImagesConfig,
    IngressConfig,
    NamespaceConfig,
    SecretsConfig,
    StorageClassConfig,
    TrainingConfig,
    VariableName,
)
from sophia_infra.model.kubernetes.texts import PortNumber, Roles
from sophia_infra.model.kubernetes.workload import DEFAULT_NAMESPACE, WorkloadConfig
from sophia_infra.model.value_types import DnsName, Phase, Region, SourceNetwork

__all__ = ["ONLY_PARTS", "PHASE_OF_WORKLOADS", "PROMETHEUS_URL", "KubernetesConfig"]

ONLY_PARTS = {"sophia": "only parts"}
"""Validation context under which a section is read without asking whether its parts go together."""

PROMETHEUS_URL = "http://prometheus-operated.monitoring.svc:9090"
"""Of the Prometheus that `monitoring` brings: the operator makes this Service itself."""

PHASE_OF_WORKLOADS = 2
"""Phase 1 joins nodes, installs the GPU Operator and sets labels; all else comes with phase 2."""


class KubernetesConfig(ClosedModel):
    """One section for all clusters of the stack."""

    cluster: Annotated[Literal["joined", "existing"], choice_form("a way", ("joined", "existing"))] = Field(
        default="joined",
        description="joined (k3s on the machines of the fleet, by cloud-init) or existing (a kubeconfig is "
        "given; one cluster). Default joined: Lambda has no Kubernetes for on-demand machines.",
    )
    kubeconfig_env: VariableName | None = Field(
        default=None,
        description="existing only: environment variable with the path of a kubeconfig. Default KUBECONFIG.",
    )
    topology: Annotated[
        Literal["per_region", "overlay"], choice_form("a topology", ("per_region", "overlay"))
    ] = Field(
        default="per_region",
        description="joined only: per_region (a cluster for each region) or overlay (one cluster, WireGuard "
        "between regions). Default per_region: Lambda has no private network between regions.",
    )
    primary_region: Region | None = Field(
        default=None,
        description="per_region only: where databases and workloads without GPU go. Default: the region "
        "with the most machines, the first of them in the fleet.",
    )
    first_phase: Phase = Field(
        default=1,
        description="Nothing of Kubernetes is made before this phase, 1 to 3. Default 1: nodes join at their "
        "first boot, and only then.",
    )
    server: DnsName | None = Field(
        default=None,
        description="joined only: machine of the fleet that is the k3s server of the primary cluster. "
        "Default: the cheapest always-on x86_64 machine of the cluster, else its first.",
    )
    k3s_version: Annotated[
        str,
        text_form(
            "a release of k3s 1.36",
            pattern=r"v1\.36\.[0-9]{1,2}\+k3s[0-9]{1,2}",
            rule="v1.36.<patch>+k3s<number>",
            max_characters=20,
        ),
    ] = Field(
        default="v1.36.4+k3s1",
        description="k3s release, exact. Default v1.36.4+k3s1: the newest minor that the GPU Operator knows.",
    )
    api_sources: tuple[SourceNetwork, ...] = Field(
        default=(),
        description="IPv4 networks that may reach the API on port 6443. Default none: only the nodes; has no "
        "effect where Lambda applies no firewall.",
    )
    gpu_operator: GpuOperatorConfig = Field(
        default_factory=GpuOperatorConfig, description="NVIDIA's GPU Operator. Default: enabled."
    )
    gpu_sharing: dict[GpuModel, GpuSharing] = Field(
        default_factory=dict,
        description="GPU model -> how one GPU is shared. Default none: one pod for each GPU.",
    )
    node_roles: dict[DnsName, Roles] = Field(
        default_factory=dict,
        description="Machine of the fleet -> roles; each becomes the label workload.sophia.internal/<role>. "
        "Default none.",
    )
    autoscaling: AutoscalingConfig = Field(
        default_factory=AutoscalingConfig,
        description="KEDA and prometheus-adapter beside the cluster's own autoscaler. Default: KEDA off, the "
        "adapter where a row needs it.",
    )
    namespaces: dict[DnsName, NamespaceConfig] = Field(
        default_factory=lambda: {DEFAULT_NAMESPACE: NamespaceConfig()},
        description="Name -> namespace of workloads. Default: sophia-ai-prod alone, restricted.",
    )
    storage_class: StorageClassConfig = Field(
        default_factory=StorageClassConfig,
        description="The StorageClass of claims that name none. Default: sophia-local on local-path.",
    )
    shared_storage_classes: tuple[DnsName, ...] = Field(
        default=(),
        description="StorageClasses of the cluster that can do ReadWriteMany, made by others. Default none: "
        "k3s brings none.",
    )
    images: ImagesConfig = Field(
        default_factory=ImagesConfig, description="Which images may run. Default: any with a fixed tag."
    )
    ingress: IngressConfig | None = Field(
        default=None, description="How it is reached from outside. Default none: nothing is."
    )
    secrets: SecretsConfig | None = Field(
        default=None, description="Where secrets come from. Default none: no workload may ask for one."
    )
    training: TrainingConfig | None = Field(
        default=None, description="A queue for training jobs. Default none: GPUs are for services only."
    )
    monitoring: MonitoringConfig | None = Field(
        default=None,
        description="Prometheus, Alertmanager, Grafana, rules and dashboards. Default none: nothing is "
        "measured, and nobody is told.",
    )
    forecaster: ForecasterConfig = Field(
        default_factory=ForecasterConfig,
        description="The forecast of the next hour's load as metrics. Default: off.",
    )
    scaler: NodeScalerConfig = Field(
        default_factory=NodeScalerConfig,
        description="The node scaler inside of the primary cluster. Default: off; `sophia scaler run` is the "
        "same from outside.",
    )
    shared_ports: tuple[PortNumber, ...] = Field(
        default=(80, 5678, 8000),
        description="Main ports that several workloads of one namespace may have. Default 80, 5678 and 8000; "
        "every other is taken once.",
    )
    workloads_file: Annotated[str, text_form("a path", max_characters=255)] | None = Field(
        default=None,
        description="YAML file with the keys workloads and databases, relative to the stack file and inside "
        "its folder. Entries here replace single fields of the same entry there. Default none.",
    )
    workloads: dict[DnsName, WorkloadConfig] = Field(
        default_factory=dict, description="Name -> workload. Default none beside workloads_file."
    )
    databases: dict[DnsName, DatabaseConfig] = Field(
        default_factory=dict, description="Name -> database. Default none beside workloads_file."
    )

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Self:
        if info.context == ONLY_PARTS:
            return self
        conflicts = find_kubernetes_conflicts(self)
        if conflicts:
            raise ConflictsFound(conflicts)
        return self

    @property
    def workloads_phase(self) -> int:
        """The first phase in which workloads and databases are made."""
        return max(self.first_phase, PHASE_OF_WORKLOADS)

    @property
    def prometheus_url(self) -> str | None:
        """Whom KEDA asks: the address in its section, else the Prometheus of `monitoring`, where there is."""
        own = PROMETHEUS_URL if self.monitoring is not None else None
        return self.autoscaling.keda.prometheus_url or own

    def enabled_workloads(self) -> dict[str, WorkloadConfig]:
        """Name -> workload to make, in the order of the table, then of the stack file."""
        return {name: row for name, row in self.workloads.items() if row.enabled}

    def enabled_databases(self) -> dict[str, DatabaseConfig]:
        """Name -> database to make, likewise."""
        return {name: row for name, row in self.databases.items() if row.enabled}
