"""What Prometheus asks: a ServiceMonitor for each row, and monitors for what charts and k3s bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sophia_infra.manifests.external_secrets import secret_name
from sophia_infra.manifests.monitoring.names import release_manifest_name
from sophia_infra.manifests.names import (
    EXTERNAL_SECRETS_NAMESPACE,
    GPU_OPERATOR_NAMESPACE,
    KEDA_NAMESPACE,
    KUEUE_NAMESPACE,
    MONITORING_NAMESPACE,
    NAME_LABEL,
    SCRAPED_LABEL,
)
from sophia_infra.manifests.namespaces import (
    gpu_operator_namespace,
    namespace_manifest_name,
    training_here,
)
from sophia_infra.manifests.objects import Manifest, build_metadata
from sophia_infra.model.kubernetes import (
    METRICS_PORT,
    Cluster,
    DatabaseConfig,
    KubernetesConfig,
    WorkloadConfig,
    sidecar_of,
)

__all__ = [
    "NODE_FROM_POD",
    "NO_TARGET_LABELS",
    "database_monitor",
    "job_is",
    "platform_monitors",
    "service_monitor",
    "workload_monitor",
]

_API: Final = "monitoring.coreos.com/v1"
_QDRANT_KEY: Final = "QDRANT__SERVICE__API_KEY"
_SAMPLE_LIMIT: Final = 50_000
"""Samples of one scrape: a service that puts ids into labels loses its own figures, not everybody's."""

NODE_FROM_POD: Final[Mapping[str, Any]] = {
    "sourceLabels": ["__meta_kubernetes_pod_node_name"],
    "targetLabel": "node",
    "action": "replace",
}
NO_TARGET_LABELS: Final[Mapping[str, Any]] = {
    "regex": "namespace|pod|container|service",
    "action": "labeldrop",
}
"""For exporters that tell of other pods: what has none must not get the exporter's own."""


def job_is(job: str) -> dict[str, Any]:
    """A relabelling by which a job has the name that rules use, whatever its Service is called."""
    return {"targetLabel": "job", "replacement": job, "action": "replace"}


def workload_monitor(
    name: str, row: WorkloadConfig, kube: KubernetesConfig, cluster: Cluster
) -> list[Manifest]:
    """How one workload is scraped; nothing without monitoring, or where the row has no metrics."""
    if kube.monitoring is None or row.metrics_family == "none":
        return []
    endpoint = {"port": row.metrics_port, "path": row.metrics.path}
    return [service_monitor(name, row.namespace, endpoint, cluster)]


def database_monitor(
    name: str, row: DatabaseConfig, kube: KubernetesConfig, cluster: Cluster
) -> list[Manifest]:
    """How one database is scraped: its exporter beside it, or itself where it tells its own."""
    if kube.monitoring is None:
        return []
    if sidecar_of(kube, row.kind) is not None:
        return [service_monitor(name, row.namespace, {"port": METRICS_PORT}, cluster)]
    endpoint: dict[str, Any] = {"port": next(iter(row.ports))}
    if _QDRANT_KEY in row.secret_env and kube.secrets is not None:
        reference = {"name": secret_name(name), "key": _QDRANT_KEY}
        endpoint["authorization"] = {"type": "Bearer", "credentials": reference}
    return [service_monitor(name, row.namespace, endpoint, cluster)]


def service_monitor(name: str, namespace: str, endpoint: Mapping[str, Any], cluster: Cluster) -> Manifest:
    """A ServiceMonitor beside the Service of `name`; job and label `service` are that name.

    What the pods say about their own namespace and pod is kept apart: the labels of the target win.
    """
    spec = {
        "selector": {"matchLabels": {NAME_LABEL: name, SCRAPED_LABEL: "true"}},
        "endpoints": [{"path": "/metrics", "honorLabels": False, **endpoint}],
        "sampleLimit": _SAMPLE_LIMIT,
    }
    body = {
        "apiVersion": _API,
        "kind": "ServiceMonitor",
        "metadata": build_metadata(name, namespace),
        "spec": spec,
    }
    after = (release_manifest_name(cluster), namespace_manifest_name(cluster, namespace))
    return Manifest(f"{name}-monitor", body, after)


def platform_monitors(kube: KubernetesConfig, cluster: Cluster) -> list[Manifest]:
    """Monitors of GPUs, operators and the ingress controller, for those that this cluster has."""
    made = []
    if kube.gpu_operator.dcgm_exporter and gpu_operator_namespace(kube, cluster):
        made.append(_gpus(cluster))
    if kube.secrets is not None:
        made.append(_operator(cluster, "external-secrets", EXTERNAL_SECRETS_NAMESPACE, "external-secrets"))
    if kube.autoscaling.keda.enabled:
        made.append(_operator(cluster, "keda", KEDA_NAMESPACE, "keda-operator"))
    if training_here(kube, cluster):
        made.append(_kueue(cluster))
    if kube.ingress is not None and kube.ingress.class_name == "traefik":
        made.append(_operator(cluster, "traefik", "kube-system", "traefik"))
    if kube.ingress is not None and kube.ingress.cluster_issuer is not None:
        made.append(_operator(cluster, "cert-manager", "cert-manager", "cert-manager", "http-metrics"))
    return made


def _gpus(cluster: Cluster) -> Manifest:
    """By the Service of the GPU Operator. Labels of the pod that holds a GPU are the exporter's to say."""
    endpoint = {
        "port": "gpu-metrics",
        "path": "/metrics",
        "honorLabels": True,
        "relabelings": [dict(NODE_FROM_POD), dict(NO_TARGET_LABELS)],
    }
    selector = {"app": "nvidia-dcgm-exporter"}
    return _elsewhere(
        cluster, "ServiceMonitor", "nvidia-dcgm-exporter", GPU_OPERATOR_NAMESPACE, selector, endpoint
    )


def _kueue(cluster: Cluster) -> Manifest:
    """By TLS with a certificate that it made itself, for who may read /metrics: Prometheus' account may."""
    endpoint = {
        "port": "https",
        "path": "/metrics",
        "scheme": "https",
        "bearerTokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "tlsConfig": {"insecureSkipVerify": True},
        "relabelings": [job_is("kueue")],
    }
    selector = {NAME_LABEL: "kueue", "app.kubernetes.io/component": "metrics-service"}
    return _elsewhere(cluster, "ServiceMonitor", "kueue", KUEUE_NAMESPACE, selector, endpoint)


def _operator(cluster: Cluster, job: str, namespace: str, pods: str, port: str = METRICS_PORT) -> Manifest:
    """By its pods: charts make a Service for metrics only beside a monitor of their own.

    A pod's target has no label `service` of its own. With one, what traefik calls `service` becomes
    `exported_service`, which the rules about routes ask for.
    """
    service = {"targetLabel": "service", "replacement": job, "action": "replace"}
    endpoint = {"port": port, "path": "/metrics", "relabelings": [job_is(job), service]}
    return _elsewhere(cluster, "PodMonitor", job, namespace, {NAME_LABEL: pods}, endpoint)


def _elsewhere(
    cluster: Cluster,
    kind: str,
    name: str,
    namespace: str,
    selector: Mapping[str, str],
    endpoint: Mapping[str, Any],
) -> Manifest:
    """A monitor in our own namespace for something in another one."""
    listed = "endpoints" if kind == "ServiceMonitor" else "podMetricsEndpoints"
    body = {
        "apiVersion": _API,
        "kind": kind,
        "metadata": build_metadata(name, MONITORING_NAMESPACE),
        "spec": {
            "selector": {"matchLabels": dict(selector)},
            "namespaceSelector": {"matchNames": [namespace]},
            listed: [dict(endpoint)],
            "sampleLimit": _SAMPLE_LIMIT,
        },
    }
    after = (release_manifest_name(cluster), namespace_manifest_name(cluster, MONITORING_NAMESPACE))
    return Manifest(f"{cluster.name}-{name}-monitor", body, after)
