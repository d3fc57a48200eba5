"""Names that several objects of monitoring have to agree on."""

from __future__ import annotations

from typing import Final

from sophia_infra.model.kubernetes import Cluster

__all__ = [
    "ALERTING_SECRET",
    "EXPORTER",
    "GRAFANA",
    "GRAFANA_SECRET",
    "RELEASE",
    "release_manifest_name",
]

RELEASE: Final = "monitoring"
"""The release; by `fullnameOverride` the chart's objects begin with it and nothing more."""
GRAFANA: Final = "grafana"
EXPORTER: Final = "sophia-exporter"
"""Pods, Service and job of the exporter of fleet and dollars."""
ALERTING_SECRET: Final = "alerting"  # noqa: S105 - the name of a Secret, not a secret
GRAFANA_SECRET: Final = "grafana-admin"  # noqa: S105 - likewise


def release_manifest_name(cluster: Cluster) -> str:
    """Logical name of the release, for `after`: it brings the definitions of monitors and rules."""
    return f"{cluster.name}-kube-prometheus-stack"
