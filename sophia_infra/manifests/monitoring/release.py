"""kube-prometheus-stack as a chart release, and the Secrets that it reads."""

from __future__ import annotations

from typing import Any

from sophia_infra.manifests.claims import claim_spec
from sophia_infra.manifests.classes import priority_class_manifest_name, storage_class_manifest_name
from sophia_infra.manifests.external_secrets import external_secret
from sophia_infra.manifests.monitoring.alert_templates import TEMPLATE_FILE, TEMPLATE_TEXT
from sophia_infra.manifests.monitoring.alertmanager_config import (
    alertmanager_config,
    find_alerts_by_exporter,
)
from sophia_infra.manifests.monitoring.default_rules import default_rules
from sophia_infra.manifests.monitoring.grafana_values import PASSWORD_KEY, USER_KEY, grafana
from sophia_infra.manifests.monitoring.monitors import job_is
from sophia_infra.manifests.monitoring.names import (
    ALERTING_SECRET,
    GRAFANA_SECRET,
    RELEASE,
    release_manifest_name,
)
from sophia_infra.manifests.monitoring.prometheus_values import MONITORING_PRIORITY, agents, prometheus
from sophia_infra.manifests.monitoring.watched import Watched
from sophia_infra.manifests.names import MONITORING_NAMESPACE
from sophia_infra.manifests.namespaces import namespace_manifest_name
from sophia_infra.manifests.objects import ChartRelease, Item, names_of, of_cluster
from sophia_infra.manifests.tolerations import ARM64_TOLERATION

__all__ = ["release"]

_CHART = "kube-prometheus-stack"
_ALERTMANAGER_CLAIM = "1Gi"


def release(watched: Watched) -> list[Item]:
    """Secrets first: pods that mount one wait for it, and the release waits for its pods."""
    kube, cluster, config = watched.kube, watched.cluster, watched.terms.config
    secrets = external_secret(
        ALERTING_SECRET, MONITORING_NAMESPACE, config.alerting.secret_paths, kube, cluster
    )
    password = config.grafana.admin_password
    if config.grafana.enabled and password is not None:
        secrets += external_secret(
            GRAFANA_SECRET,
            MONITORING_NAMESPACE,
            {PASSWORD_KEY: password},
            kube,
            cluster,
            plain={USER_KEY: "admin"},
        )
    secrets = of_cluster(cluster.name, secrets)
    made = ChartRelease(
        name=release_manifest_name(cluster),
        release=RELEASE,
        chart=_CHART,
        namespace=MONITORING_NAMESPACE,
        values=_values(watched),
        version=config.version,
        after=(
            namespace_manifest_name(cluster, MONITORING_NAMESPACE),
            storage_class_manifest_name(cluster),
            priority_class_manifest_name(cluster, MONITORING_PRIORITY),
            *names_of(*secrets),
        ),
    )
    return [*secrets, made]


def _values(watched: Watched) -> dict[str, Any]:
    kube, config = watched.kube, watched.terms.config
    return {
        "fullnameOverride": RELEASE,
        # Else pods would be called prometheus-monitoring-prometheus-0.
        "cleanPrometheusOperatorObjectNames": True,
        "defaultRules": default_rules(),
        "prometheus": prometheus(watched),
        "alertmanager": _alertmanager(watched),
        "grafana": grafana(kube, config),
        **agents(kube, config.scrape_s),
    }


def _alertmanager(watched: Watched) -> dict[str, Any]:
    """With a claim: silences and what was said already outlive a restart."""
    kube, config = watched.kube, watched.terms.config
    claim = claim_spec(_ALERTMANAGER_CLAIM, kube.storage_class.name)
    spec: dict[str, Any] = {
        "storage": {"volumeClaimTemplate": {"spec": claim}},
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "priorityClassName": MONITORING_PRIORITY,
        "tolerations": [ARM64_TOLERATION],
    }
    if config.alerting.secret_paths:
        spec["secrets"] = [ALERTING_SECRET]
    by_exporter = find_alerts_by_exporter(watched.rules)
    return {
        "config": alertmanager_config(config, by_exporter, calls_switch=watched.is_primary),
        "templateFiles": {TEMPLATE_FILE: TEMPLATE_TEXT},
        "serviceMonitor": {"relabelings": [job_is("alertmanager")]},
        "alertmanagerSpec": spec,
    }
