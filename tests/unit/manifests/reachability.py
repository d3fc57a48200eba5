"""Who reaches whom, computed from NetworkPolicies alone by the rules of the API.

A side without a policy that selects the pod is open; with one, only what some rule names is open. A
connection needs both sides. Nothing here comes from the code under test.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.unit.manifests.sites import Site, pod_templates

NAMESPACE_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Pod:
    """A pod, or with `address` something outside the cluster."""

    namespace: str
    labels: frozenset[tuple[str, str]]
    address: str | None = None


def pod(namespace: str, **labels: str) -> Pod:
    return Pod(namespace, frozenset((key.replace("__", "/"), value) for key, value in labels.items()))


def outside(address: str) -> Pod:
    return Pod("", frozenset(), address)


def pods_of(site: Site) -> dict[str, Pod]:
    """Name label -> pod, for everything of a site that makes pods."""
    return {
        template["metadata"]["labels"]["app.kubernetes.io/name"]: Pod(
            namespace, frozenset(template["metadata"]["labels"].items())
        )
        for _kind, namespace, template in pod_templates(site)
    }


def can_connect(policies: Iterable[Mapping[str, Any]], source: Pod, target: Pod, port: int) -> bool:
    """Whether `source` may open a TCP connection to `port` of `target`."""
    known = list(policies)
    return _open(known, source, target, port, "Egress") and _open(known, target, source, port, "Ingress")


def _open(policies: list[Mapping[str, Any]], own: Pod, other: Pod, port: int, side: str) -> bool:
    if own.address is not None:
        return True
    selecting = [
        policy["spec"]
        for policy in policies
        if policy["metadata"]["namespace"] == own.namespace
        and side in policy["spec"]["policyTypes"]
        and _selects(policy["spec"]["podSelector"], own.labels)
    ]
    if not selecting:
        return True
    key = "to" if side == "Egress" else "from"
    return any(
        _allows_port(rule, port) and _allows_peer(rule.get(key), other, spec_namespace=own.namespace)
        for spec in selecting
        for rule in spec.get(side.lower(), [])
    )


def _allows_port(rule: Mapping[str, Any], port: int) -> bool:
    ports = rule.get("ports")
    return not ports or any(row["protocol"] == "TCP" and row["port"] == port for row in ports)


def _allows_peer(peers: list[Mapping[str, Any]] | None, other: Pod, spec_namespace: str) -> bool:
    return not peers or any(_is_peer(peer, other, spec_namespace) for peer in peers)


def _is_peer(peer: Mapping[str, Any], other: Pod, spec_namespace: str) -> bool:
    if "ipBlock" in peer:
        if other.address is None:
            return False
        address = ipaddress.ip_address(other.address)
        block = peer["ipBlock"]
        return address in ipaddress.ip_network(block["cidr"]) and not any(
            address in ipaddress.ip_network(network) for network in block.get("except", [])
        )
    if other.address is not None:
        return False
    if "namespaceSelector" in peer:
        if not _selects(peer["namespaceSelector"], frozenset({(NAMESPACE_LABEL, other.namespace)})):
            return False
    elif other.namespace != spec_namespace:
        return False
    return _selects(peer.get("podSelector", {}), other.labels)


def _selects(selector: Mapping[str, Any], labels: frozenset[tuple[str, str]]) -> bool:
    assert not selector.keys() - {"matchLabels"}, "the model knows matchLabels only"
    return set(selector.get("matchLabels", {}).items()) <= labels
