"""Names: made like Pulumi makes them, and refused before anything is sent where the server would refuse."""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any

from sophia_infra.kubernetes_plugin.tokens import AUTONAMED, ObjectType, annotation, group_of

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST = {"Namespace": 63, "Service": 63, "CronJob": 52}
_LABELS_ONLY = frozenset({"Namespace", "Service"})
_FREE = frozenset({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"})
"""Names of RBAC objects may hold capitals and colons."""


def autoname(name: str, seed: bytes) -> str:
    """`name-1a2b3c4d`, as Pulumi names resources; the same `seed` gives the same name."""
    digest = hashlib.sha256(seed + name.encode()) if seed else hashlib.sha256(os.urandom(16))
    return f"{name}-{digest.hexdigest()[:8]}"


def set_name(metadata: dict[str, Any], name: str, old_inputs: dict[str, Any] | None, seed: bytes) -> None:
    """Give nameless `metadata` its old made name, else a new one, and mark it as made."""
    if old_inputs and annotation(old_inputs, AUTONAMED) == "true":
        chosen = old_inputs["metadata"]["name"]
    else:
        chosen = autoname(name, seed)
    metadata["name"] = chosen
    metadata["annotations"] = {**(metadata.get("annotations") or {}), AUTONAMED: "true"}


def why_name_is_refused(of: ObjectType, name: str) -> str | None:
    """The sentence for a name that the server would refuse; None for a good one.

    Rules: Kubernetes documentation, "Object Names and IDs"; Namespace and Service names are DNS labels,
    names of CronJobs leave room for eleven characters of their Jobs.
    """
    if group_of(of.api_version) == "rbac.authorization.k8s.io" and of.kind in _FREE:
        return None
    longest = _LONGEST.get(of.kind, 253)
    if len(name) > longest:
        return f"the name {name!r} has {len(name)} characters, and a {of.kind} may have {longest}"
    label = of.kind in _LABELS_ONLY and group_of(of.api_version) == ""
    if (_LABEL if label else _SUBDOMAIN).fullmatch(name):
        return None
    allowed = "lower-case letters, digits and '-'" if label else "lower-case letters, digits, '-' and '.'"
    return f"the name {name!r} is not valid: use {allowed}, and start and end with a letter or digit"
