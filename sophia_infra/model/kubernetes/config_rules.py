"""What cannot go together inside sophia:kubernetes. Pure: a section in, conflicts out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import Conflict
from sophia_infra.model.kubernetes.cluster_rules import find_cluster_conflicts, find_gpu_conflicts
from sophia_infra.model.kubernetes.monitoring_rules import find_monitoring_conflicts
from sophia_infra.model.kubernetes.ports import find_port_conflicts
from sophia_infra.model.kubernetes.reference_rules import find_reference_conflicts
from sophia_infra.model.kubernetes.scaling import find_scaling_conflicts

if TYPE_CHECKING:
    from sophia_infra.model.kubernetes.config import KubernetesConfig

__all__ = ["MAX_NAME", "find_kubernetes_conflicts"]

MAX_NAME = 45
"""Longest name of a workload or database: Kubernetes allows 63, and objects made from it get a suffix."""
MAX_OBJECT_NAME = 63
RESERVED_NAMESPACES = (
    "default",
    "external-secrets",
    "gpu-operator",
    "keda",
    "kueue-system",
    "monitoring",
    "prometheus-adapter",
    "sophia-scaling",
)
"""Namespaces of operators, and the one for nobody; names that begin with kube- are Kubernetes' own."""


def find_kubernetes_conflicts(
    kube: KubernetesConfig, unreadable: Collection[str] = frozenset()
) -> list[Conflict]:
    """All conflicts of the section, with paths relative to it.

    Args:
        unreadable: fields (`namespaces`) and rows (`workloads.sophia-backend`) that were left out of `kube`
            because they cannot be read: what refers to them is not reported as well.
    """
    return [
        *find_cluster_conflicts(kube),
        *find_gpu_conflicts(kube),
        *_find_measures_of_nobody(kube, unreadable),
        *find_monitoring_conflicts(kube, unreadable),
        *find_scaling_conflicts(kube, unreadable),
        *_find_second_autoscalers(kube),
        *_find_second_gateways(kube),
        *_find_wrong_names(kube),
        *_find_reserved_namespaces(kube),
        *find_reference_conflicts(kube, unreadable),
        *find_port_conflicts(kube),
    ]


def _find_reserved_namespaces(kube: KubernetesConfig) -> Iterator[Conflict]:
    named = [(("namespaces", name), name) for name in kube.namespaces]
    if kube.training is not None:
        named.append((("training", "namespace"), kube.training.namespace))
    for loc, name in named:
        if name in RESERVED_NAMESPACES or name.startswith("kube-"):
            refused = Refused(f"is not for workloads: {name} belongs to Kubernetes or to an operator")
            yield Conflict(loc, refused)


def _find_measures_of_nobody(kube: KubernetesConfig, unreadable: Collection[str]) -> Iterator[Conflict]:
    """Rows that only KEDA could scale, where there is none."""
    if kube.autoscaling.keda.enabled or "autoscaling" in unreadable:
        return
    for name, row in kube.enabled_workloads().items():
        scale = row.autoscale
        if scale is None or not scale.asks_prometheus or scale.cpu or scale.memory or scale.gpu_utilization:
            continue
        refused = Refused(
            "has only measures of KEDA, and it is off: enable it in autoscaling.keda, or add another",
            allowed="cpu, memory, gpu_utilization (percent)",
        )
        yield Conflict(("workloads", name, "autoscale"), refused)


def _find_second_autoscalers(kube: KubernetesConfig) -> Iterator[Conflict]:
    """Two of one name in one namespace; who has its name from autoscale.name is the one to change it."""
    made = {
        name: (row.namespace, row.autoscale.object_name(name))
        for name, row in kube.enabled_workloads().items()
        if row.autoscale is not None
    }
    first = {key: name for name, key in made.items() if key[1] == name}
    for name, key in made.items():
        if first.setdefault(key, name) != name:
            refused = Refused(f"is the name of the autoscaler of {first[key]}, in the same namespace")
            yield Conflict(("workloads", name, "autoscale", "name"), refused, key[1])


def _find_second_gateways(kube: KubernetesConfig) -> Iterator[Conflict]:
    gateways = [name for name, row in kube.enabled_workloads().items() if row.gateway]
    for name in gateways[1:]:
        refused = Refused(f"is what {gateways[0]} is already: a stack has one sophia:gateway")
        yield Conflict(("workloads", name, "gateway"), refused, True)


def _find_wrong_names(kube: KubernetesConfig) -> Iterator[Conflict]:
    for section in ("workloads", "databases"):
        for name in getattr(kube, section):
            if len(name) > MAX_NAME:
                refused = Refused(
                    f"is a name of {len(name)} characters: objects made from it get suffixes and may have "
                    f"{MAX_OBJECT_NAME}",
                    allowed=f"at most {MAX_NAME} characters",
                )
                yield Conflict((section, name), refused)
    for name in kube.databases:
        if name in kube.workloads:
            yield Conflict(
                ("databases", name), Refused("is the name of a workload already; each has a Service")
            )
    for name, row in kube.workloads.items():
        for volume, claim in row.volumes.items():
            made = f"{name}-{volume}"
            if not claim.cache and len(name) <= MAX_NAME and len(made) > MAX_OBJECT_NAME:
                refused = Refused(
                    f"makes a claim of the name {made}, which has {len(made)} characters",
                    allowed=f"at most {MAX_OBJECT_NAME - len(name) - 1} characters for the volume",
                )
                yield Conflict(("workloads", name, "volumes", volume), refused)
