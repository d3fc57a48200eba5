"""Which settings of a cluster and of its GPUs exclude each other. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sophia_infra.model.errors import Refused, did_you_mean
from sophia_infra.model.forms import Conflict
from sophia_infra.model.kubernetes.gpus import MIG_SLICES, mig_layouts

if TYPE_CHECKING:
    from sophia_infra.model.kubernetes.config import KubernetesConfig

__all__ = ["find_cluster_conflicts", "find_gpu_conflicts"]

_JOINED_ONLY = {"topology": "per_region", "primary_region": None, "server": None}
"""Key -> its default."""


def find_cluster_conflicts(kube: KubernetesConfig) -> Iterator[Conflict]:
    """Keys that belong to the other kind of cluster, or to the other topology."""
    if kube.cluster == "joined" and kube.kubeconfig_env is not None:
        refused = Refused("goes only with cluster existing: a joined cluster makes its own kubeconfig")
        yield Conflict(("kubeconfig_env",), refused, kube.kubeconfig_env)
    for key, default in _JOINED_ONLY.items():
        if kube.cluster == "existing" and getattr(kube, key) != default:
            refused = Refused("goes only with cluster joined: an existing cluster is as it is")
            yield Conflict((key,), refused, getattr(kube, key))
    if kube.cluster == "joined" and kube.topology == "overlay" and kube.primary_region is not None:
        refused = Refused("goes only with topology per_region: an overlay is one cluster; server places it")
        yield Conflict(("primary_region",), refused, kube.primary_region)


def find_gpu_conflicts(kube: KubernetesConfig) -> Iterator[Conflict]:
    """Sharing that a GPU model cannot do, and workloads that ask a shared GPU for what it cannot give."""
    for model, sharing in kube.gpu_sharing.items():
        layouts = mig_layouts(model)
        if sharing.mig is None or sharing.mig in layouts:
            continue
        if not layouts:
            able = ", ".join(dict.fromkeys(own for own, _ in MIG_SLICES))
            refused = Refused(
                f"does not fit: {model} cannot be cut by MIG ({able} can)", allowed="time_slicing: 2 to 16"
            )
        else:
            hint = did_you_mean(sharing.mig, layouts)
            refused = Refused(f"is not a MIG layout of {model}{hint}", allowed=", ".join(layouts))
        yield Conflict(("gpu_sharing", model, "mig"), refused, sharing.mig)
    for name, row in kube.workloads.items():
        if row.gpu is None or row.gpu.model not in kube.gpu_sharing:
            continue
        way = "time-sliced" if kube.gpu_sharing[row.gpu.model].mig is None else "cut by MIG"
        if row.gpu.count > 1:
            refused = Refused(
                f"asks for several places of {row.gpu.model}, which is {way}: they may be parts of one GPU, "
                "and a program uses only one",
                allowed="0, 1",
            )
            yield Conflict(("workloads", name, "gpu", "count"), refused, row.gpu.count)
        if row.autoscale and row.autoscale.gpu_utilization:
            why = (
                "its use is not told apart by pod" if way == "time-sliced" else "its slices do not report it"
            )
            refused = Refused(
                f"cannot be measured: {row.gpu.model} is {way}, and {why}",
                allowed="autoscale by cpu or memory",
            )
            loc = ("workloads", name, "autoscale", "gpu_utilization")
            yield Conflict(loc, refused, row.autoscale.gpu_utilization)
