"""Values of the chart for Grafana: dashboards from ConfigMaps, nothing kept, nobody called."""

from __future__ import annotations

from typing import Any

from sophia_infra.manifests.monitoring.monitors import job_is
from sophia_infra.manifests.monitoring.names import GRAFANA, GRAFANA_SECRET
from sophia_infra.manifests.names import MONITORING_NAMESPACE, bounded
from sophia_infra.manifests.tolerations import ARM64_TOLERATION
from sophia_infra.model.kubernetes import KubernetesConfig, MonitoringConfig

__all__ = [
    "DASHBOARD_LABEL",
    "DATASOURCE_LABEL",
    "FOLDER_ANNOTATION",
    "PASSWORD_KEY",
    "USER_KEY",
    "grafana",
]

DASHBOARD_LABEL = "grafana_dashboard"
DATASOURCE_LABEL = "grafana_datasource"
FOLDER_ANNOTATION = "grafana_folder"
USER_KEY = "admin-user"
PASSWORD_KEY = "admin-password"  # noqa: S105 - a key inside a Secret


def grafana(kube: KubernetesConfig, config: MonitoringConfig) -> dict[str, Any]:
    """Without a volume: dashboards are in the program, and what somebody clicks together is not kept."""
    if not config.grafana.enabled:
        return {"enabled": False}
    values: dict[str, Any] = {
        "enabled": True,
        "persistence": {"enabled": False},
        "tolerations": [ARM64_TOLERATION],
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
        "testFramework": {"enabled": False},
        "serviceMonitor": {"relabelings": [job_is(GRAFANA)]},
        "sidecar": {
            "dashboards": {
                "label": DASHBOARD_LABEL,
                "labelValue": "1",
                "searchNamespace": MONITORING_NAMESPACE,
                "folderAnnotation": FOLDER_ANNOTATION,
                "provider": {"foldersFromFilesStructure": True, "allowUiUpdates": False},
            },
            "datasources": {"label": DATASOURCE_LABEL, "searchNamespace": MONITORING_NAMESPACE},
        },
        "grafana.ini": {
            "analytics": {"reporting_enabled": False, "check_for_updates": False},
            "users": {"allow_sign_up": False},
        },
    }
    if config.grafana.admin_password is not None:
        values["admin"] = {
            "existingSecret": GRAFANA_SECRET,
            "userKey": USER_KEY,
            "passwordKey": PASSWORD_KEY,
        }
    if config.grafana.host is not None and kube.ingress is not None:
        host = f"{config.grafana.host}.{kube.ingress.domain}"
        values["grafana.ini"]["server"] = {"root_url": f"https://{host}/"}
        values["ingress"] = _ingress(host, kube)
    return values


def _ingress(host: str, kube: KubernetesConfig) -> dict[str, Any]:
    """As the routes of workloads: by TLS, with the certificate of its own name."""
    config = kube.ingress
    if config is None:
        raise ValueError("a route of Grafana needs sophia:kubernetes.ingress")
    values: dict[str, Any] = {
        "enabled": True,
        "ingressClassName": config.class_name,
        "hosts": [host],
        "path": "/",
        "tls": [{"hosts": [host], "secretName": bounded(f"{config.tls_secret_prefix}-{GRAFANA}")}],
    }
    if config.cluster_issuer is not None:
        values["annotations"] = {"cert-manager.io/cluster-issuer": config.cluster_issuer}
    return values
