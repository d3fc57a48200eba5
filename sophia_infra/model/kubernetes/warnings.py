"""What sophia:kubernetes allows and will not do what it looks like. Pure: sentences, each with its key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sophia_infra.model.catalogue import CATALOGUE, REGIONS_WITHOUT_FIREWALL
from sophia_infra.model.kubernetes.nodes import Cluster, Placement
from sophia_infra.model.kubernetes.placement import place_on
from sophia_infra.model.kubernetes.sidecars import running_images

if TYPE_CHECKING:
    from sophia_infra.model.instance import InstanceConfig
    from sophia_infra.model.kubernetes.config import KubernetesConfig

__all__ = ["find_kubernetes_warnings"]

_KEY = "sophia:kubernetes"


def find_kubernetes_warnings(
    kube: KubernetesConfig, fleet: Mapping[str, InstanceConfig], phase: int
) -> list[str]:
    """Warnings about what `phase` has of machines and workloads; none before the section's first phase."""
    if phase < kube.first_phase:
        return []
    machines = {name: machine for name, machine in fleet.items() if machine.phase <= phase}
    placement = place_on(machines, kube)
    found = [*_warn_of_missing_digests(kube, phase)]
    if kube.cluster == "joined":
        for cluster in placement.clusters.values():
            found += _warn_of_open_api(cluster, kube)
            found += _warn_of_arm64_alone(cluster)
        found += _warn_of_machines_outside(kube, machines)
        found += _warn_of_fallbacks(kube, machines)
    if phase >= kube.workloads_phase:
        found += _warn_of_unreachable_partners(kube, placement)
        found += _warn_of_unserved_measures(kube)
    return found


def _warn_of_open_api(cluster: Cluster, kube: KubernetesConfig) -> Iterator[str]:
    server = next(node for node in cluster.nodes if node.machine == cluster.server)
    if server.region in REGIONS_WITHOUT_FIREWALL:
        sources = " and api_sources has no effect" if kube.api_sources else ""
        yield (
            f"{_KEY}: port 6443 of {server.machine}, the server of {cluster.name}, is open to the network: "
            f"Lambda applies no firewall rules in {server.region}{sources}; only its certificates protect it"
        )


def _warn_of_arm64_alone(cluster: Cluster) -> Iterator[str]:
    if all(node.architecture == "arm64" for node in cluster.nodes):
        yield (
            f"{_KEY}: every machine of {cluster.name} is arm64 and takes only pods that choose its GPU; "
            "operators and databases find no place there: add an x86_64 machine, or use topology overlay"
        )


def _warn_of_machines_outside(
    kube: KubernetesConfig, machines: Mapping[str, InstanceConfig]
) -> Iterator[str]:
    adopted = [name for name, machine in machines.items() if machine.is_adopted]
    if adopted:
        yield (
            f"{_KEY}.cluster: {', '.join(adopted)} cannot join: adopted machines booted long ago, and "
            "cloud-init runs at the first boot; replace them, or join them by hand and use cluster existing"
        )
    early = [
        name
        for name, machine in machines.items()
        if not machine.is_adopted and machine.phase < kube.first_phase
    ]
    if early:
        yield (
            f"{_KEY}.first_phase: {', '.join(early)} of an earlier phase join only at a new launch: raise "
            "their generation if they run already"
        )


def _warn_of_fallbacks(kube: KubernetesConfig, machines: Mapping[str, InstanceConfig]) -> Iterator[str]:
    for name, machine in machines.items():
        if machine.is_adopted:
            continue
        model = CATALOGUE[machine.type].gpu_model
        choices = machine.launch_choices[1:]
        if any(CATALOGUE[choice.instance_type].gpu_model != model for choice in choices):
            yield (
                f"sophia:fleet.{name}.fallbacks: places were counted for {model}; on another GPU model the "
                "pods that choose it stay pending"
            )
        if kube.topology == "per_region" and any(choice.region != machine.region for choice in choices):
            yield (
                f"sophia:fleet.{name}.fallbacks: in another region it joins the cluster of {machine.region} "
                "across the internet, without the private network"
            )


def _warn_of_unreachable_partners(kube: KubernetesConfig, placement: Placement) -> Iterator[str]:
    where = {**placement.workload_cluster, **placement.database_cluster}
    for name, row in kube.enabled_workloads().items():
        far = [partner for partner in row.talks_to if where.get(partner, where[name]) != where[name]]
        if far:
            yield (
                f"{_KEY}.workloads.{name}.talks_to: {', '.join(far)}: in another cluster than {name} "
                f"({where[name]}), where no service name leads; use topology overlay or a route"
            )


def _warn_of_unserved_measures(kube: KubernetesConfig) -> Iterator[str]:
    scaling = kube.autoscaling
    if kube.monitoring is not None or scaling.adapter.enabled is not None:
        return
    for name, row in kube.enabled_workloads().items():
        if scaling.asks_adapter(row.autoscale):
            yield (
                f"{_KEY}.workloads.{name}.autoscale.gpu_utilization: nobody measures it without a section "
                "monitoring: its pods are never taken away, and added by its other measures only; where the "
                "cluster serves it already, say autoscaling.adapter.enabled: false"
            )


def _warn_of_missing_digests(kube: KubernetesConfig, phase: int) -> Iterator[str]:
    if not kube.images.require_digest or phase >= kube.workloads_phase:
        return
    bare = {image for image in running_images(kube).values() if "@" not in kube.images.pinned(image)}
    if bare:
        yield (
            f"{_KEY}.images.require_digest: {len(bare)} images have no digest yet; phase "
            f"{kube.workloads_phase} refuses them"
        )
