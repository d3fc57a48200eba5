from __future__ import annotations

from typing import Any

import pytest

from sophia_infra.kubernetes_plugin.discovery import is_builtin, namespaced_without_server
from sophia_infra.kubernetes_plugin.names import autoname, set_name, why_name_is_refused
from sophia_infra.kubernetes_plugin.tokens import (
    AUTONAMED,
    ObjectType,
    field_manager,
    object_id,
    object_type,
    split_id,
)


@pytest.mark.parametrize(
    ("pulumi_type", "inputs", "expected"),
    [
        ("kubernetes:core/v1:ConfigMap", {}, ObjectType("v1", "ConfigMap")),
        ("kubernetes:apps/v1:Deployment", {"apiVersion": "apps/v1"}, ObjectType("apps/v1", "Deployment")),
        ("kubernetes:core/v1:NodePatch", {"kind": "Node"}, ObjectType("v1", "Node", True)),
        ("kubernetes:core/v1:NodePatch", {}, ObjectType("v1", "Node", True)),
        (
            "kubernetes:example.com/v1:FooPatch",
            {"kind": "FooPatch"},
            ObjectType("example.com/v1", "FooPatch"),
        ),
    ],
)
def test_the_kind_comes_from_the_type(pulumi_type: str, inputs: dict[str, Any], expected: ObjectType) -> None:
    assert object_type(pulumi_type, inputs) == expected


@pytest.mark.parametrize(("id_", "parts"), [("a/b", ("a", "b")), ("b", (None, "b"))])
def test_ids(id_: str, parts: tuple[str | None, str]) -> None:
    namespace, name = parts
    assert split_id(id_) == parts
    assert object_id({"metadata": {"namespace": namespace, "name": name}}) == id_


def test_the_manager_is_the_same_for_a_resource_and_no_other() -> None:
    first = field_manager("urn:a", {})
    assert first == field_manager("urn:a", {}) != field_manager("urn:b", {})
    named = {"metadata": {"annotations": {"pulumi.com/patchFieldManager": "sophia-infra-roles"}}}
    assert field_manager("urn:a", named) == "sophia-infra-roles"


@pytest.mark.parametrize(
    ("kind", "name", "refused"),
    [
        (ObjectType("v1", "ConfigMap"), "kube-root-ca.crt", ""),
        (ObjectType("v1", "ConfigMap"), "Web", "lower-case"),
        (ObjectType("v1", "ConfigMap"), "a_b", "lower-case"),
        (ObjectType("v1", "ConfigMap"), "-a", "start and end"),
        (ObjectType("v1", "ConfigMap"), "", "not valid"),
        (ObjectType("v1", "ConfigMap"), "a" * 254, "254 characters, and a ConfigMap may have 253"),
        (ObjectType("v1", "Service"), "a" * 64, "may have 63"),
        (ObjectType("v1", "Namespace"), "a.b", "not valid"),
        (ObjectType("batch/v1", "CronJob"), "a" * 53, "may have 52"),
        (ObjectType("rbac.authorization.k8s.io/v1", "ClusterRole"), "system:Node", ""),
        (ObjectType("example.com/v1", "Service"), "a.b", ""),
    ],
)
def test_names_the_server_would_refuse(kind: ObjectType, name: str, refused: str) -> None:
    reason = why_name_is_refused(kind, name)
    assert (reason is None) if not refused else (refused in str(reason))


def test_a_made_name_is_kept_from_run_to_run() -> None:
    metadata: dict[str, Any] = {"annotations": {"a": "b"}}
    set_name(metadata, "web", None, b"seed")
    assert metadata["name"] == autoname("web", b"seed")
    assert metadata["annotations"] == {"a": "b", AUTONAMED: "true"}
    again: dict[str, Any] = {}
    set_name(again, "web", {"metadata": metadata}, b"other seed")
    assert again["name"] == metadata["name"]
    anew: dict[str, Any] = {}
    set_name(anew, "web", {"metadata": {"name": "given"}}, b"other seed")
    assert anew["name"] == autoname("web", b"other seed")


def test_kinds_without_namespace_are_known_without_a_server() -> None:
    assert namespaced_without_server("v1", "Namespace") is False
    assert namespaced_without_server("apps/v1", "Deployment") is True
    assert namespaced_without_server("rbac.authorization.k8s.io/v1", "ClusterRole") is False
    assert namespaced_without_server("external-secrets.io/v1", "ClusterSecretStore") is None
    assert is_builtin("gateway.networking.k8s.io/v1") is False
