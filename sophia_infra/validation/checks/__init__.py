"""Checks by the names that the tables of criteria use: each reads the world and measures one thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from sophia_infra.validation.checks import checkout, fleet, kubernetes, records, watching
from sophia_infra.validation.measured import Measured
from sophia_infra.validation.world import World

__all__ = ["CHECKS", "Check"]

Check = Callable[[World, str], Measured]
"""The world, and the argument that stands after the name in the table."""

CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "alerts-predict": watching.alerts_predict,
        "alerts-quiet": watching.alerts_are_quiet,
        "audit": records.chains_are_whole,
        "autoscaler": kubernetes.autoscaler_has_metric,
        "autoscalers": kubernetes.autoscalers_are_there,
        "backends-warm": watching.backends_are_warm,
        "backup-jobs": records.backups_are_scheduled,
        "backup-hours": records.backup_is_young,
        "baseline": records.baseline_is_there,
        "budget": fleet.rate_is_within_budget,
        "chart": kubernetes.chart_is_there,
        "deploy-seconds": records.deployment_is_within,
        "doctor": fleet.nothing_is_lost_or_doubled,
        "dollars-seconds": watching.dollars_are_fresh,
        "drill-days": records.drill_succeeded,
        "file": checkout.file_is_there,
        "fleet": fleet.fleet_is_active,
        "forecast": checkout.forecast_beats_baselines,
        "gpu-busy": watching.gpus_are_busy,
        "gpu-places": kubernetes.gpu_places_are_reserved,
        "gpu-pods": kubernetes.gpu_pods_name_their_gpu,
        "gpu-quota": kubernetes.gpu_quota_is_there,
        "inference-usd": fleet.inference_is_within,
        "labels": kubernetes.nodes_have_labels,
        "machine": fleet.machine_is_active,
        "monitoring": watching.monitoring_is_there,
        "non-root": kubernetes.pods_are_not_root,
        "plan": fleet.plan_figure_holds,
        "plan-alert": watching.plan_alert_is_there,
        "response-ms": watching.response_is_within,
        "scaler": checkout.scaler_is_on,
        "script": checkout.script_runs,
        "secrets": records.secrets_are_complete,
        "secrets-age": records.secrets_are_young,
        "secrets-synced": records.every_consumer_is_synced,
        "services": kubernetes.services_are_there,
        "services-ready": kubernetes.services_are_ready,
        "stacks": checkout.stacks_are_there,
        "stage": checkout.dockerfile_has_stage,
        "swarm": kubernetes.swarm_has_peers,
        "training": checkout.training_cluster_is_declared,
        "update": records.last_update_succeeded,
        "uptime": watching.uptime_is_kept,
        "watched": watching.everything_is_watched,
    }
)
