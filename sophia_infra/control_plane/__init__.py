"""A real Kubernetes control plane on this machine, with simulated nodes: for tests and for stack `local`.

The way: `find_kube_tools` -> `ensure_control_plane` -> a kubeconfig -> `stop_control_plane`.
"""

from __future__ import annotations

from sophia_infra.control_plane.lifecycle import (
    RunningControlPlane,
    ensure_control_plane,
    find_control_plane,
    stop_control_plane,
)
from sophia_infra.control_plane.nodes import NodeSpec, Taint, node_specs
from sophia_infra.control_plane.tools import KubeTools, find_kube_tools

__all__ = [
    "KubeTools",
    "NodeSpec",
    "RunningControlPlane",
    "Taint",
    "ensure_control_plane",
    "find_control_plane",
    "find_kube_tools",
    "node_specs",
    "stop_control_plane",
]
