"""The Pulumi resources of Lambda Cloud, typed. Each is one `pulumi.dynamic.Resource` and nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from sophia_infra.provider.dynamic import (
    ClusterCredentialsProvider,
    ClusterReadyProvider,
    FilesystemProvider,
    FirewallRulesetProvider,
    FleetReadyProvider,
    InferenceEndpointProvider,
    InstanceProvider,
    OneClickClusterProvider,
    SshKeyProvider,
)

__all__ = [
    "ClusterCredentials",
    "ClusterReady",
    "Filesystem",
    "FirewallRuleset",
    "FleetReady",
    "InferenceEndpoint",
    "Instance",
    "OneClickCluster",
    "SshKey",
]


class Instance(Resource, module="lambda", name="Instance"):
    """One machine. Properties as `provider.instance_spec`; billed from create to delete."""

    instance_id: pulumi.Output[str]
    launched_type: pulumi.Output[str]
    launched_region: pulumi.Output[str]
    adopted: pulumi.Output[bool]

    def __init__(
        self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        outputs = ("instance_id", "launched_type", "launched_region", "adopted", "launched_with")
        if props.get("boot_data") is not None:
            props = {**props, "boot_data": pulumi.Output.secret(props["boot_data"])}
        super().__init__(InstanceProvider(), name, _with_outputs(props, outputs), opts)


class SshKey(Resource, module="lambda", name="SshKey"):
    """A public key in the account. Properties: `name`, `public_key`."""

    name: pulumi.Output[str]
    ssh_key_id: pulumi.Output[str]

    def __init__(
        self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(SshKeyProvider(), name, _with_outputs(props, ("ssh_key_id",)), opts)


class Filesystem(Resource, module="lambda", name="Filesystem"):
    """Storage in one region. Properties: `stack`, `name`, `region`."""

    name: pulumi.Output[str]
    filesystem_id: pulumi.Output[str]
    mount_point: pulumi.Output[str]

    def __init__(
        self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        outputs = ("filesystem_id", "mount_point", "was_there_before")
        super().__init__(FilesystemProvider(), name, _with_outputs(props, outputs), opts)


class FirewallRuleset(Resource, module="lambda", name="FirewallRuleset"):
    """Inbound rules of one region. Properties: `name`, `region`, `rules`."""

    firewall_ruleset_id: pulumi.Output[str]

    def __init__(
        self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(
            FirewallRulesetProvider(), name, _with_outputs(props, ("firewall_ruleset_id",)), opts
        )


class FleetReady(Resource, module="lambda", name="FleetReady"):
    """Waits for the machines. Properties as `provider.fleet_ready`; outputs `machines`, `usd_per_hour`."""

    machines: pulumi.Output[dict[str, Any]]
    usd_per_hour: pulumi.Output[str]

    def __init__(
        self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(FleetReadyProvider(), name, _with_outputs(props, ("machines", "usd_per_hour")), opts)


class InferenceEndpoint(Resource, module="lambda", name="InferenceEndpoint"):
    """An OpenAI-compatible server. Properties and outputs as `provider.inference_endpoint`."""

    base_url: pulumi.Output[str]
    models: pulumi.Output[list[str]]
    limits: pulumi.Output[dict[str, dict[str, int]]]
    listed_prices: pulumi.Output[dict[str, dict[str, str]]]
    healthy: pulumi.Output[bool]

    def __init__(
        self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        outputs = ("models", "limits", "listed_prices", "unpriced_models", "healthy")
        super().__init__(InferenceEndpointProvider(), name, _with_outputs(props, outputs), opts)


class OneClickCluster(Resource, module="lambda", name="OneClickCluster"):
    """A cluster of Lambda's console, read-only. Properties, outputs as `provider.one_click_cluster`."""

    machines: pulumi.Output[dict[str, dict[str, str]]]
    gpus: pulumi.Output[int]
    list_usd_per_hour: pulumi.Output[str]

    def __init__(
        self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        outputs = ("machines", "gpus", "list_usd_per_hour")
        super().__init__(OneClickClusterProvider(), name, _with_outputs(props, outputs), opts)


class ClusterCredentials(Resource, module="lambda", name="ClusterCredentials"):
    """What a cluster is founded on. Properties as `provider.cluster_credentials`; `credentials` is secret."""

    credentials: pulumi.Output[dict[str, str]]

    def __init__(
        self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        # A provider cannot mark what it makes: without this it would lie in the state as plain text.
        secret = pulumi.ResourceOptions(additional_secret_outputs=["credentials"])
        super().__init__(
            ClusterCredentialsProvider(),
            name,
            _with_outputs(props, ("credentials",)),
            pulumi.ResourceOptions.merge(opts, secret),
        )


class ClusterReady(Resource, module="lambda", name="ClusterReady"):
    """Waits for a cluster's API and nodes. Properties as `provider.cluster_ready`."""

    server_url: pulumi.Output[str]
    nodes_ready: pulumi.Output[list[str]]

    def __init__(
        self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        hidden = {
            key: pulumi.Output.secret(props[key])
            for key in ("client_certificate", "client_key")
            if props.get(key) is not None
        }
        super().__init__(
            ClusterReadyProvider(), name, _with_outputs({**props, **hidden}, ("nodes_ready",)), opts
        )


def _with_outputs(props: Mapping[str, Any], outputs: tuple[str, ...]) -> dict[str, Any]:
    """Inputs, and an empty place for each output: the dynamic SDK shows only properties it was given."""
    return {**dict.fromkeys(outputs), **props}
