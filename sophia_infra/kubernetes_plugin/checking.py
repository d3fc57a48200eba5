"""`check` for objects: kind from the type, a name, a namespace; refusals name the property."""

from __future__ import annotations

from typing import Any

from sophia_infra.kubernetes_plugin.names import set_name, why_name_is_refused
from sophia_infra.kubernetes_plugin.requests import Checked, Request
from sophia_infra.kubernetes_plugin.session import Session
from sophia_infra.kubernetes_plugin.tokens import ObjectType, object_type
from sophia_infra.plugin_protocol.values import Properties


def check_object(request: Request, session: Session) -> Checked:
    """Complete the inputs of an object. Asks the server only about kinds that are not Kubernetes' own."""
    body = dict(request.new.value)
    of = object_type(request.type, body)
    body["apiVersion"], body["kind"] = of.api_version, of.kind
    secrets = set(request.new.secrets)
    if of.kind == "Secret" and of.api_version == "v1":
        secrets |= {("data",), ("stringData",)}
    given = body.get("metadata", {})
    if not isinstance(given, dict):  # not known yet, as a whole
        return Checked(Properties(body, frozenset(secrets)))
    metadata = dict(given)
    body["metadata"] = metadata
    failures = _check_name(request, of, metadata)
    if not failures:
        namespaced = session.is_namespaced(of)
        if namespaced and "namespace" not in metadata:
            metadata["namespace"] = session.namespace
        if namespaced is False and metadata.get("namespace"):
            failures["metadata.namespace"] = f"a {of.kind} lies in no namespace: leave it out"
    return Checked(Properties(body, frozenset(secrets)), failures)


def _check_name(request: Request, of: ObjectType, metadata: dict[str, Any]) -> dict[str, str]:
    if metadata.get("generateName"):
        reason = "this plugin applies objects by name: leave generateName out, and a name is made"
        return {"metadata.generateName": reason}
    if "name" not in metadata:
        if of.is_patch:
            return {"metadata.name": f"a patch needs the name of the {of.kind} that it changes"}
        set_name(metadata, request.name, request.old_inputs.value or None, request.seed)
    name = metadata["name"]
    if not isinstance(name, str):
        return {}
    refused = why_name_is_refused(of, name)
    return {"metadata.name": refused} if refused else {}
