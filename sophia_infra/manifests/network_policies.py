"""Who may talk to whom. Nothing by default; then names, the rows' `talks_to`, the way in, and scraping.

Of our pods the node scaler alone asks the API server; no other has a token, or a way to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sophia_infra.manifests.names import MONITORING_NAMESPACE, NAME_LABEL, NAMESPACE_LABEL
from sophia_infra.manifests.namespaces import namespace_manifest_name, own_namespaces
from sophia_infra.manifests.objects import Manifest, build_metadata
from sophia_infra.manifests.pods import selector_labels
from sophia_infra.manifests.stores.names import sentinel_name
from sophia_infra.model.kubernetes import (
    METRICS_PORT,
    SENTINEL_PORT,
    Cluster,
    KubernetesConfig,
    Placement,
    WorkloadConfig,
)

__all__ = [
    "build_policy",
    "callers_of",
    "from_pods",
    "from_prometheus",
    "network_policies",
    "to_anywhere",
    "to_internet",
    "to_names",
    "to_pods",
    "workload_policy",
]

# Where pods of an ingress controller run, by IngressClass; others are looked for in every namespace.
_CONTROLLER_NAMESPACES = {"traefik": "kube-system", "nginx": "ingress-nginx"}
_CONTROLLER_NAMES = {"nginx": "ingress-nginx"}

# The cluster's own networks, carrier networks and cloud metadata are not the Internet.
_NOT_INTERNET = ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]
_INTERNET_PORTS = (80, 443)


def network_policies(kube: KubernetesConfig, placement: Placement, cluster: Cluster) -> list[Manifest]:
    """What holds for a whole namespace: nothing in, nothing out, but names may be asked for.

    Pods of a training namespace may talk to each other: a job of several nodes has no names that a row knows.
    What else a job needs, it opens by a policy of its own.
    """
    made = []
    training = kube.training.namespace if kube.training is not None else None
    for namespace in own_namespaces(kube, placement, cluster):
        rules = {
            "default-deny": _body("default-deny", namespace, {}, [], []),
            "allow-dns": _body("allow-dns", namespace, {}, None, [to_names()]),
        }
        if namespace == training:
            peers: list[dict[str, Any]] = [{"podSelector": {}}]
            rules["allow-peers"] = _body("allow-peers", namespace, {}, [{"from": peers}], [{"to": peers}])
        after = (namespace_manifest_name(cluster, namespace),)
        made += [Manifest(f"{cluster.name}-{namespace}-{name}", body, after) for name, body in rules.items()]
    return made


def workload_policy(name: str, row: WorkloadConfig, kube: KubernetesConfig, placement: Placement) -> Manifest:
    """The openings of one workload."""
    home = placement.workload_cluster[name]
    asked = _asked_ports(row)
    ingress = from_pods(callers_of(name, kube, placement, home), asked)
    if row.ingress is not None and kube.ingress is not None:
        ingress.append(_from_controller(kube.ingress.class_name, row.main_port))
    if row.metrics_family != "none":
        ingress.append(from_prometheus(row.ports[row.metrics_port]))
    egress = list(_to_targets(row, kube, placement, home))
    if row.internet or _asks_another_cluster(row, kube, placement, home):
        egress.append(to_internet())
    after = (namespace_manifest_name(placement.clusters[home], row.namespace),)
    return build_policy(name, row.namespace, ingress, egress, after)


def build_policy(
    name: str,
    namespace: str,
    ingress: list[dict[str, Any]],
    egress: list[dict[str, Any]] | None,
    after: tuple[str, ...],
) -> Manifest:
    """Openings of the pods of `name`, both ways; None leaves the way out as it is."""
    return Manifest(f"{name}-network", _body(name, namespace, selector_labels(name), ingress, egress), after)


def callers_of(
    target: str, kube: KubernetesConfig, placement: Placement, cluster: str
) -> list[tuple[str, str]]:
    """(namespace, name) of the workloads in `cluster` that may talk to `target`."""
    return [
        (row.namespace, name)
        for name, row in kube.enabled_workloads().items()
        if target in row.talks_to and placement.workload_cluster.get(name) == cluster
    ]


def from_pods(pods: Iterable[tuple[str, str]], ports: Iterable[int]) -> list[dict[str, Any]]:
    """Ingress from pods given as (namespace, name); no rule at all for no pods, since an empty one is all."""
    peers = [_pod(namespace, name) for namespace, name in pods]
    return [{"from": peers, "ports": _tcp(ports)}] if peers else []


def to_pods(pods: Iterable[tuple[str, str]], ports: Iterable[int]) -> list[dict[str, Any]]:
    """Egress to pods given as (namespace, name)."""
    peers = [_pod(namespace, name) for namespace, name in pods]
    return [{"to": peers, "ports": _tcp(ports)}] if peers else []


def from_prometheus(port: int) -> dict[str, Any]:
    """Scraping, by Prometheus in the monitoring namespace."""
    return from_pods([(MONITORING_NAMESPACE, "prometheus")], [port])[0]


def _asked_ports(row: WorkloadConfig) -> list[int]:
    """Ports that callers ask: all but the one for metrics, unless there is no other."""
    return [port for name, port in row.ports.items() if name != METRICS_PORT] or [row.main_port]


def _to_targets(
    row: WorkloadConfig, kube: KubernetesConfig, placement: Placement, home: str
) -> Iterator[dict[str, Any]]:
    workloads, databases = kube.enabled_workloads(), kube.enabled_databases()
    for target in dict.fromkeys(row.talks_to):
        if target in workloads and placement.workload_cluster.get(target) == home:
            other = workloads[target]
            yield from to_pods([(other.namespace, target)], _asked_ports(other))
        elif target in databases and placement.database_cluster.get(target) == home:
            store = databases[target]
            yield from to_pods([(store.namespace, target)], store.ports.values())
            if store.sentinel:
                yield from to_pods([(store.namespace, sentinel_name(target))], [SENTINEL_PORT])


def _asks_another_cluster(
    row: WorkloadConfig, kube: KubernetesConfig, placement: Placement, home: str
) -> bool:
    """Whether a target is in another cluster: it is reached by its route from outside, over the Internet."""
    workloads = kube.enabled_workloads()
    return any(
        target in workloads
        and placement.workload_cluster.get(target, home) != home
        and workloads[target].ingress is not None
        for target in row.talks_to
    )


def _from_controller(class_name: str, port: int) -> dict[str, Any]:
    namespace = _CONTROLLER_NAMESPACES.get(class_name)
    peer: dict[str, Any] = {
        "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: namespace} if namespace else {}},
        "podSelector": {"matchLabels": {NAME_LABEL: _CONTROLLER_NAMES.get(class_name, class_name)}},
    }
    return {"from": [peer], "ports": _tcp([port])}


def to_internet(ports: Iterable[int] = _INTERNET_PORTS) -> dict[str, Any]:
    """Egress to addresses outside of the cluster's own networks."""
    return {
        "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": _NOT_INTERNET}}],
        "ports": _tcp(ports),
    }


def to_anywhere(ports: Iterable[int]) -> dict[str, Any]:
    """Egress to any address on these ports: for what no rule can name, such as the API server."""
    return {"ports": _tcp(ports)}


def to_names() -> dict[str, Any]:
    """Egress to the cluster's DNS."""
    peer = {
        "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    return {
        "to": [peer],
        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    }


def _pod(namespace: str, name: str) -> dict[str, Any]:
    return {
        "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: namespace}},
        "podSelector": {"matchLabels": {NAME_LABEL: name}},
    }


def _tcp(ports: Iterable[int]) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def _body(
    name: str,
    namespace: str,
    selector: Mapping[str, str],
    ingress: list[dict[str, Any]] | None,
    egress: list[dict[str, Any]] | None,
) -> dict[str, Any]:
    """None leaves a direction to other policies; an empty list closes it."""
    sides = {"Ingress": ingress, "Egress": egress}
    spec: dict[str, Any] = {
        "podSelector": {"matchLabels": dict(selector)} if selector else {},
        "policyTypes": [side for side, rules in sides.items() if rules is not None],
    }
    spec |= {side.lower(): rules for side, rules in sides.items() if rules}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": build_metadata(name, namespace),
        "spec": spec,
    }
