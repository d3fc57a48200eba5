"""What the node scaler may do in the cluster: as little as `scaling.nodes.cluster` and `.lease` ask for."""

from __future__ import annotations

from typing import Any, Final

from sophia_infra.manifests.names import NODE_SCALER, SCALING_NAMESPACE
from sophia_infra.manifests.objects import Manifest, build_metadata
from sophia_infra.model.kubernetes import Cluster
from sophia_infra.model.scaled_tags import LEASE_NAMESPACE, SCALED_NODE_LABEL

__all__ = ["scaler_rights"]

_RIGHTS: Final = "rbac.authorization.k8s.io"
_ADMISSION: Final = "admissionregistration.k8s.io/v1"
_ACCOUNT: Final = f"system:serviceaccount:{SCALING_NAMESPACE}:{NODE_SCALER}"


def scaler_rights(cluster: Cluster, lease: str, after: tuple[str, ...]) -> list[Manifest]:
    """Roles, bindings, and an admission policy for what roles cannot say: which nodes.

    Args:
        lease: name of the Lease by which one scaler acts.
        after: logical names of what its account needs.
    """
    everywhere = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "patch", "delete"]},
    ]
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    # No rule can name what does not exist yet, so that creating is not bound to the name.
    own_lease = [
        {**leases, "verbs": ["create"]},
        {**leases, "resourceNames": [lease], "verbs": ["get", "update"]},
    ]
    return [
        *_role("ClusterRole", everywhere, None, after),
        *_role("Role", own_lease, LEASE_NAMESPACE, after),
        *_only_its_own_nodes(cluster),
    ]


def _role(
    kind: str, rules: list[dict[str, Any]], namespace: str | None, after: tuple[str, ...]
) -> list[Manifest]:
    role = Manifest(
        f"{NODE_SCALER}-{kind.lower()}",
        {
            "apiVersion": f"{_RIGHTS}/v1",
            "kind": kind,
            "metadata": build_metadata(NODE_SCALER, namespace),
            "rules": rules,
        },
    )
    binding = {
        "apiVersion": f"{_RIGHTS}/v1",
        "kind": f"{kind}Binding",
        "metadata": build_metadata(NODE_SCALER, namespace),
        "roleRef": {"apiGroup": _RIGHTS, "kind": kind, "name": NODE_SCALER},
        "subjects": [{"kind": "ServiceAccount", "name": NODE_SCALER, "namespace": SCALING_NAMESPACE}],
    }
    return [role, Manifest(f"{role.name}-binding", binding, (role.name, *after))]


def _only_its_own_nodes(cluster: Cluster) -> list[Manifest]:
    """Of the fleet's nodes it changes none, and of its own no label: roles know no labels."""
    name = f"{NODE_SCALER}-nodes"
    label = f"has(oldObject.metadata.labels) && '{SCALED_NODE_LABEL}' in oldObject.metadata.labels"
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["UPDATE", "DELETE"],
                    "resources": ["nodes"],
                }
            ]
        },
        "matchConditions": [
            {"name": "by-the-scaler", "expression": f"request.userInfo.username == '{_ACCOUNT}'"}
        ],
        "validations": [
            {
                "expression": label,
                "message": f"the node scaler changes nodes with the label {SCALED_NODE_LABEL} only",
                "reason": "Forbidden",
            },
            {
                "expression": f"request.operation == 'DELETE' || !({label}) || "
                "(has(object.metadata.labels) && object.metadata.labels == oldObject.metadata.labels)",
                "message": "the node scaler changes no label of a node",
                "reason": "Forbidden",
            },
        ],
    }
    policy = Manifest(
        f"{cluster.name}-{name}",
        {
            "apiVersion": _ADMISSION,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": build_metadata(name),
            "spec": spec,
        },
    )
    binding = {
        "apiVersion": _ADMISSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": build_metadata(name),
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    return [policy, Manifest(f"{policy.name}-binding", binding, (policy.name,))]
