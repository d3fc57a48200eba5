"""The Pulumi resources of Lambda Cloud, typed. Each names its kind and nothing more: see `registering`."""

from __future__ import annotations

from typing import Any

import pulumi

from sophia_infra.provider.registering import LambdaResource

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


class Instance(LambdaResource):
    """One machine. Properties as `provider.instance_spec`; billed from create to delete."""

    kind = "Instance"
    instance_id: pulumi.Output[str]
    launched_type: pulumi.Output[str]
    launched_region: pulumi.Output[str]
    adopted: pulumi.Output[bool]


class SshKey(LambdaResource):
    """A public key in the account. Properties: `name`, `public_key`."""

    kind = "SshKey"
    name: pulumi.Output[str]
    ssh_key_id: pulumi.Output[str]


class Filesystem(LambdaResource):
    """Storage in one region. Properties: `stack`, `name`, `region`."""

    kind = "Filesystem"
    name: pulumi.Output[str]
    filesystem_id: pulumi.Output[str]
    mount_point: pulumi.Output[str]


class FirewallRuleset(LambdaResource):
    """Inbound rules of one region. Properties: `name`, `region`, `rules`."""

    kind = "FirewallRuleset"
    firewall_ruleset_id: pulumi.Output[str]


class FleetReady(LambdaResource):
    """Waits for the machines. Properties as `provider.fleet_ready`; outputs `machines`, `usd_per_hour`."""

    kind = "FleetReady"
    machines: pulumi.Output[dict[str, Any]]
    usd_per_hour: pulumi.Output[str]


class InferenceEndpoint(LambdaResource):
    """An OpenAI-compatible server. Properties and outputs as `provider.inference_endpoint`."""

    kind = "InferenceEndpoint"
    base_url: pulumi.Output[str]
    models: pulumi.Output[list[str]]
    limits: pulumi.Output[dict[str, dict[str, int]]]
    listed_prices: pulumi.Output[dict[str, dict[str, str]]]
    healthy: pulumi.Output[bool]


class OneClickCluster(LambdaResource):
    """A cluster of Lambda's console, read-only. Properties, outputs as `provider.one_click_cluster`."""

    kind = "OneClickCluster"
    machines: pulumi.Output[dict[str, dict[str, str]]]
    gpus: pulumi.Output[int]
    list_usd_per_hour: pulumi.Output[str]


class ClusterCredentials(LambdaResource):
    """What a cluster is founded on. Properties as `provider.cluster_credentials`; `credentials` is secret."""

    kind = "ClusterCredentials"
    credentials: pulumi.Output[dict[str, str]]


class ClusterReady(LambdaResource):
    """Waits for a cluster's API and nodes. Properties as `provider.cluster_ready`."""

    kind = "ClusterReady"
    server_url: pulumi.Output[str]
    nodes_ready: pulumi.Output[list[str]]
