"""The part of `docs/workloads.md` that comes from the models.

`python -m sophia_infra.model.kubernetes.field_docs` writes it; a test compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from sophia_infra.model.kubernetes.autoscaling import (
    AdapterConfig,
    AutoscaleConfig,
    AutoscalingConfig,
    KedaConfig,
)
from sophia_infra.model.kubernetes.config import KubernetesConfig
from sophia_infra.model.kubernetes.database import BackupConfig, DatabaseConfig
from sophia_infra.model.kubernetes.gpus import GpuOperatorConfig, GpuRequest, GpuSharing
from sophia_infra.model.kubernetes.monitoring import (
    AlertingConfig,
    ExporterConfig,
    GrafanaConfig,
    MetricsConfig,
    MonitoringConfig,
    PagerDutyReceiver,
    SlackReceiver,
    WebhookReceiver,
)
from sophia_infra.model.kubernetes.scaling import ForecasterConfig, NodeScalerConfig
from sophia_infra.model.kubernetes.services import (
    ImagesConfig,
    IngressConfig,
    NamespaceConfig,
    SecretsConfig,
    StorageClassConfig,
    TrainingConfig,
)
from sophia_infra.model.kubernetes.sidecars import MonitoringImages
from sophia_infra.model.kubernetes.vllm import VllmConfig
from sophia_infra.model.kubernetes.workload import (
    HealthConfig,
    RouteConfig,
    VolumeConfig,
    WorkloadConfig,
)

__all__ = ["BEGIN", "DOCS_FILE", "END", "build_fields_section", "write_fields_section"]

DOCS_FILE: Final = Path(__file__).resolve().parents[3] / "docs" / "workloads.md"
BEGIN: Final = "<!-- fields: begin; written by sophia_infra.model.kubernetes.field_docs, never by hand -->"
END: Final = "<!-- fields: end -->"

MODELS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("workloads.NAME", WorkloadConfig),
    ("workloads.NAME.health", HealthConfig),
    ("workloads.NAME.gpu", GpuRequest),
    ("workloads.NAME.volumes.NAME", VolumeConfig),
    ("workloads.NAME.ingress", RouteConfig),
    ("workloads.NAME.autoscale", AutoscaleConfig),
    ("workloads.NAME.metrics", MetricsConfig),
    ("workloads.NAME.vllm", VllmConfig),
    ("databases.NAME", DatabaseConfig),
    ("databases.NAME.backup", BackupConfig),
    ("sophia:kubernetes", KubernetesConfig),
    ("sophia:kubernetes.gpu_operator", GpuOperatorConfig),
    ("sophia:kubernetes.gpu_sharing.MODEL", GpuSharing),
    ("sophia:kubernetes.namespaces.NAME", NamespaceConfig),
    ("sophia:kubernetes.storage_class", StorageClassConfig),
    ("sophia:kubernetes.images", ImagesConfig),
    ("sophia:kubernetes.ingress", IngressConfig),
    ("sophia:kubernetes.secrets", SecretsConfig),
    ("sophia:kubernetes.training", TrainingConfig),
    ("sophia:kubernetes.autoscaling", AutoscalingConfig),
    ("sophia:kubernetes.autoscaling.keda", KedaConfig),
    ("sophia:kubernetes.autoscaling.adapter", AdapterConfig),
    ("sophia:kubernetes.forecaster", ForecasterConfig),
    ("sophia:kubernetes.scaler", NodeScalerConfig),
    ("sophia:kubernetes.monitoring", MonitoringConfig),
    ("sophia:kubernetes.monitoring.alerting", AlertingConfig),
    ("sophia:kubernetes.monitoring.alerting.slack", SlackReceiver),
    ("sophia:kubernetes.monitoring.alerting.pagerduty", PagerDutyReceiver),
    ("sophia:kubernetes.monitoring.alerting.webhook", WebhookReceiver),
    ("sophia:kubernetes.monitoring.grafana", GrafanaConfig),
    ("sophia:kubernetes.monitoring.exporter", ExporterConfig),
    ("sophia:kubernetes.monitoring.images", MonitoringImages),
)


def build_fields_section() -> str:
    """A heading and a table for each model, in the order in which people meet them."""
    return "\n".join([BEGIN, "", *_tables(), END])


def write_fields_section(file: Path = DOCS_FILE) -> None:
    """Replace what stands between the marks in `file`."""
    before, _begin, rest = file.read_text(encoding="utf-8").partition(BEGIN)
    _old, _end, after = rest.partition(END)
    file.write_text(f"{before}{build_fields_section()}{after}", encoding="utf-8")


def _tables() -> Iterator[str]:
    for path, model in MODELS:
        summary = re.sub(r"\s+", " ", (model.__doc__ or "").strip())
        yield from (
            f"### `{path}`",
            "",
            summary,
            "",
            "| Field | Required | Meaning, default and reason |",
            "|---|---|---|",
        )
        for name, field in model.model_fields.items():
            required = "yes" if field.is_required() else ""
            meaning = (field.description or "").replace("|", "\\|").replace("<", "&lt;")
            yield f"| `{name}` | {required} | {meaning} |"
        yield ""


if __name__ == "__main__":
    write_fields_section()
