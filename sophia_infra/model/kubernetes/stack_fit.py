"""Whether sophia:kubernetes fits the fleet of the stack, and what is only worth a warning. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.errors import Refused, did_you_mean
from sophia_infra.model.forms import Conflict
from sophia_infra.model.kubernetes.clusters import CLUSTER_PREFIX, build_clusters, joinable, primary_of
from sophia_infra.model.kubernetes.gpus import MIG_SLICES, mig_layouts, mig_slices
from sophia_infra.model.kubernetes.placement import place_on
from sophia_infra.model.kubernetes.sidecars import running_images
from sophia_infra.model.kubernetes.vllm_fit import find_models_that_do_not_fit

if TYPE_CHECKING:
    from sophia_infra.model.instance import InstanceConfig
    from sophia_infra.model.kubernetes.config import KubernetesConfig

__all__ = ["find_fit_conflicts"]

_HERE = "kubernetes"


def find_fit_conflicts(
    kube: KubernetesConfig, fleet: Mapping[str, InstanceConfig], phase: int, *, is_whole: bool
) -> list[Conflict]:
    """All conflicts between the section and the fleet, with paths from the top.

    Args:
        phase: that of the stack. Places are counted on the machines of the phase that makes workloads, or of
            this one when it is later: an earlier phase has not all machines yet, and needs no place.
        is_whole: nothing was left out of `kube` and `fleet` for being unreadable, so that places can be
            counted and a name that is missing is really missing.
    """
    found = [*_find_slices_that_do_not_exist(kube, fleet)]
    if not is_whole:
        return found
    found += _find_unknown_machines(kube, fleet)
    found += _find_missing_digests(kube, phase)
    counted = max(phase, kube.workloads_phase)
    machines = {name: machine for name, machine in fleet.items() if machine.phase <= counted}
    if kube.cluster == "joined" and not joinable(machines, kube):
        refused = Refused(
            "has no machine to join: cloud-init runs at the first boot, and every machine of the fleet is "
            "adopted or of a later phase",
            allowed="existing, with a kubeconfig; or a machine that this stack launches",
        )
        return [*found, Conflict((_HERE, "cluster"), refused, kube.cluster)]
    found += _find_nodes_of_one_name(kube, machines)
    found += _find_wrong_primary(kube, machines)
    found += find_models_that_do_not_fit(kube, machines)
    found += [
        Conflict((_HERE, unplaced.section, unplaced.name), Refused(unplaced.message))
        for unplaced in place_on(machines, kube).unplaced
    ]
    return found


def _find_slices_that_do_not_exist(
    kube: KubernetesConfig, fleet: Mapping[str, InstanceConfig]
) -> Iterator[Conflict]:
    for model, sharing in kube.gpu_sharing.items():
        for name, machine in fleet.items():
            row = CATALOGUE[machine.type]
            layouts = MIG_SLICES.get((model, row.gpu_memory_gib or 0))
            if sharing.mig not in mig_layouts(model) or row.gpu_model != model or not layouts:
                continue
            if mig_slices(sharing.mig, model, row.gpu_memory_gib) is None:
                refused = Refused(
                    f"does not exist on {name}, whose {model} has {row.gpu_memory_gib} GB",
                    allowed=", ".join(f"all-{profile}" for profile in layouts),
                )
                yield Conflict((_HERE, "gpu_sharing", model, "mig"), refused, sharing.mig)
                break


def _find_unknown_machines(kube: KubernetesConfig, fleet: Mapping[str, InstanceConfig]) -> Iterator[Conflict]:
    named: list[tuple[tuple[str, ...], str]] = [(("node_roles", name), name) for name in kube.node_roles]
    if kube.server is not None:
        named.append((("server",), kube.server))
    for loc, name in named:
        if name not in fleet:
            refused = Refused(f"is not in sophia:fleet{did_you_mean(name, fleet)}", allowed=", ".join(fleet))
            yield Conflict((_HERE, *loc), refused, name)
        elif kube.cluster == "joined" and fleet[name].is_adopted:
            refused = Refused("is adopted: it booted long ago, so that cloud-init cannot join it")
            yield Conflict((_HERE, *loc), refused, name)


def _find_nodes_of_one_name(
    kube: KubernetesConfig, machines: Mapping[str, InstanceConfig]
) -> Iterator[Conflict]:
    """`core` of generation 2 beside a machine called `core-2`: a cluster refuses the second of one name."""
    for cluster in build_clusters(machines, kube).values():
        for node in cluster.nodes:
            if node.name != node.machine and node.name in machines:
                refused = Refused(f"gives its node the name {node.name}, another machine's; raise it further")
                where = ("fleet", node.machine, "generation")
                yield Conflict(where, refused, machines[node.machine].generation)


def _find_wrong_primary(kube: KubernetesConfig, machines: Mapping[str, InstanceConfig]) -> Iterator[Conflict]:
    clusters = build_clusters(machines, kube)
    wanted = f"{CLUSTER_PREFIX}-{kube.primary_region}"
    if kube.primary_region is not None and kube.topology == "per_region" and wanted not in clusters:
        regions = ", ".join(str(cluster.region) for cluster in clusters.values())
        refused = Refused("has no machine that joins a cluster", allowed=regions)
        yield Conflict((_HERE, "primary_region"), refused, kube.primary_region)
        return
    primary = clusters[primary_of(clusters, kube)]
    elsewhere = {
        node.machine for cluster in clusters.values() for node in cluster.nodes if cluster != primary
    }
    if kube.server in elsewhere:
        refused = Refused(
            f"is not in {primary.name}, the primary cluster: name one of its machines, or its region as "
            "primary_region",
            allowed=", ".join(node.machine for node in primary.nodes),
        )
        yield Conflict((_HERE, "server"), refused, kube.server)


def _find_missing_digests(kube: KubernetesConfig, phase: int) -> Iterator[Conflict]:
    """Only from the phase that makes workloads: before it, nothing runs, and nothing may be built yet."""
    if not kube.images.require_digest or phase < kube.workloads_phase:
        return
    for loc, image in running_images(kube).items():
        if "@" not in kube.images.pinned(image):
            refused = Refused(
                "has no digest, and images.require_digest asks for one: add it to the image, or to "
                "images.digests",
                allowed=f"{image}@sha256:<64 hex digits>",
            )
            yield Conflict((_HERE, *loc), refused, image)
