"""What rules, dashboards and the coverage table depend on, read from the configuration of a stack."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from sophia_infra.model.kubernetes import KubernetesConfig, MonitoringConfig
from sophia_infra.model.stack import StackConfig

__all__ = ["PLAN_INFERENCE_USD_PER_MONTH", "Service", "ServiceKind", "Terms", "terms_of"]

ServiceKind = Literal["http", "vllm", "gateway", "n8n", "none", "postgres", "redis", "qdrant"]
"""Families of metrics: those of workloads, and the kinds of databases."""

PLAN_INFERENCE_USD_PER_MONTH = Decimal(250)
"""The plan's target for inference, which its alert of $10 an hour is 28.8 times above."""


@dataclass(frozen=True, slots=True)
class Service:
    """A workload or database as monitoring sees it.

    Attributes:
        name: of the row; value of the label `service` (its Kubernetes Service) on what is scraped from it.
        namespace: in which its pods run.
        kind: which family of metrics it has.
        team: who owns its alarms.
        has_route: whether it is reached through the ingress controller.
        has_gpu: whether its pods hold GPUs.
        has_backup: whether copies of it are made on a schedule (databases only).
        is_workload: False for a database.
    """

    name: str
    namespace: str
    kind: ServiceKind
    team: str
    has_route: bool = False
    has_gpu: bool = False
    has_backup: bool = False
    is_workload: bool = True


@dataclass(frozen=True, slots=True)
class Terms:
    """All of it, for one stack.

    Attributes:
        stack: "project/stack", the value of the stack tag on its machines.
        budget_usd_per_month: of the stack, at 720 hours.
        budget_alert_percent: from which to warn.
        inference_usd_per_hour: the gateway's hourly limit, the plan's $10 without one.
        inference_usd_per_month: the gateway's monthly limit, the plan's target of $250 without one.
        services: in the order of the table, databases last.
        config: of monitoring.
        has_gateway, has_training, has_secrets, has_keda, has_certificates, has_gpu_metrics: which parts the
            stack has.
        has_forecast: whether the forecaster runs here, or KEDA scales a row by the forecast.
    """

    stack: str
    budget_usd_per_month: Decimal
    budget_alert_percent: int
    inference_usd_per_hour: Decimal
    inference_usd_per_month: Decimal
    services: tuple[Service, ...]
    config: MonitoringConfig
    has_gateway: bool
    has_training: bool
    has_secrets: bool
    has_keda: bool
    has_certificates: bool
    has_gpu_metrics: bool
    has_forecast: bool = False

    @property
    def slo(self) -> Decimal:
        """Share of calls that have to succeed, 0 to 1."""
        return Decimal(str(self.config.slo_percent)) / 100

    @property
    def has_exporter(self) -> bool:
        return self.config.exporter.enabled

    def of_kind(self, *kinds: ServiceKind) -> tuple[Service, ...]:
        """Services of these families."""
        return tuple(service for service in self.services if service.kind in kinds)


def terms_of(config: StackConfig, stack: str) -> Terms:
    """The terms of a stack.

    Args:
        stack: "project/stack".

    Raises:
        ValueError: the stack has no `sophia:kubernetes.monitoring`.
    """
    kube = config.kubernetes
    if kube is None or kube.monitoring is None:
        raise ValueError("this stack has no sophia:kubernetes.monitoring")
    limits = config.gateway.budget if config.gateway is not None else None
    return Terms(
        stack=stack,
        budget_usd_per_month=config.budget.limit.usd_per_month,
        budget_alert_percent=config.budget.alert_percent,
        inference_usd_per_hour=limits.usd_per_hour if limits else Decimal(10),
        inference_usd_per_month=limits.usd_per_month if limits else PLAN_INFERENCE_USD_PER_MONTH,
        services=services_of(kube),
        config=kube.monitoring,
        has_gateway=any(row.gateway for row in kube.enabled_workloads().values()),
        has_training=kube.training is not None,
        has_secrets=kube.secrets is not None,
        has_keda=kube.autoscaling.keda.enabled,
        has_certificates=kube.ingress is not None,
        has_gpu_metrics=kube.gpu_operator.enabled and kube.gpu_operator.dcgm_exporter,
        has_forecast=kube.forecaster.enabled or _scales_by_forecast(kube),
    )


def _scales_by_forecast(kube: KubernetesConfig) -> bool:
    rows = kube.enabled_workloads().values()
    return kube.autoscaling.keda.enabled and any(row.autoscale and row.autoscale.forecast for row in rows)


def services_of(kube: KubernetesConfig) -> tuple[Service, ...]:
    """Every enabled row as monitoring sees it."""
    workloads = tuple(
        Service(
            name,
            row.namespace,
            row.metrics_family,
            row.team,
            has_route=row.ingress is not None,
            has_gpu=row.gpu is not None and row.gpu.count > 0,
        )
        for name, row in kube.enabled_workloads().items()
    )
    databases = tuple(
        Service(
            name,
            row.namespace,
            row.kind,
            row.team,
            has_backup=row.backup is not None,
            is_workload=False,
        )
        for name, row in kube.enabled_databases().items()
    )
    return workloads + databases
