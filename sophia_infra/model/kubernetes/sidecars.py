"""Third parties' images that monitoring runs, and what an exporter beside a store asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pydantic import Field

from sophia_infra.model.forms import ClosedModel
from sophia_infra.model.kubernetes.quantity import CpuSpan, MemorySpan
from sophia_infra.model.kubernetes.scaling import scaling_images
from sophia_infra.model.kubernetes.texts import ImageText

if TYPE_CHECKING:
    from sophia_infra.model.kubernetes.config import KubernetesConfig

__all__ = ["SIDECARS", "MonitoringImages", "Sidecar", "monitoring_images", "running_images", "sidecar_of"]


class MonitoringImages(ClosedModel):
    """Images that monitoring adds to those of its chart. All of them exist for amd64 and arm64."""

    postgres_exporter: ImageText = Field(
        default="prometheuscommunity/postgres-exporter:v0.20.1",
        description="Beside each postgres. Default prometheuscommunity/postgres-exporter:v0.20.1.",
    )
    redis_exporter: ImageText = Field(
        default="oliver006/redis_exporter:v1.89.0",
        description="Beside each redis. Default oliver006/redis_exporter:v1.89.0.",
    )
    loki: ImageText = Field(
        default="grafana/loki:3.7.6", description="With logs: loki. Default grafana/loki:3.7.6."
    )
    alloy: ImageText = Field(
        default="grafana/alloy:v1.18.1",
        description="With logs: loki, on each node. Default grafana/alloy:v1.18.1.",
    )


@dataclass(frozen=True, slots=True)
class Sidecar:
    """An exporter in the pods of a store.

    Attributes:
        name: of its container.
        field: of `MonitoringImages`.
        port: where it is scraped.
        cpu, memory: what it asks for; counted when pods are placed.
    """

    name: str
    field: str
    port: int
    cpu: CpuSpan
    memory: MemorySpan


SIDECARS: Final[Mapping[str, Sidecar]] = MappingProxyType(
    {
        "postgres": Sidecar(
            "postgres-exporter",
            "postgres_exporter",
            9187,
            CpuSpan("20m", "200m"),
            MemorySpan("48Mi", "128Mi"),
        ),
        "redis": Sidecar(
            "redis-exporter", "redis_exporter", 9121, CpuSpan("20m", "200m"), MemorySpan("32Mi", "96Mi")
        ),
    }
)
"""Kind of database -> its exporter. Qdrant has none: it tells its metrics itself."""


def sidecar_of(kube: KubernetesConfig, kind: str) -> Sidecar | None:
    """The exporter beside a database of this kind; None without monitoring, or where there is none."""
    return SIDECARS.get(kind) if kube.monitoring is not None else None


def monitoring_images(kube: KubernetesConfig) -> dict[tuple[str, ...], str]:
    """Where an image of ours or a third party's is written -> that image, for what monitoring really runs."""
    config = kube.monitoring
    if config is None:
        return {}
    found: dict[tuple[str, ...], str] = {}
    if config.exporter.enabled:
        found["monitoring", "exporter", "image"] = config.exporter.image
    kinds = {row.kind for row in kube.enabled_databases().values()}
    fields = [sidecar.field for kind, sidecar in SIDECARS.items() if kind in kinds]
    if config.logs == "loki":
        fields += ["loki", "alloy"]
    return found | {("monitoring", "images", field): getattr(config.images, field) for field in fields}


def running_images(kube: KubernetesConfig) -> dict[tuple[str, ...], str]:
    """Where an image is written, below sophia:kubernetes -> that image, for everything that is enabled."""
    found: dict[tuple[str, ...], str] = {
        ("workloads", name, "image"): row.image for name, row in kube.enabled_workloads().items()
    }
    found |= {("databases", name, "image"): row.image for name, row in kube.enabled_databases().items()}
    return found | monitoring_images(kube) | scaling_images(kube)
