"""Two versions of one service side by side, and the route that divides calls between them.

The candidate is a row of its own, `<name>-canary`: the same row with another image, one pod, no autoscaler
and no Ingress. Nothing of it is in the engine's state; labels say what belongs to it.

The division is Gateway API: one HTTPRoute with weights. The Ingress of the service stays where it is with the
lowest priority, so that deleting the route is always enough to give all calls to the old side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sophia_infra.manifests.cluster_objects import service
from sophia_infra.manifests.names import NAME_LABEL, NAMESPACE_LABEL, bounded
from sophia_infra.manifests.objects import build_metadata
from sophia_infra.manifests.stores.names import sentinel_name
from sophia_infra.model.gateway import GatewayConfig
from sophia_infra.model.kubernetes import KubernetesConfig, Placement

__all__ = [
    "GATEWAY_CLASS",
    "ROLLOUT_LABEL",
    "ROLLOUT_OF_LABEL",
    "Backend",
    "Split",
    "build_split",
    "candidate_name",
    "candidate_objects",
    "gateway_provider",
    "ingress_behind",
    "with_candidate",
]

GATEWAY_CLASS: Final = "traefik"
ROLLOUT_LABEL: Final = "sophia.internal/rollout"
"""`canary` or `cutover`: made by the command of that name, and deleted by it."""
ROLLOUT_OF_LABEL: Final = "sophia.internal/rollout-of"

_GATEWAY_API: Final = "gateway.networking.k8s.io/v1"
_PRIORITY: Final = "traefik.ingress.kubernetes.io/router.priority"
_TLS_PORT: Final = 8443
"""Traefik's own port for TLS inside its pod; a listener has to name it. The Service maps 443 to it."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A Service and its port."""

    service: str
    port: int


@dataclass(frozen=True, slots=True)
class Split:
    """Calls of one host that are divided between two Services of one namespace.

    Attributes:
        name: of the route and its gateway.
        kind: `canary` or `cutover`.
        of: the service that it is about.
        tls_secret: with the certificate of `host`.
    """

    name: str
    kind: str
    of: str
    namespace: str
    host: str
    path: str
    tls_secret: str
    old: Backend
    new: Backend

    @property
    def labels(self) -> dict[str, str]:
        return {ROLLOUT_LABEL: self.kind, ROLLOUT_OF_LABEL: self.of}


def candidate_name(name: str) -> str:
    """Name of the candidate's objects."""
    return bounded(f"{name}-canary")


def with_candidate(kube: KubernetesConfig, name: str, image: str) -> KubernetesConfig:
    """The same section with one row more: the candidate of `name`, which has to be an enabled row."""
    row = kube.enabled_workloads()[name].model_copy(
        update={"image": image, "replicas": 1, "autoscale": None, "swarm_service": None}
    )
    return kube.model_copy(update={"workloads": {**kube.workloads, candidate_name(name): row}})


def candidate_objects(
    name: str, kube: KubernetesConfig, placement: Placement, gateway: GatewayConfig | None
) -> list[dict[str, Any]]:
    """Every object of the candidate of `name`, and what opens the way from it to those it asks.

    Args:
        kube, placement: with the candidate's row, see `with_candidate`.
    """
    own = candidate_name(name)
    row = kube.enabled_workloads()[own]
    made = [manifest.body for manifest in service(own, row, kube, placement, None, gateway)]
    bodies = [body for body in made if body["kind"] != "Ingress"]
    bodies += [_opening(own, row.namespace, target, kube) for target in row.talks_to]
    labels = {ROLLOUT_LABEL: "canary", ROLLOUT_OF_LABEL: name}
    return [_labelled(body, labels) for body in bodies]


def build_split(split: Split) -> tuple[dict[str, Any], dict[str, Any]]:
    """The Gateway and the HTTPRoute of a split; all calls go to the old side."""
    gateway = {
        "apiVersion": _GATEWAY_API,
        "kind": "Gateway",
        "metadata": build_metadata(split.name, split.namespace, labels=split.labels),
        "spec": {
            "gatewayClassName": GATEWAY_CLASS,
            "listeners": [
                {
                    "name": "https",
                    "protocol": "HTTPS",
                    "port": _TLS_PORT,
                    "hostname": split.host,
                    "tls": {"mode": "Terminate", "certificateRefs": [{"name": split.tls_secret}]},
                    "allowedRoutes": {"namespaces": {"from": "Same"}},
                }
            ],
        },
    }
    backends = [
        {"name": side.service, "port": side.port, "weight": weight}
        for side, weight in ((split.old, 100), (split.new, 0))
    ]
    route = {
        "apiVersion": _GATEWAY_API,
        "kind": "HTTPRoute",
        "metadata": build_metadata(split.name, split.namespace, labels=split.labels),
        "spec": {
            "parentRefs": [{"name": split.name}],
            "hostnames": [split.host],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": split.path}}],
                    "backendRefs": backends,
                }
            ],
        },
    }
    return gateway, route


def ingress_behind(name: str, namespace: str) -> dict[str, Any]:
    """The one field of a service's Ingress that puts it behind every route of the same host."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": namespace, "annotations": {_PRIORITY: "1"}},
    }


def gateway_provider() -> dict[str, Any]:
    """What makes the Traefik of k3s carry out Gateway API; its definitions come with k3s (1.32 and later)."""
    return {
        "apiVersion": "helm.cattle.io/v1",
        "kind": "HelmChartConfig",
        "metadata": {"name": "traefik", "namespace": "kube-system"},
        "spec": {"valuesContent": "providers:\n  kubernetesGateway:\n    enabled: true\n"},
    }


def _opening(own: str, namespace: str, target: str, kube: KubernetesConfig) -> dict[str, Any]:
    """Targets let in whom their row's callers name; this one comes on top of that."""
    workloads = kube.enabled_workloads()
    row = workloads.get(target) or kube.enabled_databases()[target]
    names = [target] if target in workloads else [target, sentinel_name(target)]
    chosen = {"matchExpressions": [{"key": NAME_LABEL, "operator": "In", "values": names}]}
    peer = {
        "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: namespace}},
        "podSelector": {"matchLabels": {NAME_LABEL: own}},
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": build_metadata(bounded(f"{own}-to-{target}"), row.namespace),
        "spec": {"podSelector": chosen, "policyTypes": ["Ingress"], "ingress": [{"from": [peer]}]},
    }


def _labelled(body: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    metadata = body["metadata"]
    return {**body, "metadata": {**metadata, "labels": {**metadata["labels"], **labels}}}
