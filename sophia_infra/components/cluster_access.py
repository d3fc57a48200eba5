"""The way to each cluster's API: a provider of its own, or a folder of manifests without a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import Provider

from sophia_infra.components.cluster_files import (
    KUBECONFIG_FOLDER_VARIABLE,
    MANIFESTS_FOLDER_VARIABLE,
    existing_kubeconfig,
    read_kubeconfig,
)

if TYPE_CHECKING:
    from sophia_infra.components.joins import Joins
    from sophia_infra.model.stack_config import StackConfig

__all__ = ["ClusterAccess", "open_joined", "open_known", "open_rendered", "read_kubeconfigs"]


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """One cluster as the program reaches it.

    Attributes:
        provider: of the cluster's resources.
        kubeconfig: an administrator's, secret; None when manifests are written instead.
        manifests: the folder they are written to; None for a real API server.
        ready: resources that have to be there before the first object.
        of_machines: its nodes are machines of this stack, and go when those go.
    """

    provider: Provider
    kubeconfig: pulumi.Output[str] | None
    manifests: Path | None
    ready: tuple[pulumi.Resource, ...] = ()
    of_machines: bool = False

    @property
    def renders(self) -> bool:
        return self.manifests is not None


def read_kubeconfigs(
    names: tuple[str, ...], config: StackConfig, source: str, environ: Mapping[str, str]
) -> dict[str, str]:
    """Kubeconfigs that exist before the run: of an existing cluster, or of control planes on this machine.

    Args:
        names: of the stack's clusters.
        source: the stack file, for messages.

    Returns:
        name of the cluster -> text of its kubeconfig; empty when machines have to form the clusters first,
        or manifests are written.

    Raises:
        ConfigError: one that the configuration asks for cannot be read.
    """
    kube = config.kubernetes
    if kube is not None and kube.cluster == "existing":
        file = existing_kubeconfig(kube, environ, source)
        return {name: read_kubeconfig(file, source) for name in names}
    folder = environ.get(KUBECONFIG_FOLDER_VARIABLE)
    if config.endpoint == "emulator" and folder:
        return {name: read_kubeconfig(Path(folder) / f"{name}.yaml", source) for name in names}
    return {}


def open_known(name: str, identifier: str, kubeconfig: str) -> ClusterAccess:
    """Access to a cluster whose kubeconfig is at hand.

    Args:
        identifier: of the cluster: a server on a new address then does not replace every object.
    """
    secret = pulumi.Output.secret(kubeconfig)
    return ClusterAccess(_provider(name, identifier, secret, None), secret, None)


def open_joined(
    name: str, identifier: str, joins: Joins, instances: Mapping[str, pulumi.Input[str]]
) -> ClusterAccess:
    """Access to a cluster that the fleet's machines form; waits for its API and its nodes.

    Args:
        instances: name of each machine of the fleet -> its id.
    """
    from sophia_infra.provider.resources import ClusterReady

    kubeconfig = joins.kubeconfig(name)
    ready = ClusterReady(f"{name}-ready", joins.readiness(name, instances))
    return ClusterAccess(
        _provider(name, identifier, kubeconfig, ready), kubeconfig, None, (ready,), of_machines=True
    )


def open_rendered(name: str, stack: str, environ: Mapping[str, str]) -> ClusterAccess:
    """No cluster: the objects of `name` are written below the folder of manifests."""
    root = environ.get(MANIFESTS_FOLDER_VARIABLE)
    home = environ.get("SOPHIA_HOME", ".sophia")
    folder = Path(root) if root else Path(home).absolute() / "manifests" / stack.rpartition("/")[2]
    provider = Provider(f"{name}-manifests", render_yaml_to_directory=str(folder / name))
    return ClusterAccess(provider, None, folder / name)


def _provider(
    name: str, identifier: str, kubeconfig: pulumi.Output[str], ready: pulumi.Resource | None
) -> Provider:
    return Provider(
        name,
        kubeconfig=kubeconfig,
        cluster_identifier=identifier,
        enable_server_side_apply=True,
        # In place: a ConfigMap of a fixed name cannot be replaced without a moment without it.
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
        opts=pulumi.ResourceOptions(depends_on=[ready] if ready else None),
    )
