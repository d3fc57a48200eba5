"""What helm has recorded about releases in the cluster."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import yaml

from sophia_infra.kubernetes_plugin.errors import ReleaseFailed
from sophia_infra.kubernetes_plugin.helm import Helm

OWNER_LABEL = "sophia.internal/release"
"""On helm's record of a release that we made: how an interrupted run finds its own again."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def owner(urn: str) -> str:
    """The value of OWNER_LABEL for a resource."""
    return hashlib.sha256(urn.encode()).hexdigest()[:20]


def find_own_release(helm: Helm, name: str, namespace: str, urn: str) -> dict[str, Any] | None:
    """The release if this resource made it, with its `status`, whatever state it is in."""
    command = ["list", "--namespace", namespace, "--all", "--filter", f"^{name}$", "--output", "json"]
    rows = json.loads(helm.run([*command, "--selector", f"{OWNER_LABEL}={owner(urn)}"]) or "[]")
    return dict(rows[0]) if rows else None


def find_release(helm: Helm, name: str, namespace: str) -> dict[str, Any] | None:
    """Name, chart, version, appVersion, revision and status of a release; None when there is none."""
    try:
        printed = helm.run(["get", "metadata", name, "--namespace", namespace, "--output", "json"])
    except ReleaseFailed as failed:
        if "release: not found" in failed.message:
            return None
        raise
    return dict(json.loads(printed))


def values_of_release(helm: Helm, name: str, namespace: str) -> dict[str, Any]:
    """The values that it was given, without those of the chart."""
    printed = helm.run(["get", "values", name, "--namespace", namespace, "--output", "json"])
    return dict(json.loads(printed) or {})


def names_in_release(helm: Helm, name: str, namespace: str) -> dict[str, list[str]]:
    """Its objects, `Kind/version` -> names. The manifest itself may hold secrets and is not handed on."""
    manifest = helm.run(["get", "manifest", name, "--namespace", namespace])
    names: dict[str, list[str]] = {}
    for body in yaml.load_all(manifest, Loader=_Loader):
        if isinstance(body, dict) and body.get("kind") and body.get("metadata"):
            place = body["metadata"].get("namespace")
            shown = f"{place}/{body['metadata'].get('name')}" if place else str(body["metadata"].get("name"))
            names.setdefault(f"{body['kind']}/{body['apiVersion']}", []).append(shown)
    return names
