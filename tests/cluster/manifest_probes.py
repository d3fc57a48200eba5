"""What the tests of manifests ask a real API server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.cluster.plane import Plane

NAMESPACE = "sophia-ai-prod"
DIGEST = "@sha256:" + "0123456789abcdef" * 4


def apply(plane: Plane, bodies: Sequence[Mapping[str, Any]], manager: str = "sophia-infra") -> str:
    """Server-side apply without force, as the program does; a warning of the server is a failure too."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
    flags = ("--server-side", "--warnings-as-errors", f"--field-manager={manager}")
    return plane.kubectl("apply", *flags, "-f", "-", stdin=text)


def pods(plane: Plane, namespace: str, name: str) -> list[dict[str, Any]]:
    path = f"/api/v1/namespaces/{namespace}/pods"
    found = plane.request("GET", path, labelSelector=f"app.kubernetes.io/name={name}")
    return list(found["items"])


def has_pods(plane: Plane, namespace: str, name: str, count: int) -> bool:
    return len(pods(plane, namespace, name)) >= count


def all_scheduled(plane: Plane, name: str, count: int) -> bool:
    nodes = [row["spec"].get("nodeName") for row in pods(plane, NAMESPACE, name)]
    return len(nodes) == count and all(nodes)


def refusal(plane: Plane, body: Mapping[str, Any]) -> str:
    """What the server says to an object that it must not take."""
    return plane.kubectl("create", "-f", "-", stdin=json.dumps(body), check=False)


def pod(image: str = f"ghcr.io/sophia/a:1{DIGEST}", gpus: int = 0, **spec: Any) -> dict[str, Any]:
    """A pod that nothing but the rule under test refuses."""
    resources: dict[str, Any] = {"limits": {"cpu": "100m", "memory": "64Mi"}}
    if gpus:
        resources["limits"]["nvidia.com/gpu"] = str(gpus)
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "a", "image": image, "resources": resources, "securityContext": security}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "probe-", "namespace": NAMESPACE},
        "spec": {
            "containers": [container],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **spec,
        },
    }


def versions(plane: Plane, bodies: list[dict[str, Any]]) -> dict[tuple[str, str, str], str]:
    """Fields that a managed change would touch, object by object: the generation, or the data."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
    found = json.loads(plane.kubectl("get", "-o", "json", "-f", "-", stdin=text))
    return {
        (row["kind"], row["metadata"].get("namespace", ""), row["metadata"]["name"]): json.dumps(
            [row["metadata"].get("generation"), row["metadata"].get("labels"), row.get("data")]
        )
        for row in found["items"]
    }
