"""What kwok and the volume provisioner may do: a role each, and not more than they use."""

from __future__ import annotations

from typing import Any

__all__ = ["build_access"]

_RBAC = "rbac.authorization.k8s.io"
_READ = ("get", "list", "watch")

_RULES: dict[str, list[tuple[str, tuple[str, ...], tuple[str, ...]]]] = {
    "sophia:kwok": [
        ("", ("nodes",), _READ),
        ("", ("pods",), (*_READ, "delete", "patch", "update")),
        ("", ("nodes/status", "pods/status"), ("patch", "update")),
        ("", ("events",), ("create", "patch", "update")),
        ("coordination.k8s.io", ("leases",), (*_READ, "create", "patch", "update", "delete")),
    ],
    "sophia:volumes": [
        ("", ("persistentvolumeclaims",), _READ),
        ("", ("persistentvolumes",), (*_READ, "create", "delete")),
        ("storage.k8s.io", ("storageclasses",), _READ),
        ("", ("events",), ("create",)),
    ],
}


def build_access() -> list[tuple[str, dict[str, Any]]]:
    """(path, object) of each ClusterRole and ClusterRoleBinding, for server-side apply."""
    objects: list[tuple[str, dict[str, Any]]] = []
    for user, rules in _RULES.items():
        role = {
            "kind": "ClusterRole",
            "rules": [
                {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
                for group, resources, verbs in rules
            ],
        }
        binding = {
            "kind": "ClusterRoleBinding",
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": user},
            "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": user}],
        }
        for kind, body in (("clusterroles", role), ("clusterrolebindings", binding)):
            whole = {"apiVersion": f"{_RBAC}/v1", "metadata": {"name": user}, **body}
            objects.append((f"/apis/{_RBAC}/v1/{kind}/{user}", whole))
    return objects
