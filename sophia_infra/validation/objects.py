"""Kubernetes objects of a stack as plain documents: rendered ones of a folder, or live ones of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol

import yaml

from sophia_infra.kubernetes_plugin.errors import ApiRefused
from sophia_infra.model.yaml_loader import SafeLoader
from sophia_infra.reports.figures import Figure, known, unknown

__all__ = ["Objects", "Reading", "merged", "read_cluster", "read_folder"]

Object = Mapping[str, Any]

_LISTED: Final = (
    "/api/v1/nodes",
    "/api/v1/resourcequotas",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/statefulsets",
    "/apis/autoscaling/v2/horizontalpodautoscalers",
    "/apis/batch/v1/cronjobs",
    "/apis/external-secrets.io/v1/clustersecretstores",
    "/apis/external-secrets.io/v1/externalsecrets",
    "/apis/helm.cattle.io/v1/helmcharts",
    "/apis/keda.sh/v1alpha1/scaledobjects",
    "/apis/monitoring.coreos.com/v1/prometheusrules",
)
_RELEASES: Final = "/api/v1/secrets"


@dataclass(frozen=True, slots=True)
class Objects:
    """What was found.

    Attributes:
        is_live: from an API server, with its status; else written by `up` and run by nothing.
        charts: names of the charts that are installed, or would be.
    """

    documents: tuple[Object, ...]
    charts: frozenset[str]
    is_live: bool

    def of(self, kind: str) -> tuple[Object, ...]:
        """All of one kind."""
        return tuple(row for row in self.documents if row.get("kind") == kind)

    def named(self, kind: str) -> dict[tuple[str, str], Object]:
        """(namespace, name) -> object; a cluster-wide one has no namespace."""
        return {(row["metadata"].get("namespace", ""), row["metadata"]["name"]): row for row in self.of(kind)}

    def pod_templates(self) -> Iterator[tuple[str, Object]]:
        """(kind/name, spec of its pods) of Deployments and StatefulSets."""
        for kind in ("Deployment", "StatefulSet"):
            for row in self.of(kind):
                yield f"{kind}/{row['metadata']['name']}", row["spec"]["template"]["spec"]


class Reading(Protocol):
    """An API server; `kubernetes_plugin.connection.Connection` is one."""

    def request(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]: ...


def read_folder(folder: Path, at_s: float) -> Figure[Objects]:
    """The manifests below `folder`; unknown when there is none, or when one of them cannot be read."""
    if not folder.is_dir():
        return unknown("no manifests were written yet: `sophia up` writes them", str(folder))
    documents: list[Object] = []
    for file in sorted(folder.rglob("*.yaml")):
        try:
            found = list(yaml.load_all(file.read_text(encoding="utf-8"), Loader=SafeLoader))
        except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
            return unknown(f"{file.name} cannot be read ({type(error).__name__})", str(folder))
        documents += [row for row in found if isinstance(row, dict) and row.get("kind")]
    charts = frozenset(row["metadata"]["name"] for row in documents if row["kind"] == "HelmChart")
    return known(Objects(tuple(documents), charts, is_live=False), str(folder), at_s)


def read_cluster(api: Reading, source: str, at_s: float) -> Figure[Objects]:
    """The objects that are checked, by one list request a kind. Raises what `api` raises.

    A kind that the server does not know has no objects. Of Helm's records only the labels are kept: the rest
    of them holds values.
    """
    documents: list[Object] = []
    for path in _LISTED:
        answer = _listed(api, path)
        kind = str(answer.get("kind", "")).removesuffix("List")
        documents += [{**row, "kind": kind} for row in answer.get("items") or ()]
    releases = api.request("GET", _RELEASES, query={"labelSelector": "owner=helm,status=deployed"})
    charts = {row["metadata"]["labels"].get("name", "") for row in releases.get("items") or ()}
    charts |= {row["metadata"]["name"] for row in documents if row["kind"] == "HelmChart"}
    return known(Objects(tuple(documents), frozenset(charts), is_live=True), source, at_s)


def merged(found: Sequence[Figure[Objects]]) -> Figure[Objects]:
    """The objects of several clusters together, which must all be known. Raises ValueError for none."""
    if not found:
        raise ValueError("no clusters")
    values = [one.value for one in found if one.value is not None]
    documents = tuple(row for value in values for row in value.documents)
    charts = frozenset[str]().union(*(value.charts for value in values))
    source = ", ".join(one.source for one in found)
    return known(
        Objects(documents, charts, all(value.is_live for value in values)), source, found[0].at_s or 0.0
    )


def _listed(api: Reading, path: str) -> Mapping[str, Any]:
    try:
        return api.request("GET", path)
    except ApiRefused as error:
        if error.code == HTTPStatus.NOT_FOUND:
            return {}
        raise
