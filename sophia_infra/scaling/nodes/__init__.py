"""The node scaler: a controller that launches Lambda machines for a load and ends them after it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sophia_infra.scaling.nodes.boot_text import BootText, JoinBootText
    from sophia_infra.scaling.nodes.cluster import ClusterNodes, NodeKeeper
    from sophia_infra.scaling.nodes.deciding import NodeDecision, decide_pool
    from sophia_infra.scaling.nodes.lease import FileLease, KubernetesLease, Lease
    from sophia_infra.scaling.nodes.metrics import ScalerMetrics
    from sophia_infra.scaling.nodes.reporting import PassReport
    from sophia_infra.scaling.nodes.scaler import NodeScaler
    from sophia_infra.scaling.nodes.settings import Limits, PoolSettings, ScalerSettings

__all__ = [
    "BootText",
    "ClusterNodes",
    "FileLease",
    "JoinBootText",
    "KubernetesLease",
    "Lease",
    "Limits",
    "NodeDecision",
    "NodeKeeper",
    "NodeScaler",
    "PassReport",
    "PoolSettings",
    "ScalerMetrics",
    "ScalerSettings",
    "decide_pool",
]

_MODULES = {
    "boot_text": ("BootText", "JoinBootText"),
    "cluster": ("ClusterNodes", "NodeKeeper"),
    "deciding": ("NodeDecision", "decide_pool"),
    "lease": ("FileLease", "KubernetesLease", "Lease"),
    "metrics": ("ScalerMetrics",),
    "reporting": ("PassReport",),
    "scaler": ("NodeScaler",),
    "settings": ("Limits", "PoolSettings", "ScalerSettings"),
}


def __getattr__(name: str) -> object:
    # As in the room above: who only wants one name does not import the rest.
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
