"""Which outputs each kind adds to its inputs, and what is secret. Imports no cloud and no engine."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sophia_infra.model.resource_tokens import KindName

__all__ = ["OUTPUTS", "SECRET_INPUTS", "SECRET_OUTPUTS", "SETTLED"]

OUTPUTS: Final[Mapping[KindName, tuple[str, ...]]] = MappingProxyType(
    {
        "Instance": ("instance_id", "launched_type", "launched_region", "adopted", "launched_with"),
        "SshKey": ("ssh_key_id",),
        "Filesystem": ("filesystem_id", "mount_point", "was_there_before"),
        "FirewallRuleset": ("firewall_ruleset_id",),
        "FleetReady": ("machines", "usd_per_hour"),
        "InferenceEndpoint": ("models", "limits", "listed_prices", "unpriced_models", "healthy"),
        "OneClickCluster": ("machines", "gpus", "list_usd_per_hour"),
        "ClusterCredentials": ("credentials",),
        "ClusterReady": ("nodes_ready",),
    }
)

SETTLED: Final[frozenset[KindName]] = frozenset({"Instance", "SshKey", "Filesystem", "FirewallRuleset"})
"""Kinds whose outputs no update changes: a preview of one knows them."""

SECRET_INPUTS: Final[Mapping[KindName, tuple[str, ...]]] = MappingProxyType(
    {"Instance": ("boot_data",), "ClusterReady": ("client_certificate", "client_key")}
)
"""Made secret by the resource, whatever the program passes."""

SECRET_OUTPUTS: Final[Mapping[KindName, tuple[str, ...]]] = MappingProxyType(
    {"ClusterCredentials": ("credentials",)}
)
