"""Which of the chart's own rules stay: those that ours leave alone.

Recorded series stay, because the chart's dashboards read them. Of the alarms, groups about Prometheus,
Alertmanager, scraping and pods are off, as are single ones about nodes, disks, quotas, certificates and the
API server: our rules tell the same with an owner, dollars, a runbook of this project and a test, and nobody
is to be paged twice. What stays (RAID, file descriptors, volumes with errors, versions, the operator, etcd
and scheduler where they are visible) has the chart's severities and so the same routes.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["default_rules"]

# The chart's rules about Prometheus and Alertmanager go by the names of its Services; our jobs are called
# after what they are.
_GROUPS: Final = (
    "alertmanager",
    "general",
    "kubeApiserverBurnrate",
    "kubeApiserverSlos",
    "kubernetesApps",
    "prometheus",
    "windows",
)
_ALERTS: Final = (
    "CPUThrottlingHigh",
    "KubeAPIDown",
    "KubeAPIInstanceUnreachable",
    "KubeAPITerminatedRequests",
    "KubeClientCertificateExpiration",
    "KubeControllerManagerInstanceUnreachable",
    "KubeNodeNotReady",
    "KubeNodePressure",
    "KubeNodeReadinessFlapping",
    "KubeNodeUnreachable",
    "KubePersistentVolumeFillingUp",
    "KubeProxyInstanceUnreachable",
    "KubeQuotaAlmostFull",
    "KubeQuotaExceeded",
    "KubeQuotaFullyUsed",
    "KubeSchedulerInstanceUnreachable",
    "KubeletDown",
    "KubeletInstanceUnreachable",
    "NodeCPUHighUsage",
    "NodeClockNotSynchronising",
    "NodeClockSkewDetected",
    "NodeFilesystemAlmostOutOfSpace",
    "NodeFilesystemSpaceFillingUp",
    "NodeMemoryHighUtilization",
    "NodeSystemSaturation",
)


def default_rules() -> dict[str, Any]:
    """The value `defaultRules`."""
    return {"rules": dict.fromkeys(_GROUPS, False), "disabled": dict.fromkeys(_ALERTS, True)}
