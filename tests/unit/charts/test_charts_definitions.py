"""Definitions are what an API server takes: whole, structural, and one per kind of the table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sophia_infra.charts import (
    UnknownGroup,
    custom_resource_definitions,
    custom_resources,
    groups,
    resources_of,
)

DEFINITIONS = custom_resource_definitions()
EVERY_DEFINITION = pytest.mark.parametrize(
    "definition", DEFINITIONS, ids=[definition["metadata"]["name"] for definition in DEFINITIONS]
)


def schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for below in schema.get("properties", {}).values():
        yield from schemas(below)
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from schemas(schema[key])


def version_schemas(definition: dict[str, Any]) -> list[dict[str, Any]]:
    return [version["schema"]["openAPIV3Schema"] for version in definition["spec"]["versions"]]


def test_every_kind_of_the_table_has_one() -> None:
    assert {(body["spec"]["group"], body["spec"]["names"]["kind"]) for body in DEFINITIONS} == set(
        custom_resources()
    )


def test_no_two_charts_bring_the_same_definition() -> None:
    names = [body["metadata"]["name"] for body in DEFINITIONS]
    assert len(set(names)) == len(names)


@EVERY_DEFINITION
def test_exactly_one_version_is_stored(definition: dict[str, Any]) -> None:
    assert sum(version["storage"] for version in definition["spec"]["versions"]) == 1


@EVERY_DEFINITION
def test_the_schema_is_structural(definition: dict[str, Any]) -> None:
    for whole in version_schemas(definition):
        for schema in schemas(whole):
            assert "type" in schema or any(key.startswith("x-kubernetes-") for key in schema)
            assert set(schema.get("required", ())) <= set(schema.get("properties", ()))
            assert not ("properties" in schema and "additionalProperties" in schema)


@EVERY_DEFINITION
def test_the_first_level_is_closed(definition: dict[str, Any]) -> None:
    for version in definition["spec"]["versions"]:
        top = version["schema"]["openAPIV3Schema"]
        closed = not any("preserve" in key for key in {**top, **top.get("properties", {}).get("spec", {})})
        assert closed == version["served"]


def test_a_definition_says_where_it_was_taken_from() -> None:
    (definition,) = [body for body in DEFINITIONS if body["metadata"]["name"] == "clusterpolicies.nvidia.com"]
    assert definition["metadata"]["annotations"] == {"sophia.internal/taken-from": "gpu-operator v26.7.0"}
    assert definition["spec"]["scope"] == "Cluster"
    assert definition["spec"]["names"] == {
        "kind": "ClusterPolicy",
        "listKind": "ClusterPolicyList",
        "plural": "clusterpolicies",
        "singular": "clusterpolicy",
    }


def test_versions_names_and_subresources_are_the_vendors() -> None:
    (definition,) = [body for body in DEFINITIONS if body["metadata"]["name"] == "localqueues.kueue.x-k8s.io"]
    assert definition["spec"]["names"]["shortNames"] == ["queue", "queues", "lq"]
    versions = [
        {key: value for key, value in version.items() if key != "schema"}
        for version in definition["spec"]["versions"]
    ]
    assert versions == [
        {
            "name": "v1beta1",
            "served": True,
            "storage": False,
            "deprecated": True,
            "subresources": {"status": {}},
        },
        {"name": "v1beta2", "served": True, "storage": True, "subresources": {"status": {}}},
    ]


def test_a_map_of_text_is_one_for_the_server_too() -> None:
    (definition,) = [body for body in DEFINITIONS if body["metadata"]["name"] == "nvidiadrivers.nvidia.com"]
    spec = version_schemas(definition)[0]["properties"]["spec"]["properties"]
    assert spec["labels"] == {"type": "object", "additionalProperties": {"type": "string"}}
    assert spec["driverType"] == {"type": "string", "enum": ["gpu", "vgpu", "vgpu-host-manager"]}


def test_no_group_needs_the_approval_of_the_kubernetes_project() -> None:
    """Only `k8s.io` and what ends in `.k8s.io` or `.kubernetes.io` is protected; `.x-k8s.io` is not."""
    assert not [group for group in groups() if f".{group}".endswith((".k8s.io", ".kubernetes.io"))]


def test_scale_goes_by_the_path_of_the_kind() -> None:
    paths = {
        body["spec"]["names"]["kind"]: version["subresources"]["scale"]["specReplicasPath"]
        for body in DEFINITIONS
        for version in body["spec"]["versions"]
        if "scale" in version.get("subresources", {})
    }
    assert paths == {
        "Alertmanager": ".spec.replicas",
        "DisaggregatedSetRoleScaler": ".spec.replicas",
        "LeaderWorkerSet": ".spec.replicas",
        "Prometheus": ".spec.shards",
        "PrometheusAgent": ".spec.shards",
        "Rollout": ".spec.replicas",
    }


def test_groups_and_charts_choose() -> None:
    names = [
        body["metadata"]["name"] for body in custom_resource_definitions("jobset.x-k8s.io", "nvidia.com")
    ]
    assert names == [
        "clusterpolicies.nvidia.com",
        "gpuclusters.nvidia.com",
        "jobsets.jobset.x-k8s.io",
        "nvidiadrivers.nvidia.com",
    ]
    assert {body["spec"]["group"] for body in custom_resource_definitions(chart="gpu-operator")} == {
        "nvidia.com",
        "resource.nvidia.com",
        "nfd.k8s-sigs.io",
    }
    assert custom_resource_definitions(chart="opencost") == []
    assert custom_resource_definitions("jobset.x-k8s.io", chart="kueue") == []


def test_an_unknown_group_is_named_with_the_closest_one() -> None:
    with pytest.raises(UnknownGroup, match=r"did you mean external-secrets\.io\?"):
        resources_of(only_groups=["external-secret.io"])


def test_the_caller_may_change_what_it_got() -> None:
    custom_resource_definitions("nvidia.com")[0]["spec"]["versions"].clear()
    assert custom_resource_definitions("nvidia.com")[0]["spec"]["versions"]
