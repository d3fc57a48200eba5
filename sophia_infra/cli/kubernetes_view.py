"""What a person sees of Kubernetes after a run: services with their nodes, or where the manifests are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from sophia_infra.cli.local_kubernetes import KubernetesMode, find_clusters, kubeconfig_of, manifests_folder
from sophia_infra.cli.views import short_path

if TYPE_CHECKING:
    from rich.console import Console

    from sophia_infra.engine.home import Home
    from sophia_infra.operations.cluster_status import ClusterStatus

__all__ = ["kubernetes_document", "look_at_clusters", "show_kubernetes"]

_NODES_NAMED = 2


def look_at_clusters(home: Home, mode: KubernetesMode) -> list[ClusterStatus]:
    """The services of each control plane of this machine; none where manifests are written."""
    if mode != "cluster":
        return []
    return [_look_at(home, name) for name in find_clusters(home)]


def _look_at(home: Home, name: str) -> ClusterStatus:
    from sophia_infra.kubernetes_plugin.connection import Connection
    from sophia_infra.kubernetes_plugin.errors import PluginError
    from sophia_infra.kubernetes_plugin.kubeconfig import load_kubeconfig
    from sophia_infra.operations.cluster_status import ClusterStatus, read_cluster_status

    try:
        return read_cluster_status(name, Connection(load_kubeconfig(str(kubeconfig_of(home, name)))))
    except PluginError as error:
        return ClusterStatus(name, (), f"{error} `sophia up` starts a control plane that was stopped.")


def show_kubernetes(
    console: Console, home: Home, stack: str, mode: KubernetesMode, clusters: Sequence[ClusterStatus]
) -> None:
    """A table for each cluster, or one line on the folder of manifests."""
    if mode == "manifests":
        folder = manifests_folder(home, stack)
        count = sum(1 for _ in folder.rglob("*.yaml"))
        console.print(
            f"Kubernetes: {count} manifests in {short_path(folder)}; `--cluster` (make up CLUSTER=1) runs "
            "them on a real API server here.",
            soft_wrap=True,
        )
    for status in clusters:
        if status.problem:
            console.print(f"Cluster {status.cluster}: {status.problem}", soft_wrap=True)
        else:
            _show_cluster(console, home, status)


def kubernetes_document(
    home: Home, stack: str, mode: KubernetesMode, clusters: Sequence[ClusterStatus]
) -> dict[str, Any]:
    """The same for machines."""
    document: dict[str, Any] = {"mode": mode}
    if mode == "manifests":
        document["manifests"] = str(manifests_folder(home, stack))
    if clusters:
        document["clusters"] = {
            status.cluster: {
                "kubeconfig": str(kubeconfig_of(home, status.cluster)),
                "problem": status.problem,
                "services": [row.as_json() for row in status.rows],
            }
            for status in clusters
        }
    return document


def _show_cluster(console: Console, home: Home, status: ClusterStatus) -> None:
    table = Table(
        title=f"Cluster {status.cluster}", title_justify="left", show_footer=True, pad_edge=False, box=None
    )
    table.add_column("Service", footer=f"{len(status.rows)} services", no_wrap=True)
    table.add_column("Namespace", no_wrap=True)
    ready, wanted = sum(row.ready for row in status.rows), sum(row.wanted for row in status.rows)
    table.add_column("Ready", justify="right", footer=f"{ready}/{wanted}")
    table.add_column("GPU", justify="right", footer=str(sum(row.gpus * row.wanted for row in status.rows)))
    table.add_column("Nodes", overflow="fold")
    for row in status.rows:
        where = ", ".join(row.nodes[:_NODES_NAMED]) or row.pending or "-"
        if len(row.nodes) > _NODES_NAMED:
            where += f" and {len(row.nodes) - _NODES_NAMED} more"
        table.add_row(
            row.name,
            row.namespace,
            Text(f"{row.ready}/{row.wanted}", "green" if row.ready >= row.wanted else "yellow"),
            str(row.gpus) if row.gpus else "",
            where,
        )
    console.print(table)
    console.print(f"export KUBECONFIG={short_path(kubeconfig_of(home, status.cluster))}", soft_wrap=True)
