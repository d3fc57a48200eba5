"""KEDA: its release, and ScaledObjects for rows that scale by what only Prometheus knows."""

from __future__ import annotations

from typing import Any

from sophia_infra.manifests.autoscaling import GPU_METRIC, scaling_behavior
from sophia_infra.manifests.names import KEDA_NAMESPACE
from sophia_infra.manifests.namespaces import namespace_manifest_name
from sophia_infra.manifests.objects import ChartRelease, Item, Manifest, build_metadata
from sophia_infra.manifests.tolerations import ARM64_TOLERATION
from sophia_infra.model.kubernetes import AutoscaleConfig, Cluster, KubernetesConfig, WorkloadConfig

__all__ = ["keda", "keda_manifest_name", "scaled_by_keda", "scaled_object", "waiting_calls"]

_API = "keda.sh/v1alpha1"
_POLLING_S = 15
_FAILED_POLLS = 4
_USUAL_SCRAPE_S = 30
_SCRAPES_OF_A_RATE = 4
"""A rate needs two samples; with four in its window none is missing when a scrape fails or is late."""
# Every scraped gateway has this series from its start; a queue has none before the first call waits.
_NOBODY = "sum(lambda_inference_in_flight) * 0"
_FORECAST = 'max(lambda_inference_predicted_demand{quantile="0.9"}) or vector(0)'


def keda_manifest_name(cluster: Cluster) -> str:
    """Logical name of the release, for `after`."""
    return f"{cluster.name}-keda"


def keda(kube: KubernetesConfig, cluster: Cluster) -> list[Item]:
    """KEDA's release; nothing where it is off. It serves external metrics only, so the adapter may stay."""
    config = kube.autoscaling.keda
    if not config.enabled:
        return []
    values: dict[str, Any] = {"crds": {"install": True}, "tolerations": [ARM64_TOLERATION]}
    if kube.monitoring is not None:
        values["prometheus"] = {"operator": {"enabled": True}}
    release = ChartRelease(
        name=keda_manifest_name(cluster),
        release="keda",
        chart="keda",
        namespace=KEDA_NAMESPACE,
        values=values,
        version=config.version,
        after=(namespace_manifest_name(cluster, KEDA_NAMESPACE),),
    )
    return [release]


def scaled_by_keda(row: WorkloadConfig, kube: KubernetesConfig) -> bool:
    """Whether the row's pods are counted by KEDA instead of the cluster's own autoscaler."""
    return kube.autoscaling.is_by_keda(row.autoscale)


def waiting_calls(backends: tuple[str, ...]) -> str:
    """Calls that wait in all gateways for these backends; for any backend when none is named."""
    chosen = f'{{backend=~"{"|".join(backends)}"}}' if backends else ""
    return f"sum(lambda_inference_queue_length{chosen}) or {_NOBODY}"


def scaled_object(
    name: str,
    row: WorkloadConfig,
    kube: KubernetesConfig,
    max_replicas: int,
    after: tuple[str, ...],
    waiting: str | None = None,
) -> Manifest:
    """The ScaledObject of a row for which `scaled_by_keda` holds.

    A Prometheus that does not answer, or answers with nothing, is an error and not a zero: after a minute of
    it the pods stay where they are, or grow to the row's replicas. Of several triggers the one that asks for
    most pods counts, so a forecast, which is 0 where it is too old, never takes away what is used now.

    Args:
        max_replicas: what the GPUs of the fleet can carry.
        waiting: the question behind `autoscale.queue`; default: calls waiting for any backend.
    """
    config = row.autoscale
    if config is None:
        raise ValueError(f"{name} has no autoscale")
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "pollingInterval": _POLLING_S,
        "minReplicaCount": min(config.min, max_replicas),
        "maxReplicaCount": max_replicas,
        "fallback": {
            "failureThreshold": _FAILED_POLLS,
            "replicas": min(row.replicas, max_replicas),
            "behavior": "currentReplicasIfHigher",
        },
        # The name of the autoscaler that the row had before KEDA: it is taken over, not fought.
        "advanced": {
            "horizontalPodAutoscalerConfig": {
                "name": config.object_name(name),
                "behavior": scaling_behavior(row),
            }
        },
        "triggers": _triggers(name, row, config, kube, waiting or waiting_calls(())),
    }
    body = {
        "apiVersion": _API,
        "kind": "ScaledObject",
        "metadata": build_metadata(
            name, row.namespace, annotations={"scaledobject.keda.sh/transfer-hpa-ownership": "true"}
        ),
        "spec": spec,
    }
    return Manifest(f"{name}-scaled-object", body, after)


def _triggers(
    name: str, row: WorkloadConfig, config: AutoscaleConfig, kube: KubernetesConfig, waiting: str
) -> list[dict[str, Any]]:
    """One for each measure. Of an AverageValue the query is the sum over all pods: KEDA divides by them."""
    window = f"[{_rate_window_s(kube)}s]"
    own_pods = f'namespace="{row.namespace}",pod=~"{name}-[^-]+-[^-]+"'
    questions = (
        (waiting, config.queue),
        (f"sum(rate(lambda_inference_requests_total{window})) or {_NOBODY}", config.rps),
        (_tokens_written(row, own_pods, window), config.tokens_per_s),
        (f"sum({GPU_METRIC}{{{own_pods}}})", config.gpu_utilization),
        (_FORECAST, config.forecast),
    )
    made: list[dict[str, Any]] = [
        {
            "type": "prometheus",
            "metricType": "AverageValue",
            "metadata": {
                "serverAddress": str(kube.prometheus_url),
                "query": query,
                "threshold": _plain(threshold),
                "ignoreNullValues": "false",
            },
        }
        for query, threshold in questions
        if threshold is not None
    ]
    for kind, percent in (("cpu", config.cpu), ("memory", config.memory)):
        if percent is not None:
            made.append({"type": kind, "metricType": "Utilization", "metadata": {"value": str(percent)}})
    return made


def _tokens_written(row: WorkloadConfig, own_pods: str, window: str) -> str:
    """A second: as the model's servers count them while they write, as gateways do when a call has ended.

    A server that still loads its model has no series, which is an error and not a zero.
    """
    if row.vllm is not None:
        return f"sum(rate(vllm:generation_tokens_total{{{own_pods}}}{window}))"
    return f'sum(rate(lambda_inference_tokens_total{{kind="output"}}{window})) or {_NOBODY}'


def _rate_window_s(kube: KubernetesConfig) -> int:
    scrape_s = kube.monitoring.scrape_s if kube.monitoring is not None else _USUAL_SCRAPE_S
    return max(60, _SCRAPES_OF_A_RATE * scrape_s)


def _plain(number: float) -> str:
    """Without an exponent, which KEDA would read and people would not."""
    return f"{number:.6f}".rstrip("0").rstrip(".")
