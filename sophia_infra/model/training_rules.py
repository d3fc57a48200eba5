"""What cannot go together in one training cluster, and with the rest of the stack file. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sophia_infra.model.catalogue import CATALOGUE, IMAGE_FAMILIES, human_instance_type
from sophia_infra.model.errors import Refused, did_you_mean
from sophia_infra.model.forms import Conflict

if TYPE_CHECKING:
    from sophia_infra.model.storage import FilesystemConfig
    from sophia_infra.model.training import ClusterConfig

__all__ = ["find_cluster_conflicts", "find_training_conflicts"]


def find_training_conflicts(
    section: Mapping[str, ClusterConfig],
    *,
    filesystems: Mapping[str, FilesystemConfig | None] | None,
    has_ssh: bool,
    has_queue: bool,
) -> list[Conflict]:
    """What does not go together with the rest of the stack file, with paths from its top.

    Args:
        section: clusters that are launched; 1-Click Clusters go with everything.
        has_queue: whether Kubernetes is formed by joining machines, and has a queue for training jobs.
        filesystems: `sophia:filesystems`; None when it could not be read, a value None for one of those.
    """
    found: list[Conflict] = []
    first_by_workload: dict[str, str] = {}
    for name, cluster in section.items():
        first = first_by_workload.setdefault(cluster.workload, name)
        if first != name:
            found.append(
                _at(name, "workload", Refused(f"is the workload of {first} already"), cluster.workload)
            )
        if cluster.ssh_key is None and not has_ssh:
            found.append(
                _at(name, "ssh_key", Refused("is missing, and so is sophia:ssh: a launch takes one"))
            )
        if cluster.bootstrap == "join" and not has_queue:
            found.append(
                _at(
                    name,
                    "bootstrap",
                    Refused("needs sophia:kubernetes with cluster: joined and training: {}"),
                    "join",
                )
            )
        if cluster.checkpoints is not None and filesystems is not None:
            found += _find_wrong_filesystem(name, cluster, cluster.checkpoints, filesystems)
    return found


def _find_wrong_filesystem(
    name: str, cluster: ClusterConfig, wanted: str, filesystems: Mapping[str, FilesystemConfig | None]
) -> Iterator[Conflict]:
    if wanted not in filesystems:
        allowed = ", ".join(filesystems) or "nothing: sophia:filesystems is empty"
        hint = did_you_mean(wanted, filesystems)
        yield _at(
            name, "checkpoints", Refused(f"is not in sophia:filesystems{hint}", allowed=allowed), wanted
        )
        return
    target = filesystems[wanted]
    if target is not None and target.region not in cluster.regions:
        yield _at(
            name,
            "checkpoints",
            Refused(
                f"is in {target.region}, where this cluster may not be; a filesystem never moves",
                allowed=f"a filesystem in {', '.join(cluster.regions)}",
            ),
            wanted,
        )


def _at(name: str, key: str, refused: Refused, value: object = None) -> Conflict:
    return Conflict(("training", name, key), refused, value)


def find_cluster_conflicts(cluster: ClusterConfig) -> Iterator[Conflict]:
    if cluster.min_nodes is not None and cluster.min_nodes > cluster.max_nodes:
        yield Conflict(
            ("min_nodes",),
            Refused("is above max_nodes", allowed=f"1 to {cluster.max_nodes}"),
            cluster.min_nodes,
        )
    for at, name in enumerate(cluster.fallbacks):
        if name in cluster.types[: at + 1]:
            yield Conflict(("fallbacks", at), Refused("is named twice"), human_instance_type(name))
    if (cluster.image is not None) != (cluster.bootstrap == "join"):
        yield Conflict(("image",), Refused("goes with bootstrap: join, and only with it"))
    if cluster.claim is not None and cluster.bootstrap != "join":
        yield Conflict(("claim",), Refused("goes with bootstrap: join, and only with it"), cluster.claim)
    if cluster.self_terminate != (cluster.self_terminate_key_env is not None):
        yield Conflict(
            ("self_terminate_key_env",), Refused("goes with self_terminate: true, and only with it")
        )
    architectures = {CATALOGUE[name].architecture for name in cluster.types}
    family = cluster.image_family
    if len(architectures) > 1 and family is None:
        yield Conflict(
            ("fallbacks",),
            Refused("have both CPU architectures: name an image_family that exists for both"),
        )
    elif family is not None and not IMAGE_FAMILIES[family] >= architectures:
        fitting = [name for name, made_for in IMAGE_FAMILIES.items() if made_for >= architectures]
        yield Conflict(
            ("image_family",),
            Refused(f"does not exist for {', '.join(sorted(architectures))}", allowed=", ".join(fitting)),
            family,
        )
