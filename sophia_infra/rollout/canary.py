"""A candidate image beside the stable one: its objects, its gates, and how it ends.

plan -> objects applied -> weights step by step -> passed: the stack file gets the image, `sophia up`
                                  |                 rolls it out, and the candidate goes
                                  `-> rolled back: the candidate stays without calls, for its logs
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sophia_infra.manifests.canary import (
    GATEWAY_CLASS,
    ROLLOUT_LABEL,
    ROLLOUT_OF_LABEL,
    Backend,
    Split,
    build_split,
    candidate_name,
    candidate_objects,
    ingress_behind,
    with_candidate,
)
from sophia_infra.manifests.names import bounded
from sophia_infra.model.errors import Refused
from sophia_infra.model.kubernetes.placement import place_on
from sophia_infra.model.kubernetes.texts import parse_image
from sophia_infra.model.stack_config import StackConfig
from sophia_infra.rollout.cluster import Cluster, path_of
from sophia_infra.rollout.errors import GatewayMissing, RolloutHeld, RolloutRefused
from sophia_infra.rollout.route import WeightedRoute

__all__ = ["Canaries", "CanaryPlan", "check_gateway", "plan_canary", "refuse_beside"]

_KINDS: Final = (
    ("apis/gateway.networking.k8s.io/v1", "httproutes"),
    ("apis/gateway.networking.k8s.io/v1", "gateways"),
    ("apis/apps/v1", "deployments"),
    ("apis/policy/v1", "poddisruptionbudgets"),
    ("apis/monitoring.coreos.com/v1", "servicemonitors"),
    ("apis/external-secrets.io/v1", "externalsecrets"),
    ("api/v1", "services"),
    ("apis/networking.k8s.io/v1", "networkpolicies"),
    ("api/v1", "configmaps"),
    ("api/v1", "serviceaccounts"),
)
"""What a candidate may consist of, in the order in which it is deleted: calls end before pods do."""


@dataclass(frozen=True, slots=True)
class CanaryPlan:
    """A candidate as it would be made.

    Attributes:
        stable_image: what runs now according to the stack file, with its digest where one is known.
        image: the candidate, likewise.
        cluster: where it goes.
        objects: the candidate's, in order; without gateway and route.
        gateway, route: how calls are divided.
        behind: the field of the Ingress that puts it behind the route.
    """

    name: str
    namespace: str
    cluster: str
    stable_image: str
    image: str
    split: Split
    objects: tuple[dict[str, Any], ...]
    gateway: dict[str, Any]
    route: dict[str, Any]
    behind: dict[str, Any]

    @property
    def candidate(self) -> str:
        """Name of the candidate's Deployment and Service."""
        return candidate_name(self.name)

    def as_json(self) -> dict[str, Any]:
        return {
            "workload": self.name,
            "namespace": self.namespace,
            "cluster": self.cluster,
            "stable_image": self.stable_image,
            "image": self.image,
            "host": self.split.host,
            "objects": [path_of(body) for body in (*self.objects, self.gateway, self.route)],
            "usd_per_hour": "0.00",
        }


def plan_canary(config: StackConfig, phase: int, name: str, image: str) -> CanaryPlan:
    """What a canary of `name` would be; no traffic.

    Raises:
        RolloutRefused: no such row, no way in from outside to divide, data of its own, no room, or an image
            that the stack does not allow.
    """
    kube = config.kubernetes
    if kube is None or phase < kube.workloads_phase:
        raise RolloutRefused(
            "This stack runs no workloads in this phase.",
            next_step="bring it up with a phase that has them: `sophia up --phase 2`.",
        )
    row = kube.enabled_workloads().get(name)
    if row is None:
        raise RolloutRefused(
            f"{name} is no enabled workload of the stack.",
            next_step=f"name one with an ingress: {', '.join(_divisible(config)) or 'there is none'}.",
        )
    if row.ingress is None or kube.ingress is None:
        raise RolloutRefused(
            f"{name} has no ingress, and calls inside the cluster cannot be divided by weight.",
            next_step="give it to `sophia up`: pods are replaced one by one, until a bad one stops it.",
        )
    if any(not volume.cache for volume in row.volumes.values()):
        raise RolloutRefused(
            f"{name} has a volume with data, which two versions at once would each have for themselves.",
            next_step="update it by `sophia up` after `sophia backup create`.",
        )
    wanted = with_candidate(kube, name, _checked(image, kube.images.require_digest, kube.images.digests))
    placement = place_on(config.instances(phase), wanted)
    if placement.unplaced:
        raise RolloutRefused(
            f"There is no room for one more pod of {name}: {placement.unplaced[0].message}.",
            next_step="add a machine, or lower the replicas of something else.",
        )
    port = row.service_port(next(iter(row.ports)))
    split = Split(
        name=candidate_name(name),
        kind="canary",
        of=name,
        namespace=row.namespace,
        host=f"{row.ingress.host}.{kube.ingress.domain}",
        path=row.ingress.path,
        tls_secret=bounded(f"{kube.ingress.tls_secret_prefix}-{name}"),
        old=Backend(name, port),
        new=Backend(candidate_name(name), port),
    )
    gateway, route = build_split(split)
    return CanaryPlan(
        name,
        row.namespace,
        placement.workload_cluster[candidate_name(name)],
        kube.images.pinned(row.image),
        wanted.images.pinned(wanted.workloads[candidate_name(name)].image),
        split,
        tuple(candidate_objects(name, wanted, placement, config.gateway)),
        gateway,
        route,
        ingress_behind(name, row.namespace),
    )


def _divisible(config: StackConfig) -> list[str]:
    rows = {} if config.kubernetes is None else config.kubernetes.enabled_workloads()
    return [name for name, row in rows.items() if row.ingress is not None]


def _checked(image: str, needs_digest: bool, digests: Mapping[str, str]) -> str:
    try:
        parsed = parse_image(image)
    except Refused as refused:
        raise RolloutRefused(
            f"{image!r} {refused}.", next_step="write it as the workload table does."
        ) from None
    if needs_digest and "@" not in parsed and parsed not in digests:
        raise RolloutRefused(
            f"{parsed} has no digest, and this stack runs images by digest only.",
            next_step=f"write {parsed}@sha256:..., as `sophia images lock` prints it.",
        )
    return parsed


def check_gateway(cluster: Cluster) -> None:
    """Raises GatewayMissing unless something in the cluster carries out Gateway API."""
    found = cluster.read(f"/apis/gateway.networking.k8s.io/v1/gatewayclasses/{GATEWAY_CLASS}")
    if found is None:
        raise GatewayMissing(
            f"The cluster has no GatewayClass {GATEWAY_CLASS}: nothing would divide the calls.",
            next_step="`sophia canary plan ... --manifests` prints what switches it on in k3s; apply that.",
        )


def refuse_beside(cluster: Cluster, namespace: str, name: str, own_kind: str) -> None:
    """Raises RolloutRefused where the other command divides calls of the same service already."""
    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes"
    for body in cluster.items(path, f"{ROLLOUT_OF_LABEL}={name}"):
        kind = body["metadata"]["labels"].get(ROLLOUT_LABEL)
        if kind != own_kind:
            raise RolloutRefused(
                f"A {kind} of {name} is under way, and both would divide the same calls.",
                next_step=f"end it first: `sophia {kind} status` says where it stands.",
            )


class Canaries:
    """Candidates in one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def route(self, plan: CanaryPlan) -> WeightedRoute:
        return WeightedRoute(self._cluster, plan.route)

    def stable_has_it(self, plan: CanaryPlan) -> bool:
        """Whether the stable pods run the candidate's image already, all of them ready."""
        path = f"/apis/apps/v1/namespaces/{plan.namespace}/deployments/{plan.name}"
        found = self._cluster.read(path)
        if found is None:
            return False
        images = {part["image"] for part in found["spec"]["template"]["spec"]["containers"]}
        status = found.get("status") or {}
        wanted = int(found["spec"].get("replicas", 1))
        is_current = status.get("observedGeneration") == found["metadata"].get("generation")
        is_ready = is_current and status.get("updatedReplicas", 0) >= wanted
        return plan.image in images and is_ready and int(status.get("readyReplicas", 0)) >= wanted

    def prepare(self, plan: CanaryPlan) -> None:
        """Make the candidate, without calls.

        Raises:
            GatewayMissing, ClusterSilent, RolloutRefused.
            RolloutHeld: another candidate has calls or is about to; its pods are not exchanged under them.
        """
        check_gateway(self._cluster)
        found = self.route(plan).read()
        if found is not None and found.candidate != plan.image and (found.weight or not found.is_final):
            raise RolloutHeld(
                f"{found.candidate} is the candidate, with {found.weight} % of the calls.",
                next_step="let it end and roll it out, or abort it first.",
            )
        refuse_beside(self._cluster, plan.namespace, plan.name, "canary")
        if self._cluster.read(path_of(plan.behind)) is None:
            raise RolloutRefused(
                f"{plan.namespace} has no Ingress {plan.name}: the stable side is not up.",
                next_step="run `sophia up` first.",
            )
        self._cluster.apply((*plan.objects, plan.behind, plan.gateway))

    def remove(self, namespaces: tuple[str, ...], name: str) -> list[str]:
        """Delete all that belongs to the candidate of `name`, the route first; what was deleted."""
        selector = f"{ROLLOUT_LABEL}=canary,{ROLLOUT_OF_LABEL}={name}"
        gone = []
        for version, plural in _KINDS:
            for namespace in namespaces:
                folder = f"/{version}/namespaces/{namespace}/{plural}"
                for body in self._cluster.items(folder, selector):
                    own = body["metadata"]["name"]
                    self._cluster.delete(f"{folder}/{own}")
                    gone.append(f"{plural}/{own}")
        return gone
