"""prometheus-adapter: what serves `gpu_utilization` to the cluster's own autoscaler, and nothing else.

It answers custom.metrics.k8s.io only, KEDA answers external.metrics.k8s.io, so both may be installed.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from sophia_infra.manifests.autoscaling import GPU_METRIC
from sophia_infra.manifests.monitoring.names import release_manifest_name
from sophia_infra.manifests.names import ADAPTER_NAMESPACE, NAME_LABEL
from sophia_infra.manifests.namespaces import adapter_here, namespace_manifest_name
from sophia_infra.manifests.objects import ChartRelease, Item, Manifest, build_metadata, names_of, of_cluster
from sophia_infra.manifests.tolerations import ARM64_TOLERATION
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig, Placement

__all__ = ["prometheus_adapter"]

_NAME: Final = "prometheus-adapter"
"""Release, service account and, because the chart's own name is in it, every object of the release."""
_RBAC: Final = "rbac.authorization.k8s.io"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_RELIST: Final = "1m"
"""How often it looks for new series. Not below the pace at which they are made, or they come and go."""


def prometheus_adapter(kube: KubernetesConfig, placement: Placement, cluster: Cluster) -> list[Item]:
    """Its rights and its release; nothing in a cluster where nothing asks it.

    Raises ValueError when there is no Prometheus to ask, which no accepted stack lacks.
    """
    if not adapter_here(kube, placement, cluster):
        return []
    if kube.prometheus_url is None:
        raise ValueError("the adapter has no Prometheus to ask")
    namespace = namespace_manifest_name(cluster, ADAPTER_NAMESPACE)
    rights = of_cluster(cluster.name, _rights())
    # Its pods ask Prometheus as soon as they run, and the release waits for them.
    asked = (release_manifest_name(cluster),) if kube.monitoring is not None else ()
    release = ChartRelease(
        name=f"{cluster.name}-{_NAME}",
        release=_NAME,
        chart=_NAME,
        namespace=ADAPTER_NAMESPACE,
        values=_values(kube.prometheus_url),
        version=kube.autoscaling.adapter.version,
        after=(namespace, *names_of(*rights), *asked),
    )
    return [*rights, release]


def _values(prometheus_url: str) -> dict[str, Any]:
    """Two replicas: while an API service has no pod, namespaces cannot be deleted and kubectl complains."""
    address = urlsplit(prometheus_url)
    return {
        "prometheus": {
            "url": f"{address.scheme}://{address.netloc.removesuffix(f':{address.port}')}",
            "port": address.port or _DEFAULT_PORTS[address.scheme],
            "path": address.path,
        },
        "rules": {"default": False, "custom": [_rule()]},
        "metricsRelistInterval": _RELIST,
        "replicas": 2,
        "podDisruptionBudget": {
            "enabled": True,
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {NAME_LABEL: _NAME}},
            }
        ],
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"memory": "256Mi"},
        },
        "rbac": {"create": False},
        "serviceAccount": {"create": True, "name": _NAME},
        "tolerations": [ARM64_TOLERATION],
        "logLevel": 2,
    }


def _rule() -> dict[str, Any]:
    """The recording rule has one series a pod. A pod that another Prometheus sees twice counts once."""
    return {
        "seriesQuery": f'{GPU_METRIC}{{namespace!="",pod!=""}}',
        "resources": {
            "overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}},
        },
        "name": {"as": GPU_METRIC},
        "metricsQuery": "avg by (<<.GroupBy>>) (<<.Series>>{<<.LabelMatchers>>})",
    }


def _rights() -> list[Manifest]:
    """What it needs: names of pods by their labels, and whom the API server says a caller is.

    The chart's own roles read every ConfigMap and Service of the cluster as well. Autoscalers need no right
    from here: Kubernetes gives their controller all of custom.metrics.k8s.io.
    """
    role = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": build_metadata(_NAME),
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}],
    }
    reader = "extension-apiserver-authentication-reader"
    return [
        Manifest(f"{_NAME}-role", role),
        Manifest(f"{_NAME}-pods", _binding("ClusterRole", _NAME, build_metadata(_NAME)), (f"{_NAME}-role",)),
        Manifest(
            f"{_NAME}-callers",
            _binding("ClusterRole", "system:auth-delegator", build_metadata(f"{_NAME}-callers")),
        ),
        Manifest(
            f"{_NAME}-authorities",
            _binding("Role", reader, build_metadata(f"{_NAME}-authorities", "kube-system")),
        ),
    ]


def _binding(kind: str, role: str, metadata: dict[str, Any]) -> dict[str, Any]:
    """A role for its account; in one namespace where `metadata` names one."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding" if "namespace" in metadata else "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": _NAME, "namespace": ADAPTER_NAMESPACE}],
    }
