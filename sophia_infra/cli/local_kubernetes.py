"""Kubernetes for stacks on the emulator: manifests in a folder, or a real control plane on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sophia_infra.engine.home import Home, make_private_folder, write_private_file

if TYPE_CHECKING:
    from sophia_infra.engine.build import BuildProgress
    from sophia_infra.model.stack_config import StackConfig

__all__ = [
    "KubernetesMode",
    "LocalClusters",
    "find_clusters",
    "kubeconfig_of",
    "kubernetes_mode",
    "manifests_folder",
    "start_clusters",
    "stop_clusters",
]

KubernetesMode = Literal["none", "manifests", "cluster", "remote"]
"""none: the phase has no Kubernetes; remote: a cluster that is not on this machine."""


@dataclass(frozen=True, slots=True)
class LocalClusters:
    """Control planes that run here, the folder with their kubeconfigs, and the helm built with them."""

    folder: Path
    helm: Path
    servers: dict[str, str]


def kubernetes_mode(
    home: Home,
    config: StackConfig,
    phase: int,
    wanted: bool | None = None,
    *,
    remember: bool = True,
) -> KubernetesMode:
    """Where the stack's Kubernetes objects go.

    Args:
        wanted: True or False asks for a control plane or for manifests; None keeps what was asked for
            before, else manifests.
        remember: what is asked for holds from now on; False for a look.
    """
    kube = config.kubernetes
    if kube is None or phase < kube.first_phase:
        return "none"
    if config.endpoint != "emulator" or kube.cluster == "existing":
        return "remote"
    file = _mode_file(home)
    if wanted is not None:
        if remember:
            write_private_file(file, "cluster\n" if wanted else "manifests\n")
        return "cluster" if wanted else "manifests"
    try:
        return "cluster" if file.read_text(encoding="utf-8").strip() == "cluster" else "manifests"
    except FileNotFoundError:
        return "manifests"


def manifests_folder(home: Home, stack: str) -> Path:
    """Where `up` without a cluster writes manifests, one folder per cluster."""
    return home.root / "manifests" / stack


def start_clusters(
    home: Home,
    config: StackConfig,
    phase: int,
    *,
    on_build: Callable[[BuildProgress], None],
    say: Callable[[str], None],
) -> LocalClusters:
    """A control plane per cluster of the stack, with the fleet's machines as nodes; started where needed.

    Raises what `sophia_infra.control_plane` raises: tools missing, build failed, a component that ended.
    """
    from sophia_infra.control_plane import ensure_control_plane, find_kube_tools, node_specs
    from sophia_infra.model.kubernetes import place

    say("finding etcd, kube-apiserver and the other parts of a control plane")
    tools = find_kube_tools(home, progress=on_build)
    folder = _kubeconfigs(home)
    make_private_folder(folder)
    servers: dict[str, str] = {}
    for cluster in place(config, phase).clusters.values():
        say(f"starting the control plane {cluster.name}")
        running = ensure_control_plane(home, tools, node_specs(cluster.nodes), name=cluster.name)
        write_private_file(kubeconfig_of(home, cluster.name), running.kubeconfig.read_text(encoding="utf-8"))
        servers[cluster.name] = running.server
    return LocalClusters(folder, tools.directory / "helm", servers)


def kubeconfig_of(home: Home, cluster: str) -> Path:
    """Where the kubeconfig of a control plane of this machine is."""
    return _kubeconfigs(home) / f"{cluster}.yaml"


def find_clusters(home: Home) -> tuple[str, ...]:
    """Names of the clusters that were started here."""
    return tuple(sorted(file.stem for file in _kubeconfigs(home).glob("*.yaml")))


def stop_clusters(home: Home, *, wipe: bool) -> bool:
    """Stop the control planes of this project folder; with `wipe` their state and the choice go too."""
    from sophia_infra.control_plane import stop_control_plane

    stopped = False
    for name in find_clusters(home):
        stopped = stop_control_plane(home, name, wipe=wipe) or stopped
        if wipe:
            kubeconfig_of(home, name).unlink(missing_ok=True)
    if wipe:
        _mode_file(home).unlink(missing_ok=True)
    return stopped


def _kubeconfigs(home: Home) -> Path:
    return home.root / "kubeconfigs"


def _mode_file(home: Home) -> Path:
    return home.root / "kubernetes-mode"
