"""What this room hands out: objects and chart releases as plain data, and what applies them needs to know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sophia_infra.manifests.names import COMMON_LABELS

__all__ = ["ChartRelease", "Item", "Manifest", "build_metadata", "names_of", "of_cluster"]


@dataclass(frozen=True, slots=True)
class Manifest:
    """One Kubernetes object, or with `is_patch` some fields of an object that others own.

    Attributes:
        name: Pulumi's logical name, unique in the stack.
        body: the object as the API takes it, always with `metadata.name`, and a namespace where it has one.
            Values are plain, except a token that was handed in.
        after: logical names of what has to be there first.
        is_patch: sent by server-side apply under a field manager of its own; deleting it gives the fields
            back and leaves the object.
    """

    name: str
    body: dict[str, Any] = field(repr=False)
    after: tuple[str, ...] = ()
    is_patch: bool = False

    @property
    def kind(self) -> str:
        return str(self.body["kind"])

    @property
    def metadata(self) -> Mapping[str, Any]:
        return dict(self.body["metadata"])


@dataclass(frozen=True, slots=True)
class ChartRelease:
    """A Helm release.

    Attributes:
        name: Pulumi's logical name, unique in the stack.
        release: name of the release in the cluster; the chart's objects begin with it.
        chart: key of the pinned charts.
        namespace: where it is installed; made by this program, not by Helm.
        values: only keys that the chart knows.
        version: chart version that the configuration asks for; None means the pinned one.
        after: logical names of what has to be there first.
    """

    name: str
    release: str
    chart: str
    namespace: str
    values: dict[str, Any]
    version: str | None = None
    after: tuple[str, ...] = ()


Item = Manifest | ChartRelease


def build_metadata(
    name: str,
    namespace: str | None = None,
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """`metadata` of an object of ours: name, namespace, and the labels that all of them have."""
    metadata: dict[str, Any] = {"name": name}
    if namespace is not None:
        metadata["namespace"] = namespace
    metadata["labels"] = {**COMMON_LABELS, **(labels or {})}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return metadata


def names_of(*items: Item) -> tuple[str, ...]:
    """Logical names, for `after`."""
    return tuple(item.name for item in items)


def of_cluster(cluster: str, manifests: Iterable[Manifest]) -> list[Manifest]:
    """The same objects under logical names that begin with the cluster: each cluster has such ones."""
    made = list(manifests)
    names = {manifest.name: f"{cluster}-{manifest.name}" for manifest in made}
    return [
        replace(
            manifest,
            name=names[manifest.name],
            after=tuple(names.get(before, before) for before in manifest.after),
        )
        for manifest in made
    ]
