"""Rules about quotas: nearly used up, or holding pods back."""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Alert, RuleGroup
from sophia_infra.monitoring.rules.cluster.parts import PLATFORM
from sophia_infra.monitoring.terms import Terms

__all__ = ["groups"]

_GPUS: Final = "requests.nvidia.com/gpu"


def groups(_terms: Terms) -> list[RuleGroup]:
    """GPU quotas are as large as what may run, so a full one only matters when a pod is refused."""
    return [RuleGroup("sophia-quotas", (_near_full(), _gpus_refused()))]


def _near_full() -> Alert:
    return Alert(
        "QuotaNearFull",
        f"{_share('!=')} > 0.9",
        for_s=900,
        severity="warning",
        owner=PLATFORM,
        summary="{{ $labels.namespace }} has used {{ $value | humanizePercentage }} of its quota of "
        "{{ $labels.resource }}.",
        description="New pods are refused at 100 %, also those of a rollout. Raise the namespace's limit in "
        "the stack file.",
    )


def _gpus_refused() -> Alert:
    waiting = "kube_deployment_spec_replicas > on (namespace, deployment) kube_deployment_status_replicas"
    return Alert(
        "GpuQuotaFull",
        f"{_share('=')} >= 1\nand on (namespace) ({waiting})",
        for_s=600,
        severity="warning",
        owner=PLATFORM,
        summary="The GPU quota of {{ $labels.namespace }} is full and pods are refused.",
        description="The quota is what the fleet's GPUs can carry: another machine, or fewer replicas.",
    )


def _share(gpus: str) -> str:
    """Used share of quotas on GPUs (`=`) or on anything else (`!=`)."""
    used, hard = (
        "max by (namespace, resourcequota, resource) "
        f'(kube_resourcequota{{resource{gpus}"{_GPUS}",type="{kind}"}})'
        for kind in ("used", "hard")
    )
    return f"{used} / ({hard} > 0)"
