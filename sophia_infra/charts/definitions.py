"""CustomResourceDefinitions of our own, for an API server in which no operator runs.

They carry the vendors' names, versions, scopes, subresources, first-level fields and required paths, and
nothing else: no prose, no defaults, no conversion. An object that they accept may still be refused by the
vendor's definition; the other way round only where a required field has a default there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sophia_infra.charts.resources import resources_of
from sophia_infra.charts.schema import object_schema
from sophia_infra.charts.table import CustomResource, ResourceVersion

__all__ = ["custom_resource_definitions"]

TAKEN_FROM = "sophia.internal/taken-from"
"""Annotation with the project and version whose definition was shortened."""

_REPLICAS = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
_SHARDS = {
    "specReplicasPath": ".spec.shards",
    "statusReplicasPath": ".status.shards",
    "labelSelectorPath": ".status.selector",
}
# The table says only that there is a scale subresource. Paths are from the sources of each project.
_SCALE: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("monitoring.coreos.com", "Alertmanager"): {**_REPLICAS, "labelSelectorPath": ".status.selector"},
    ("monitoring.coreos.com", "Prometheus"): _SHARDS,
    ("monitoring.coreos.com", "PrometheusAgent"): _SHARDS,
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"): {
        **_REPLICAS,
        "labelSelectorPath": ".status.hpaPodSelector",
    },
    ("argoproj.io", "Rollout"): {
        **_REPLICAS,
        "statusReplicasPath": ".status.HPAReplicas",
        "labelSelectorPath": ".status.selector",
    },
}


def custom_resource_definitions(*groups: str, chart: str | None = None) -> list[dict[str, Any]]:
    """Definitions (`apiextensions.k8s.io/v1`) that an API server accepts, sorted by name.

    Args:
        groups: only these API groups; every group when none is named.
        chart: only what this chart installs (`k3s` for what k3s brings itself).

    Raises:
        UnknownGroup: the table has no resource of one of the groups.
    """
    found = (_definition(resource) for resource in resources_of(chart=chart, only_groups=groups))
    return sorted(found, key=lambda definition: str(definition["metadata"]["name"]))


def _definition(resource: CustomResource) -> dict[str, Any]:
    names: dict[str, Any] = {
        "kind": resource.kind,
        "listKind": f"{resource.kind}List",
        "plural": resource.plural,
        "singular": resource.kind.lower(),
    }
    if resource.short_names:
        names["shortNames"] = list(resource.short_names)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{resource.plural}.{resource.group}",
            "annotations": {TAKEN_FROM: resource.source},
        },
        "spec": {
            "group": resource.group,
            "names": names,
            "scope": resource.scope,
            "versions": [_version(resource, version) for version in resource.versions],
        },
    }


def _version(resource: CustomResource, version: ResourceVersion) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": version.name,
        "served": version.served,
        "storage": version.storage,
        "schema": {"openAPIV3Schema": object_schema(version)},
    }
    if version.deprecated:
        body["deprecated"] = True
    subresources: dict[str, Any] = {}
    if version.has_status:
        subresources["status"] = {}
    if version.has_scale:
        subresources["scale"] = dict(_SCALE.get((resource.group, resource.kind), _REPLICAS))
    if subresources:
        body["subresources"] = subresources
    return body
