"""Rules and dashboards as objects that the operator and Grafana's sidecar pick up."""

from __future__ import annotations

import re

from sophia_infra.manifests.monitoring.grafana_values import DASHBOARD_LABEL, FOLDER_ANNOTATION
from sophia_infra.manifests.monitoring.names import release_manifest_name
from sophia_infra.manifests.monitoring.watched import Watched
from sophia_infra.manifests.names import MONITORING_NAMESPACE, bounded
from sophia_infra.manifests.namespaces import namespace_manifest_name
from sophia_infra.manifests.objects import Manifest, build_metadata

__all__ = ["DASHBOARD_FOLDER", "dashboard_objects", "rule_objects"]

DASHBOARD_FOLDER = "Sophia"


def rule_objects(watched: Watched) -> list[Manifest]:
    """A PrometheusRule for each group: an object holds a megabyte, and a change shows its group."""
    cluster = watched.cluster
    url = watched.terms.config.runbooks_url
    after = (release_manifest_name(cluster), namespace_manifest_name(cluster, MONITORING_NAMESPACE))
    made = []
    for group in watched.rules:
        plain = re.sub(r"[^a-z0-9-]+", "-", group.name.lower()).strip("-")
        name = bounded(f"sophia-{plain.removeprefix('sophia-')}")
        body = {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": build_metadata(name, MONITORING_NAMESPACE),
            "spec": {"groups": [group.as_prometheus(url)]},
        }
        made.append(Manifest(f"{cluster.name}-{name}-rules", body, after))
    return made


def dashboard_objects(watched: Watched) -> list[Manifest]:
    """A ConfigMap for each dashboard; none without Grafana."""
    cluster = watched.cluster
    if not watched.terms.config.grafana.enabled:
        return []
    after = (namespace_manifest_name(cluster, MONITORING_NAMESPACE),)
    made = []
    for name, text in watched.dashboards.items():
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": build_metadata(
                bounded(f"dashboard-{name}"),
                MONITORING_NAMESPACE,
                labels={DASHBOARD_LABEL: "1"},
                annotations={FOLDER_ANNOTATION: DASHBOARD_FOLDER},
            ),
            "data": {f"{name}.json": text},
        }
        made.append(Manifest(f"{cluster.name}-dashboard-{name}", body, after))
    return made
