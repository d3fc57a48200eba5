"""NVIDIA's GPU Operator as a chart release: values for Lambda's images, k3s, mixed CPUs and shared GPUs."""

from __future__ import annotations

from typing import Any

import yaml

from sophia_infra.manifests.gpu_counters import COUNTERS_CONFIG_MAP, counters_csv
from sophia_infra.manifests.names import GPU_OPERATOR_NAMESPACE, GPU_RESOURCE, gpu_label_value
from sophia_infra.manifests.namespaces import gpu_operator_namespace
from sophia_infra.manifests.objects import ChartRelease, Item, names_of
from sophia_infra.manifests.tolerations import ARM64_TOLERATION, GPU_TOLERATION
from sophia_infra.model.kubernetes import Cluster, GpuSharing, KubernetesConfig

__all__ = ["EXCLUSIVE_CONFIG", "PLUGIN_CONFIG_MAP", "gpu_operator", "sharing_config_name", "sharing_of"]

PLUGIN_CONFIG_MAP = "device-plugin-configs"
EXCLUSIVE_CONFIG = "exclusive"
"""Device plugin configuration of nodes without a label: one pod for each GPU."""

_K3S_SOCKET = "/run/k3s/containerd/containerd.sock"
_K3S_CONFIG = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"


def sharing_of(kube: KubernetesConfig, cluster: Cluster) -> dict[str, GpuSharing]:
    """GPU model -> how it is shared, for models that this cluster has."""
    here = {node.gpu_model for node in cluster.nodes}
    return {model: sharing for model, sharing in kube.gpu_sharing.items() if model in here}


def sharing_config_name(model: str, sharing: GpuSharing) -> str:
    """Name of the device plugin configuration of a time-sliced model: value of a node label."""
    return f"{gpu_label_value(model)}-by-{sharing.time_slicing}"


def gpu_operator(kube: KubernetesConfig, cluster: Cluster) -> list[Item]:
    """The namespace and the release; nothing where the operator is off or no node has a GPU.

    Metrics are exported, all that monitoring wants from the start; no ServiceMonitor is asked for, since its
    definition comes with monitoring, a phase later.
    Source: values of chart v26.7.0.
    """
    namespace = gpu_operator_namespace(kube, cluster)
    if not namespace:
        return []
    release = ChartRelease(
        name=f"{cluster.name}-gpu-operator",
        release="gpu-operator",
        chart="gpu-operator",
        namespace=GPU_OPERATOR_NAMESPACE,
        values=_values(kube, cluster),
        version=kube.gpu_operator.version,
        after=names_of(*namespace),
    )
    return [*namespace, release]


def _values(kube: KubernetesConfig, cluster: Cluster) -> dict[str, Any]:
    config = kube.gpu_operator
    sharing = sharing_of(kube, cluster)
    has_mig = any(way.mig is not None for way in sharing.values())
    toolkit: dict[str, Any] = {"enabled": config.toolkit}
    if config.toolkit and kube.cluster == "joined":
        toolkit["env"] = _k3s_environment()
    exporter: dict[str, Any] = {"enabled": config.dcgm_exporter, "serviceMonitor": {"enabled": False}}
    if config.dcgm_exporter:
        exporter["config"] = {"create": True, "name": COUNTERS_CONFIG_MAP, "data": counters_csv()}
    values: dict[str, Any] = {
        "driver": {"enabled": config.driver},
        "toolkit": toolkit,
        "devicePlugin": {"enabled": True},
        "dcgmExporter": exporter,
        # One kind of slice for each node: it stays `nvidia.com/gpu`, so quotas and pods need no second name.
        "mig": {"strategy": "single"},
        "migManager": {"enabled": has_mig},
        "daemonsets": {"tolerations": [GPU_TOLERATION, ARM64_TOLERATION]},
        "operator": {"tolerations": [*_control_plane_tolerations(), ARM64_TOLERATION]},
        "node-feature-discovery": {
            "worker": {"tolerations": [*_control_plane_tolerations(), GPU_TOLERATION, ARM64_TOLERATION]},
            "master": {"tolerations": [*_control_plane_tolerations(), ARM64_TOLERATION]},
            "gc": {"tolerations": [ARM64_TOLERATION]},
        },
    }
    sliced = {model: way for model, way in sharing.items() if way.time_slicing is not None}
    if sliced:
        values["devicePlugin"]["config"] = {
            "create": True,
            "name": PLUGIN_CONFIG_MAP,
            "default": EXCLUSIVE_CONFIG,
            "data": _plugin_configs(sliced),
        }
    return values


def _plugin_configs(sliced: dict[str, GpuSharing]) -> dict[str, str]:
    """Name -> YAML text as the device plugin reads it."""
    configs = {EXCLUSIVE_CONFIG: _plugin_text({})}
    for model, way in sliced.items():
        slices = {
            # The resource keeps its name: a quota on `nvidia.com/gpu` would not see `nvidia.com/gpu.shared`.
            "renameByDefault": False,
            # Two shares of one GPU give no more compute, so a pod that asks for two is mistaken.
            "failRequestsGreaterThanOne": True,
            "resources": [{"name": GPU_RESOURCE, "replicas": way.time_slicing}],
        }
        configs[sharing_config_name(model, way)] = _plugin_text({"sharing": {"timeSlicing": slices}})
    return configs


def _plugin_text(further: dict[str, Any]) -> str:
    document = {"version": "v1", "flags": {"migStrategy": "single"}, **further}
    return yaml.safe_dump(document, sort_keys=False)


def _k3s_environment() -> list[dict[str, str]]:
    """Where k3s keeps containerd. Its own command line would not show the toolkit k3s' configuration."""
    return [
        {"name": "CONTAINERD_SOCKET", "value": _K3S_SOCKET},
        {"name": "CONTAINERD_CONFIG", "value": _K3S_CONFIG},
        {"name": "RUNTIME_CONFIG_SOURCE", "value": f"file={_K3S_CONFIG}"},
    ]


def _control_plane_tolerations() -> list[dict[str, str]]:
    return [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}]
