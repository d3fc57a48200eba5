"""Gateway API v1, as far as weights need it: definitions with the fields, limits and required keys of the
vendor's (kubernetes-sigs/gateway-api, standard channel), written by hand and much shorter."""

from __future__ import annotations

from typing import Any

from sophia_infra.control_plane.errors import RequestRefused
from tests.cluster.plane import Plane

GROUP = "gateway.networking.k8s.io"
_ANY = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_NAME = {"type": "string", "minLength": 1, "maxLength": 253}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_HOST = {
    "type": "string",
    "maxLength": 253,
    "pattern": r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
}


def _object(required: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": fields}
    return {**found, "required": list(required)} if required else found


def _list(items: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxItems": most, "x-kubernetes-list-type": "atomic"}


_BACKEND = _object(
    ("name",),
    group={"type": "string"},
    kind={"type": "string"},
    name=_NAME,
    namespace=_NAME,
    port=_PORT,
    weight={"type": "integer", "minimum": 0, "maximum": 1_000_000, "default": 1},
)
_MATCH = _object(
    path=_object(type={"type": "string", "enum": ["Exact", "PathPrefix", "RegularExpression"]}, value=_NAME)
)
_SPECS = {
    "GatewayClass": _object(("controllerName",), controllerName=_NAME),
    "Gateway": _object(
        ("gatewayClassName", "listeners"),
        gatewayClassName=_NAME,
        listeners=_list(
            _object(
                ("name", "port", "protocol"),
                name=_NAME,
                hostname=_HOST,
                port=_PORT,
                protocol={"type": "string"},
                tls=_object(
                    mode={"type": "string", "enum": ["Terminate", "Passthrough"]},
                    certificateRefs=_list(_object(("name",), name=_NAME), 64),
                ),
                allowedRoutes=_ANY,
            ),
            64,
        ),
    ),
    "HTTPRoute": _object(
        parentRefs=_list(_object(("name",), name=_NAME), 32),
        hostnames=_list(_HOST, 16),
        rules=_list(_object(matches=_list(_MATCH, 64), backendRefs=_list(_BACKEND, 16)), 16),
    ),
}
_PLURALS = {"GatewayClass": "gatewayclasses", "Gateway": "gateways", "HTTPRoute": "httproutes"}


def install_gateway_api(plane: Plane) -> None:
    """The definitions, and the class that Traefik makes; done again, nothing happens."""
    for kind, spec in _SPECS.items():
        plural = _PLURALS[kind]
        schema = _object(("spec",), spec=spec, status=_ANY)
        body = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": f"{plural}.{GROUP}",
                "annotations": {
                    "api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api"
                },
            },
            "spec": {
                "group": GROUP,
                "names": {
                    "kind": kind,
                    "plural": plural,
                    "singular": kind.lower(),
                    "listKind": f"{kind}List",
                },
                "scope": "Cluster" if kind == "GatewayClass" else "Namespaced",
                "versions": [
                    {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
                ],
            },
        }
        plane.apply(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{GROUP}", body)
    plane.wait_for(lambda: _is_served(plane))
    body = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "GatewayClass",
        "metadata": {"name": "traefik"},
        "spec": {"controllerName": "traefik.io/gateway-controller"},
    }
    plane.apply(f"/apis/{GROUP}/v1/gatewayclasses/traefik", body)


def _is_served(plane: Plane) -> bool:
    """Whether each kind can be listed: a group is there before its kinds, and those before their storage."""
    try:
        for plural in _PLURALS.values():
            plane.request("GET", f"/apis/{GROUP}/v1/{plural}")
    except RequestRefused:
        return False
    return True
