"""The Kubernetes platform of one cluster: phase 1 makes its GPUs usable, phase 2 puts the services on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi

from sophia_infra.components.cluster_access import ClusterAccess
from sophia_infra.components.kubernetes_parts import (
    ClusterArgs,
    Database,
    Exporter,
    GpuOperator,
    GpuQuota,
    ImagePolicy,
    InferenceBackend,
    InferenceGateway,
    Keda,
    Monitoring,
    Namespaces,
    NetworkPolicies,
    NodeLabels,
    PriorityClasses,
    PrometheusAdapter,
    Scaling,
    Secrets,
    StorageClasses,
    TrainingQueues,
    Workload,
)
from sophia_infra.components.registration import Registration
from sophia_infra.manifests import ScalingParts, Watched
from sophia_infra.manifests.namespaces import adapter_here, scaling_here
from sophia_infra.model.gateway import GatewayConfig
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig, Placement, WorkloadConfig

__all__ = ["KubernetesPlatform"]

Checksum = Callable[[Iterable[str]], str]


class KubernetesPlatform(pulumi.ComponentResource):
    """One cluster and all that runs on it.

    Args:
        kube, placement, cluster: the typed configuration, and where everything goes.
        phase: of the stack.
        access: the way to the cluster's API.
        checksum: paths of secrets -> a text that changes with their values; None without secrets.
        token: access token of Pulumi ESC, secret; None without secrets.
        offline_charts: see Registration.
        gateway: `sophia:gateway` of the stack; None without one.
        watched: what monitoring of this cluster knows; None without monitoring.
        scaling: what the node scaler needs, where it is in this cluster.
    """

    def __init__(
        self,
        name: str,
        kube: KubernetesConfig,
        placement: Placement,
        cluster: Cluster,
        *,
        phase: int,
        access: ClusterAccess,
        checksum: Checksum | None = None,
        token: Any = None,
        offline_charts: Path | None = None,
        gateway: GatewayConfig | None = None,
        watched: Watched | None = None,
        scaling: ScalingParts | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("sophia:kubernetes:Platform", name, None, opts)
        registration = Registration(access, offline_charts)
        self._args = ClusterArgs(kube, placement, cluster, registration, gateway, watched)
        self._name = name
        self._checksum = checksum
        below = pulumi.ResourceOptions(parent=self)
        if kube.gpu_operator.enabled:
            GpuOperator(f"{name}-gpu-operator", self._args, below)
        NodeLabels(f"{name}-node-labels", self._args, below)
        if phase >= kube.workloads_phase:
            self._add_foundations(token, below)
            self._add_scaling(scaling, below)
            self._add_services(below)
        self.register_outputs({})

    def _add_foundations(self, token: Any, below: pulumi.ResourceOptions) -> None:
        args, name = self._args, self._name
        PriorityClasses(f"{name}-priorities", args, below)
        StorageClasses(f"{name}-storage", args, below)
        Namespaces(f"{name}-namespaces", args, below)
        if args.kube.autoscaling.keda.enabled:
            Keda(f"{name}-autoscaling", args, below)
        GpuQuota(f"{name}-quota", args, below)
        ImagePolicy(f"{name}-image-policy", args, below)
        NetworkPolicies(f"{name}-network", args, below)
        if args.kube.secrets is not None:
            Secrets(f"{name}-secrets", args, token, below)
        if args.watched is not None:
            self._add_monitoring(args.watched, below)
        if adapter_here(args.kube, args.placement, args.cluster):
            PrometheusAdapter(f"{name}-adapter", args, below)
        if args.kube.training is not None and args.cluster.name == args.placement.primary:
            TrainingQueues(f"{name}-training", args, below)

    def _add_monitoring(self, watched: Watched, below: pulumi.ResourceOptions) -> None:
        Monitoring(f"{self._name}-monitoring", self._args, watched, below)
        if watched.exporter_settings is not None:
            checksum = self._checksum_of({"api_key": watched.terms.config.exporter.api_key})
            Exporter(f"{self._name}-exporter", self._args, watched, checksum, below)

    def _add_scaling(self, parts: ScalingParts | None, below: pulumi.ResourceOptions) -> None:
        args = self._args
        if not scaling_here(args.kube, args.placement, args.cluster):
            return
        checksum = (
            self._checksum_of({"api_key": args.kube.scaler.api_key}) if args.kube.scaler.enabled else None
        )
        known = replace(parts or ScalingParts(), secret_checksum=checksum)
        Scaling(f"{self._name}-scaling", args, known, below)

    def _add_services(self, below: pulumi.ResourceOptions) -> None:
        args = self._args
        placement, own = args.placement, args.cluster.name
        for name, database in args.kube.enabled_databases().items():
            if placement.database_cluster[name] == own:
                Database(name, args, database, self._checksum_of(database.secret_env), below)
        for name, row in args.kube.enabled_workloads().items():
            if placement.workload_cluster[name] == own:
                self._add_workload(name, row, below)

    def _add_workload(self, name: str, row: WorkloadConfig, below: pulumi.ResourceOptions) -> None:
        checksum, gateway = self._checksum_of(row.secret_env), self._args.gateway
        if row.vllm is not None:
            InferenceBackend(name, self._args, row, checksum, below)
        elif row.gateway and gateway is not None:
            InferenceGateway(name, self._args, row, gateway, checksum, below)
        else:
            Workload(name, self._args, row, checksum, below)

    def _checksum_of(self, secret_env: dict[str, str]) -> str | None:
        if not secret_env or self._checksum is None:
            return None
        return self._checksum(secret_env.values())
