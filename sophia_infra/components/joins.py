"""How the machines of a fleet become nodes: credentials, boot texts, and the way to each cluster's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from sophia_infra import joining
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig, Node, Placement
from sophia_infra.provider.resources import ClusterCredentials

__all__ = ["Joins"]


class Joins:
    """The clusters that the fleet forms, one set of credentials each.

    Args:
        kube: the stack's Kubernetes section, `cluster: joined`.
        placement: which machine belongs to which cluster, and which ones are servers.
        stack: "project/stack".
    """

    def __init__(self, kube: KubernetesConfig, placement: Placement, stack: str) -> None:
        self._kube = kube
        self._stack = stack
        self._clusters = placement.clusters
        self._nodes: dict[str, tuple[Node, Cluster]] = {
            node.machine: (node, cluster) for cluster in placement.clusters.values() for node in cluster.nodes
        }
        self._credentials = {
            name: ClusterCredentials(f"{name}-credentials", {"stack": stack, "cluster": name})
            for name in placement.clusters
        }
        self._machines: pulumi.Output[dict[str, Any]] | None = None

    def is_server(self, label: str) -> bool:
        """Whether the machine `label` is the k3s server of its cluster."""
        node = self._nodes.get(label)
        return node is not None and node[0].is_server

    def servers_are_ready(self, machines: pulumi.Output[dict[str, Any]]) -> None:
        """Take the report of the servers: boot texts of agents asked for later hold their addresses."""
        self._machines = machines

    def boot_data(self, label: str) -> pulumi.Output[str] | None:
        """The cloud-init text that makes the machine `label` a node; secret. None: it is no node."""
        if label not in self._nodes:
            return None
        node, cluster = self._nodes[label]
        address = pulumi.Output.from_input(None) if node.is_server else self._address(cluster)
        text = pulumi.Output.all(self._credentials[cluster.name].credentials, address).apply(
            lambda known: joining.user_data(node, cluster, known[0], known[1], self._kube)
        )
        return pulumi.Output.secret(text)

    def kubeconfig(self, cluster: str) -> pulumi.Output[str]:
        """An administrator's kubeconfig, by the public address of the server; secret."""
        public = self._report(self._clusters[cluster].server).apply(lambda row: str(row["ip"]))
        text = pulumi.Output.all(self._credentials[cluster].credentials, public).apply(
            lambda known: joining.kubeconfig(known[0], f"https://{known[1]}:6443")
        )
        return pulumi.Output.secret(text)

    def scaler_join(self) -> pulumi.Output[dict[str, Any]]:
        """What machines beside the fleet need to join each cluster: address, token, authority; secret."""
        rows = {
            name: pulumi.Output.all(self._credentials[name].credentials, self._address(cluster)).apply(
                lambda known: {
                    "address": known[1],
                    "agent_token": known[0]["agent_token"],
                    "server_ca_certificate": known[0]["server_ca_certificate"],
                }
            )
            for name, cluster in self._clusters.items()
        }
        return pulumi.Output.secret(pulumi.Output.all(**rows))

    def readiness(self, cluster: str, instances: Mapping[str, pulumi.Input[str]]) -> dict[str, Any]:
        """Properties of the ClusterReady of `cluster`.

        Args:
            instances: name of each machine of the fleet -> its id: another machine means to wait again.
        """
        credentials = self._credentials[cluster].credentials
        nodes = self._clusters[cluster].nodes
        url = self._report(self._clusters[cluster].server).apply(lambda row: f"https://{row['ip']}:6443")
        return {
            "stack": self._stack,
            "cluster": cluster,
            "server_url": url,
            "ca_certificate": credentials.apply(lambda known: known["server_ca_certificate"]),
            "client_certificate": credentials.apply(lambda known: known["admin_certificate"]),
            "client_key": credentials.apply(lambda known: known["admin_key"]),
            "nodes": [node.name for node in nodes],
            "instances": {node.machine: instances[node.machine] for node in nodes},
        }

    def _address(self, cluster: Cluster) -> pulumi.Output[str]:
        # Machines of one region share a private network; across regions there is none (checklist F25).
        kind = "private_ip" if cluster.region else "ip"
        return self._report(cluster.server).apply(lambda row: str(row[kind]))

    def _report(self, server: str) -> pulumi.Output[Mapping[str, Any]]:
        if self._machines is None:
            raise ValueError("the servers are asked for before they were waited for")
        return self._machines.apply(lambda machines: machines[server])
