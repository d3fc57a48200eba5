"""Names that workloads and databases use: each has to be declared, and some only once. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from sophia_infra.model.errors import Refused, did_you_mean
from sophia_infra.model.forms import Conflict
from sophia_infra.model.kubernetes.sidecars import monitoring_images
from sophia_infra.model.kubernetes.texts import registry_of

if TYPE_CHECKING:
    from sophia_infra.model.kubernetes.config import KubernetesConfig
    from sophia_infra.model.kubernetes.database import DatabaseConfig
    from sophia_infra.model.kubernetes.workload import WorkloadConfig

__all__ = ["find_reference_conflicts"]


def find_reference_conflicts(kube: KubernetesConfig, unreadable: Collection[str]) -> Iterator[Conflict]:
    """Names that nothing declares. What is in `unreadable` counts as declared."""
    declared = {*kube.workloads, *kube.databases}
    declared |= {row.partition(".")[2] for row in unreadable if "." in row}
    is_complete = not {"workloads", "databases"} & set(unreadable)
    for name, row in kube.workloads.items():
        if is_complete:
            yield from _find_wrong_partners(name, row, declared, kube)
        yield from _find_wrong_volumes(name, row, kube, unreadable)
        if row.ingress and kube.ingress is None and "ingress" not in unreadable:
            refused = Refused("needs sophia:kubernetes.ingress, which says the domain and the IngressClass")
            yield Conflict(("workloads", name, "ingress"), refused)
    yield from _find_wrong_namespaces(kube, unreadable)
    yield from _find_secrets_of_nowhere(kube, unreadable)
    yield from _find_double_routes(kube)
    yield from _find_wrong_images(kube, unreadable)


def _find_wrong_partners(
    name: str, row: WorkloadConfig, declared: Collection[str], kube: KubernetesConfig
) -> Iterator[Conflict]:
    for at, partner in enumerate(row.talks_to):
        loc = ("workloads", name, "talks_to", at)
        target = kube.workloads.get(partner) or kube.databases.get(partner)
        if partner == name:
            yield Conflict(loc, Refused("is the workload itself"), partner)
        elif partner in row.talks_to[:at]:
            yield Conflict(loc, Refused("is named twice"), partner)
        elif partner not in declared:
            hint = did_you_mean(partner, declared)
            refused = Refused(
                f"is neither a workload nor a database{hint}", allowed=", ".join(sorted(declared))
            )
            yield Conflict(loc, refused, partner)
        elif row.enabled and target is not None and not target.enabled and not _is_idle_gateway(target):
            yield Conflict(loc, Refused("is not enabled: enable it, or do not talk to it"), partner)


def _is_idle_gateway(target: WorkloadConfig | DatabaseConfig) -> bool:
    """Rows of the shared table name the gateway; where a stack has none, that opens nothing."""
    return bool(getattr(target, "gateway", False))


def _find_wrong_volumes(
    name: str, row: WorkloadConfig, kube: KubernetesConfig, unreadable: Collection[str]
) -> Iterator[Conflict]:
    if {"shared_storage_classes", "storage_class"} & set(unreadable):
        return
    shared = kube.shared_storage_classes
    for volume, claim in row.volumes.items():
        loc = ("workloads", name, "volumes", volume)
        if claim.access == "ReadWriteMany" and claim.storage_class not in shared:
            refused = Refused(
                f"needs a storage_class that can do it, and {claim.storage_class or kube.storage_class.name} "
                "is not one",
                allowed="ReadWriteOnce, or a storage_class of shared_storage_classes "
                f"({', '.join(shared) or 'none'})",
            )
            yield Conflict((*loc, "access"), refused, claim.access)
        elif claim.storage_class not in (None, kube.storage_class.name, *shared):
            known = (kube.storage_class.name, *shared)
            hint = did_you_mean(claim.storage_class or "", known)
            refused = Refused(f"is not a StorageClass of the cluster{hint}", allowed=", ".join(known))
            yield Conflict((*loc, "storage_class"), refused, claim.storage_class)


def _find_wrong_namespaces(kube: KubernetesConfig, unreadable: Collection[str]) -> Iterator[Conflict]:
    if "namespaces" in unreadable:
        return
    for section in ("workloads", "databases"):
        for name, row in getattr(kube, section).items():
            if row.namespace not in kube.namespaces:
                hint = did_you_mean(row.namespace, kube.namespaces)
                allowed = ", ".join(kube.namespaces) or "nothing: sophia:kubernetes.namespaces is empty"
                refused = Refused(f"is not in sophia:kubernetes.namespaces{hint}", allowed=allowed)
                yield Conflict((section, name, "namespace"), refused, row.namespace)


def _find_secrets_of_nowhere(kube: KubernetesConfig, unreadable: Collection[str]) -> Iterator[Conflict]:
    if kube.secrets is not None or "secrets" in unreadable:
        return
    for section in ("workloads", "databases"):
        for name, row in getattr(kube, section).items():
            if row.enabled and row.secret_env:
                refused = Refused("needs sophia:kubernetes.secrets, which says where secrets come from")
                yield Conflict((section, name, "secret_env"), refused)


def _find_double_routes(kube: KubernetesConfig) -> Iterator[Conflict]:
    first_by_route: dict[tuple[str, str], str] = {}
    for name, row in kube.enabled_workloads().items():
        if row.ingress is None:
            continue
        first = first_by_route.setdefault((row.ingress.host, row.ingress.path), name)
        if first != name:
            refused = Refused(f"leads to {first} already, with the same path {row.ingress.path}")
            yield Conflict(("workloads", name, "ingress", "host"), refused, row.ingress.host)


def _find_wrong_images(kube: KubernetesConfig, unreadable: Collection[str]) -> Iterator[Conflict]:
    if "images" in unreadable:
        return
    registries = kube.images.registries
    named = {
        (section, name, "image"): row.image
        for section in ("workloads", "databases")
        for name, row in getattr(kube, section).items()
    } | monitoring_images(kube)
    for loc, image in named.items():
        if registries and registry_of(image) not in registries:
            refused = Refused(
                "comes from a registry that images.registries does not list", allowed=", ".join(registries)
            )
            yield Conflict(loc, refused, image)
    used = set(named.values())
    is_complete = not any(part.startswith(("workloads", "databases")) for part in unreadable)
    for image in kube.images.digests if is_complete else ():
        if image not in used:
            refused = Refused(f"is the image of no workload or database{did_you_mean(image, used)}")
            yield Conflict(("images", "digests", image), refused)
