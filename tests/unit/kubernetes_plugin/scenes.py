"""A ConfigMap, what the engine asks about it, and a listener in the user's place."""

from __future__ import annotations

from typing import Any

from sophia_infra.kubernetes_plugin.requests import Request
from sophia_infra.kubernetes_plugin.tokens import field_manager
from sophia_infra.plugin_protocol.values import Properties
from tests.unit.kubernetes_plugin.api_server import refusal

URN = "urn:pulumi:local::shop::kubernetes:core/v1:ConfigMap::settings"
PATH = "/api/v1/namespaces/shop/configmaps/settings"
RESOURCES = {
    "resources": [
        {"kind": "ConfigMap", "name": "configmaps", "namespaced": True},
        {"kind": "Node", "name": "nodes", "namespaced": False},
    ]
}
GONE = refusal(404, "NotFound", 'configmaps "settings" not found')


class Listener:
    """Remembers what the user would read."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, urn: str, message: str) -> None:
        self.warnings.append(message)

    def status(self, urn: str, message: str) -> None:
        pass


def config_map(**data: Any) -> dict[str, Any]:
    metadata = {"name": "settings", "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data or {"a": "1"}}


def live(body: dict[str, Any], manager: str = "") -> dict[str, Any]:
    fields = [{"manager": manager or field_manager(URN, {}), "operation": "Apply"}]
    metadata = {**body["metadata"], "uid": "u1", "resourceVersion": "7", "managedFields": fields}
    return {**body, "metadata": metadata}


def asks(new: dict[str, Any], **further: Any) -> Request:
    fields = {"urn": URN, "type": "kubernetes:core/v1:ConfigMap", "name": "settings", **further}
    return Request(new=Properties(new), **fields)


def updates(old: dict[str, Any], new: dict[str, Any], **further: Any) -> Request:
    outputs = Properties({**live(old), "__fieldManager": field_manager(URN, {})})
    return asks(new, old=outputs, old_inputs=Properties(old), id="shop/settings", **further)
