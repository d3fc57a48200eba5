"""Logs in one place: Loki and Alloy with `logs: loki`, and nothing with `plain`."""

from __future__ import annotations

import yaml

from sophia_infra.manifests.monitoring.alloy import alloy
from sophia_infra.manifests.monitoring.grafana_values import DATASOURCE_LABEL
from sophia_infra.manifests.monitoring.log_pods import LOKI_URL
from sophia_infra.manifests.monitoring.loki import loki
from sophia_infra.manifests.monitoring.watched import Watched
from sophia_infra.manifests.names import MONITORING_NAMESPACE
from sophia_infra.manifests.namespaces import namespace_manifest_name
from sophia_infra.manifests.objects import Manifest, build_metadata, of_cluster

__all__ = ["logs"]


def logs(watched: Watched) -> list[Manifest]:
    """Everything of it; nothing with `logs: plain`, where each node keeps its own."""
    if watched.terms.config.logs == "plain":
        return []
    base = (namespace_manifest_name(watched.cluster, MONITORING_NAMESPACE),)
    made = [*loki(watched, base), *alloy(watched, base)]
    if watched.terms.config.grafana.enabled:
        made.append(_datasource(base))
    return of_cluster(watched.cluster.name, made)


def _datasource(base: tuple[str, ...]) -> Manifest:
    source = {"name": "Loki", "type": "loki", "uid": "loki", "access": "proxy", "url": LOKI_URL}
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": build_metadata("loki-datasource", MONITORING_NAMESPACE, labels={DATASOURCE_LABEL: "1"}),
        "data": {"loki.yaml": yaml.safe_dump({"apiVersion": 1, "datasources": [source]}, sort_keys=False)},
    }
    return Manifest("loki-datasource", body, base)
