"""Small valid objects of custom kinds: made from the table, or by hand as users write them."""

from __future__ import annotations

from typing import Any

from sophia_infra.charts import CustomResource, ResourceVersion, custom_resources

EXAMPLE_NAMESPACE = "sophia-charts-test"


def served() -> list[tuple[CustomResource, ResourceVersion]]:
    """Every kind in every version that objects may have."""
    return [
        (resource, version)
        for resource in custom_resources().values()
        for version in resource.versions
        if version.served
    ]


def smallest_object(resource: CustomResource, version: ResourceVersion) -> dict[str, Any]:
    """What the table demands and nothing else: required fields that have no optional parent."""
    body: dict[str, Any] = {
        "apiVersion": f"{resource.group}/{version.name}",
        "kind": resource.kind,
        "metadata": {"name": "smallest"},
    }
    if resource.scope == "Namespaced":
        body["metadata"]["namespace"] = EXAMPLE_NAMESPACE
    if version.has_spec:
        body["spec"] = {}
    for path in sorted(version.required, key=lambda path: path.count(".")):
        if not version.has_spec or path.startswith("spec."):
            _put(body, path.split("."), version)
    return body


def _put(body: dict[str, Any], keys: list[str], version: ResourceVersion) -> None:
    node: Any = body
    for key in keys[:-1]:
        node = node.get(key) if "[]" not in key else None
        if not isinstance(node, dict):
            return  # the parent is optional or a list, which stays empty
    name = keys[-1]
    first_level = len(keys) == (2 if version.has_spec else 1)
    node[name] = _example((version.fields or {}).get(name, "object") if first_level else _deep(keys, version))


def _deep(keys: list[str], version: ResourceVersion) -> str:
    """Below the first level the table knows no types; only lists and maps show in other paths."""
    path = ".".join(keys)
    if any(other.startswith(f"{path}[]") for other in version.required):
        return "array"
    return "object" if any(other.startswith(f"{path}.") for other in version.required) else "string"


def _example(kind: str) -> Any:
    if kind.startswith("string("):
        return kind.removeprefix("string(").removesuffix(")").split("|")[0]
    if kind.startswith("array"):
        return []
    examples: dict[str, Any] = {
        "string": "text",
        "integer": 1,
        "number": 1,
        "boolean": True,
        "int-or-string": 1,
    }
    return examples.get(kind, {})


def external_secret(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "backend", "namespace": EXAMPLE_NAMESPACE},
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"kind": "SecretStore", "name": "pulumi-esc"},
            "target": {"name": "backend"},
            "data": [{"secretKey": "API_KEY", "remoteRef": {"key": "services.backend.apiKey"}}],
            **spec,
        },
    }


def secret_store() -> dict[str, Any]:
    provider = {
        "organization": "example",
        "project": "sophia",
        "environment": "production",
        "auth": {"accessToken": {"secretRef": {"name": "pulumi-esc-token", "key": "token"}}},
    }
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "SecretStore",
        "metadata": {"name": "pulumi-esc", "namespace": EXAMPLE_NAMESPACE},
        "spec": {"provider": {"pulumi": provider}},
    }


def cluster_queue() -> dict[str, Any]:
    gpus = {"name": "nvidia.com/gpu", "nominalQuota": 1}
    return {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "ClusterQueue",
        "metadata": {"name": "training"},
        "spec": {
            "namespaceSelector": {},
            "resourceGroups": [
                {"coveredResources": ["nvidia.com/gpu"], "flavors": [{"name": "a100", "resources": [gpus]}]}
            ],
        },
    }


def cluster_policy() -> dict[str, Any]:
    operands = "daemonsets dcgm dcgmExporter devicePlugin driver gfd nodeStatusExporter operator toolkit"
    return {
        "apiVersion": "nvidia.com/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "cluster-policy"},
        "spec": {operand: {} for operand in operands.split()},
    }


EXAMPLES = (external_secret(), secret_store(), cluster_queue(), cluster_policy())
