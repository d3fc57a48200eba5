from __future__ import annotations

from typing import Any

import pytest

from sophia_infra.kubernetes_plugin.changes import find_object_changes
from sophia_infra.kubernetes_plugin.errors import ApiRefused
from sophia_infra.kubernetes_plugin.immutable import immutable_by_server, immutable_fields, touches
from sophia_infra.kubernetes_plugin.tokens import ObjectType
from sophia_infra.plugin_protocol.changes import Route, find_changes, show_route
from sophia_infra.plugin_protocol.values import UNKNOWN


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": 1.0}, {}),
        ({"a": 1}, {"a": True}, {("a",): "update"}),
        ({"a": {"b": 1}}, {"a": {"b": 2, "c": 3}}, {("a", "b"): "update", ("a", "c"): "add"}),
        ({"a": 1, "b": 2}, {"a": 1}, {("b",): "delete"}),
        ({"a": [1, 2]}, {"a": [1, 3, 4]}, {("a", 1): "update", ("a", 2): "add"}),
        ({"a": [1, 2]}, {"a": [1]}, {("a", 1): "delete"}),
        ({"a": {"b": 1}}, {"a": "text"}, {("a",): "update"}),
        ({"a": 1}, {"a": UNKNOWN}, {("a",): "update"}),
    ],
)
def test_changes_are_the_smallest_places(old: Any, new: Any, expected: dict[Route, str]) -> None:
    assert find_changes(old, new) == expected


def test_what_the_server_keeps_for_itself_is_no_change_of_an_object() -> None:
    old = {
        "metadata": {"name": "a", "generation": 1, "managedFields": []},
        "status": {"x": 1},
        "spec": {"r": 1},
    }
    new = {"metadata": {"name": "a", "generation": 2}, "spec": {"r": 2}}
    assert find_object_changes(old, new) == {("spec", "r"): "update"}


@pytest.mark.parametrize(
    ("route", "shown"),
    [
        (("spec", "containers", 0, "image"), "spec.containers[0].image"),
        (("metadata", "labels", "app.kubernetes.io/name"), 'metadata.labels["app.kubernetes.io/name"]'),
        (("data", 'a"b'), 'data["a\\"b"]'),
    ],
)
def test_paths_are_written_as_pulumi_writes_them(route: Route, shown: str) -> None:
    assert show_route(route) == shown


@pytest.mark.parametrize(
    ("api_version", "kind", "route", "replaces"),
    [
        ("apps/v1", "Deployment", ("spec", "selector", "matchLabels", "a"), True),
        ("apps/v1", "Deployment", ("spec", "replicas"), False),
        ("apps/v1", "StatefulSet", ("spec", "volumeClaimTemplates", 0, "spec"), True),
        ("apps/v1", "DaemonSet", ("spec", "selector"), True),
        ("batch/v1", "Job", ("spec", "template", "spec", "containers", 0, "image"), True),
        ("batch/v1", "Job", ("spec", "suspend"), False),
        ("v1", "Service", ("spec", "clusterIP"), True),
        ("v1", "Service", ("spec", "ports", 0, "port"), False),
        ("v1", "PersistentVolumeClaim", ("spec", "accessModes", 0), True),
        ("v1", "PersistentVolumeClaim", ("spec", "resources", "requests", "storage"), False),
        ("storage.k8s.io/v1", "StorageClass", ("parameters", "type"), True),
        ("storage.k8s.io/v1", "StorageClass", ("allowVolumeExpansion",), False),
        ("example.com/v1", "Service", ("spec", "clusterIP"), False),
        ("v1", "ConfigMap", ("metadata", "name"), True),
        ("v1", "ConfigMap", ("metadata", "namespace"), True),
        ("v1", "ConfigMap", ("metadata", "labels", "a"), False),
        ("v1", "ConfigMap", ("data", "a"), True),
        ("v1", "Secret", ("stringData", "a"), True),
        ("apps/v1", "Deployment", ("spec",), True),
    ],
)
def test_fields_that_cannot_change(api_version: str, kind: str, route: Route, replaces: bool) -> None:
    fields = immutable_fields(ObjectType(api_version, kind), {}, mutable_data=False)
    assert touches(route, fields) is replaces


def test_data_is_mutable_where_the_provider_says_so_but_not_in_immutable_objects() -> None:
    secret = ObjectType("v1", "Secret")
    assert not touches(("data", "a"), immutable_fields(secret, {}, mutable_data=True))
    assert touches(("data", "a"), immutable_fields(secret, {"immutable": True}, mutable_data=True))


@pytest.mark.parametrize(
    ("code", "message", "causes", "expected"),
    [
        (422, "x is invalid", [{"field": "spec.a[0].b", "message": "field is immutable"}], ("spec.a",)),
        (
            422,
            "x is invalid",
            [{"field": "spec", "message": "pod updates may not change fields other than"}],
            ("spec",),
        ),
        (422, "x: Value is immutable", [], ()),
        (422, "x is invalid", [{"field": "spec.a", "message": "must be positive"}], None),
        (403, "x is immutable", [], None),
    ],
)
def test_the_server_says_what_is_immutable(
    code: int, message: str, causes: list[dict[str, str]], expected: tuple[str, ...] | None
) -> None:
    assert immutable_by_server(ApiRefused(message, code=code, causes=causes)) == expected
