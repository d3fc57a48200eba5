"""Values of the chart for Prometheus itself and what it scrapes of the cluster."""

from __future__ import annotations

from typing import Any

from sophia_infra.manifests.claims import claim_spec
from sophia_infra.manifests.monitoring.demand import size_of
from sophia_infra.manifests.monitoring.monitors import NO_TARGET_LABELS, NODE_FROM_POD, job_is
from sophia_infra.manifests.monitoring.watched import Watched
from sophia_infra.manifests.tolerations import ARM64_TOLERATION
from sophia_infra.model.kubernetes import KubernetesConfig, bytes_of
from sophia_infra.monitoring.sizing import SHARE_FOR_DATA

__all__ = ["MONITORING_PRIORITY", "agents", "prometheus"]

MONITORING_PRIORITY = "high"
"""PriorityClass: what measures a full node must not be the first to leave it."""

_MIB = 1 << 20
_MOST_TIMEOUT_S = 10
_METRICS_PATH = {"action": "replace", "sourceLabels": ["__metrics_path__"], "targetLabel": "metrics_path"}


def prometheus(watched: Watched) -> dict[str, Any]:
    """Retention is limited by days and by size: a full disk stops everything, old samples are only old.

    It takes every monitor and rule of the cluster, not only those that carry the release's label.
    """
    kube, config = watched.kube, watched.terms.config
    size = size_of(watched)
    claim = config.storage or f"{size.claim_gib}Gi"
    every = {
        f"{kind}SelectorNilUsesHelmValues": False
        for kind in ("serviceMonitor", "podMonitor", "rule", "probe", "scrapeConfig")
    }
    spec: dict[str, Any] = {
        "scrapeInterval": f"{config.scrape_s}s",
        "scrapeTimeout": f"{min(_MOST_TIMEOUT_S, config.scrape_s)}s",
        "evaluationInterval": f"{config.scrape_s}s",
        "retention": f"{config.retention_days}d",
        "retentionSize": f"{int(bytes_of(claim) * SHARE_FOR_DATA) // _MIB}MiB",
        "storageSpec": {"volumeClaimTemplate": {"spec": claim_spec(claim, kube.storage_class.name)}},
        # On alarms, where several clusters tell one Alertmanager's people; samples carry no cluster.
        "externalLabels": {"cluster": watched.cluster.name, "stack": watched.terms.stack},
        "resources": {
            "requests": {"cpu": "250m", "memory": f"{size.memory_mib}Mi"},
            "limits": {"memory": f"{2 * size.memory_mib}Mi"},
        },
        "priorityClassName": MONITORING_PRIORITY,
        "tolerations": [ARM64_TOLERATION],
        **every,
    }
    return {"serviceMonitor": {"relabelings": [job_is("prometheus")]}, "prometheusSpec": spec}


def agents(kube: KubernetesConfig, scrape_s: int) -> dict[str, Any]:
    """What tells of nodes and objects: node-exporter, kube-state-metrics, kubelets and the control plane.

    k3s runs the control plane in one process: its parts have no ports of their own, and the kubelet of the
    server repeats the metrics of the API server.
    """
    arm64 = [ARM64_TOLERATION]
    values: dict[str, Any] = {
        "prometheus-node-exporter": {
            # On every node, whatever keeps others away.
            "tolerations": [{"operator": "Exists", "effect": "NoSchedule"}],
            "resources": _resources("50m", "48Mi", "128Mi"),
            "prometheus": {"monitor": {"relabelings": [dict(NODE_FROM_POD)]}},
        },
        "kube-state-metrics": {
            "tolerations": arm64,
            "resources": _resources("50m", "128Mi", "512Mi"),
            "prometheus": {
                "monitor": {"http": {"honorLabels": True, "relabelings": [dict(NO_TARGET_LABELS)]}}
            },
        },
        "prometheusOperator": {
            "tolerations": arm64,
            "resources": _resources("50m", "128Mi", "512Mi"),
            "admissionWebhooks": {"patch": {"tolerations": arm64}},
        },
        "kubelet": {"serviceMonitor": _kubelet(kube, scrape_s)},
    }
    if kube.cluster == "joined":
        parts = ("kubeControllerManager", "kubeScheduler", "kubeProxy", "kubeEtcd")
        values |= {part: {"enabled": False} for part in parts}
    return values


def _kubelet(kube: KubernetesConfig, scrape_s: int) -> dict[str, Any]:
    """The operator adds `node` itself: a kubelet's address belongs to a node and to no pod.

    Of cAdvisor the chart drops what our rules need as well: throttled seconds and memory limits. Ours drops
    the rest of it.
    """
    target = [_METRICS_PATH, dict(NO_TARGET_LABELS)]
    repeated = [_drop("(apiserver|etcd|aggregator)_.+")] if kube.cluster == "joined" else []
    storage = {
        "action": "drop",
        "sourceLabels": ["__name__", "le"],
        "regex": r"(csi_operations|storage_operation_duration)_seconds_bucket;(0.25|2.5|15|25|120|600)(\.0)?",
    }
    return {
        "honorLabels": True,
        "cAdvisorInterval": f"{scrape_s}s",
        "relabelings": target,
        "cAdvisorRelabelings": target,
        "probesRelabelings": target,
        "metricRelabelings": [storage, *repeated],
        "cAdvisorMetricRelabelings": [
            _drop("container_cpu_(load_average_10s|system_seconds_total|user_seconds_total)"),
            _drop(
                "container_fs_(io_current|io_time_seconds_total|io_time_weighted_seconds_total"
                "|reads_merged_total|sector_reads_total|sector_writes_total|writes_merged_total)"
            ),
            _drop("container_memory_(mapped_file|swap)"),
            _drop("container_(file_descriptors|tasks_state|threads_max)"),
            _drop("container_spec_(cpu_.+|memory_(reservation_limit|swap_limit)_bytes)"),
            _drop("container_memory_failures_total;hierarchy", "scope"),
            _drop("container_network_.*;(cali|cilium|cni|lxc|nodelocaldns|tunl).*", "interface"),
            # Control groups above the pods: sums of what is there anyway.
            {"action": "drop", "sourceLabels": ["id", "pod"], "regex": ".+;"},
        ],
    }


def _drop(regex: str, *further: str) -> dict[str, Any]:
    return {"action": "drop", "sourceLabels": ["__name__", *further], "regex": regex}


def _resources(cpu: str, memory: str, most_memory: str) -> dict[str, Any]:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": most_memory}}
