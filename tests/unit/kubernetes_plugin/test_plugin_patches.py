"""Patches set single fields of others' objects, and give them back. And how things are deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sophia_infra.kubernetes_plugin.errors import ApiRefused
from sophia_infra.kubernetes_plugin.objects import Objects
from sophia_infra.kubernetes_plugin.patches import Patches
from sophia_infra.kubernetes_plugin.requests import Request
from sophia_infra.plugin_protocol.values import Properties
from tests.unit.kubernetes_plugin.api_server import ApiServer
from tests.unit.kubernetes_plugin.scenes import (
    asks,
    live,
)

NODE = "/api/v1/nodes/a"


def node_patch(**further: Any) -> Request:
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "labels": {"role": "core"}}}
    return asks(body, type="kubernetes:core/v1:NodePatch", **further)


def test_a_patch_records_only_what_it_set(objects: Callable[..., Objects], server: ApiServer) -> None:
    whole = live({**node_patch().new.value, "status": {"capacity": {"cpu": "1"}}, "spec": {"taints": []}})
    server.answer(NODE, whole)
    id_, outputs = objects(Patches).create(node_patch())
    assert id_ == "a"
    assert outputs.value["metadata"] == {"name": "a", "labels": {"role": "core"}, "uid": "u1"}
    assert "status" not in outputs.value


def test_a_patch_keeps_annotations_for_the_plugin_to_itself(
    objects: Callable[..., Objects], server: ApiServer
) -> None:
    request = node_patch()
    annotations = {"pulumi.com/patchFieldManager": "sophia-infra-roles", "mine": "x"}
    request.new.value["metadata"]["annotations"] = annotations
    server.answer(NODE, live(request.new.value))
    objects(Patches).create(request)
    assert server.asked[-1].query["fieldManager"] == "sophia-infra-roles"
    assert server.asked[-1].body["metadata"]["annotations"] == {"mine": "x"}


def test_what_owns_others_is_deleted_in_the_foreground(
    objects: Callable[..., Objects], server: ApiServer
) -> None:
    server.answer(
        "/apis/apps/v1", {"resources": [{"kind": "Deployment", "name": "deployments", "namespaced": True}]}
    )
    old = Properties({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}})
    objects().delete(asks({}, type="kubernetes:apps/v1:Deployment", id="shop/web", old=old))
    assert server.asked[-1].body["propagationPolicy"] == "Foreground"
    old.value["metadata"]["annotations"] = {"pulumi.com/deletionPropagationPolicy": "orphan"}
    objects().delete(asks({}, type="kubernetes:apps/v1:Deployment", id="shop/web", old=old))
    assert server.asked[-1].body["propagationPolicy"] == "Orphan"


def test_a_patch_needs_its_object_and_a_preview_asks_nothing(
    objects: Callable[..., Objects], server: ApiServer
) -> None:
    with pytest.raises(ApiRefused, match='nodes "a" not found'):
        objects(Patches).create(node_patch())
    asked = len(server.asked)
    objects(Patches).create(node_patch(preview=True))
    assert len(server.asked) == asked


def test_deleting_a_patch_gives_its_fields_back(objects: Callable[..., Objects], server: ApiServer) -> None:
    server.answer(NODE, live(node_patch().new.value))
    old = Properties({**node_patch().new.value, "__fieldManager": "sophia-infra-roles"})
    objects(Patches).delete(node_patch(old=old, id="a"))
    released = server.asked[-1]
    assert (released.method, released.query["fieldManager"]) == ("PATCH", "sophia-infra-roles")
    assert released.body == {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "uid": "u1"}}
