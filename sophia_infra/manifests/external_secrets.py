"""Secrets come into the cluster by the External Secrets Operator, from one Pulumi ESC environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sophia_infra.manifests.names import (
    ESC_STORE,
    ESC_TOKEN_KEY,
    ESC_TOKEN_SECRET,
    EXTERNAL_SECRETS_NAMESPACE,
    MONITORING_NAMESPACE,
    SCALING_NAMESPACE,
)
from sophia_infra.manifests.namespaces import namespace_manifest_name, own_namespaces, scaling_here
from sophia_infra.manifests.objects import ChartRelease, Item, Manifest, build_metadata
from sophia_infra.manifests.tolerations import ARM64_TOLERATION
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig, Placement

__all__ = [
    "external_secret",
    "external_secrets_operator",
    "secret_environment",
    "secret_name",
    "secret_store",
    "store_manifest_name",
]

_API = "external-secrets.io/v1"


def external_secrets_operator(kube: KubernetesConfig, cluster: Cluster) -> list[Item]:
    """The operator's release; nothing where no secrets are configured. It reads and never pushes secrets."""
    if kube.secrets is None:
        return []
    tolerations = [ARM64_TOLERATION]
    values: dict[str, Any] = {
        "installCRDs": True,
        "crds": {"unsafeServeV1Beta1": False},
        "processPushSecret": False,
        "processClusterPushSecret": False,
        "leaderElect": True,
        "tolerations": tolerations,
        "webhook": {"tolerations": tolerations},
        "certController": {"tolerations": tolerations},
        "serviceMonitor": {"enabled": False},
    }
    release = ChartRelease(
        name=f"{cluster.name}-external-secrets",
        release="external-secrets",
        chart="external-secrets",
        namespace=EXTERNAL_SECRETS_NAMESPACE,
        values=values,
        after=(namespace_manifest_name(cluster, EXTERNAL_SECRETS_NAMESPACE),),
    )
    return [release]


def store_manifest_name(cluster: Cluster) -> str:
    """Logical name of the store, for `after`."""
    return f"{cluster.name}-secret-store"


def secret_store(kube: KubernetesConfig, placement: Placement, cluster: Cluster, token: Any) -> list[Item]:
    """The access token as a Secret, and the store that uses it; nothing where no secrets are configured.

    One ClusterSecretStore, open to the namespaces of ours: a SecretStore for each would copy the token into
    every namespace, readable by whoever may read secrets there.

    Args:
        token: text, or an output of the engine that is known later; passed on as it is.
    """
    config = kube.secrets
    if config is None:
        return []
    secret = Manifest(
        f"{cluster.name}-{ESC_TOKEN_SECRET}",
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": build_metadata(ESC_TOKEN_SECRET, EXTERNAL_SECRETS_NAMESPACE),
            "type": "Opaque",
            "stringData": {ESC_TOKEN_KEY: token},
        },
        (namespace_manifest_name(cluster, EXTERNAL_SECRETS_NAMESPACE),),
    )
    reference = {
        "name": ESC_TOKEN_SECRET,
        "key": ESC_TOKEN_KEY,
        "namespace": EXTERNAL_SECRETS_NAMESPACE,
    }
    provider: dict[str, Any] = {
        "organization": config.organization,
        "project": config.project,
        "environment": config.environment,
        "auth": {"accessToken": {"secretRef": reference}},
    }
    if config.api_url is not None:
        provider["apiUrl"] = config.api_url
    namespaces = list(own_namespaces(kube, placement, cluster))
    if kube.monitoring is not None:
        namespaces.append(MONITORING_NAMESPACE)
    if scaling_here(kube, placement, cluster):
        namespaces.append(SCALING_NAMESPACE)
    store = Manifest(
        store_manifest_name(cluster),
        {
            "apiVersion": _API,
            "kind": "ClusterSecretStore",
            "metadata": build_metadata(ESC_STORE),
            "spec": {
                "conditions": [{"namespaces": namespaces}],
                "provider": {"pulumi": provider},
            },
        },
        (f"{cluster.name}-external-secrets", secret.name),
    )
    return [secret, store]


def secret_name(owner: str) -> str:
    """Name of the Secret that the operator makes for a workload or database: that of its owner."""
    return owner


def external_secret(
    owner: str,
    namespace: str,
    secret_env: Mapping[str, str],
    kube: KubernetesConfig,
    cluster: Cluster,
    *,
    plain: Mapping[str, str] | None = None,
) -> list[Manifest]:
    """The ExternalSecret of one workload or database; nothing where it has no secrets.

    The Secret stays when a path vanishes: a pod that restarts with the old value serves, one without fails.

    Args:
        plain: further keys of the Secret, whose values are no secrets.
    """
    if not secret_env or kube.secrets is None:
        return []
    target: dict[str, Any] = {
        "name": secret_name(owner),
        "creationPolicy": "Owner",
        "deletionPolicy": "Retain",
    }
    if plain:
        target["template"] = {"engineVersion": "v2", "mergePolicy": "Merge", "data": dict(plain)}
    body = {
        "apiVersion": _API,
        "kind": "ExternalSecret",
        "metadata": build_metadata(owner, namespace),
        "spec": {
            "refreshPolicy": "Periodic",
            "refreshInterval": kube.secrets.refresh_interval,
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": ESC_STORE},
            "target": target,
            "data": [
                {"secretKey": variable, "remoteRef": {"key": path}} for variable, path in secret_env.items()
            ],
        },
    }
    after = (store_manifest_name(cluster), namespace_manifest_name(cluster, namespace))
    return [Manifest(f"{owner}-external-secret", body, after)]


def secret_environment(owner: str, secret_env: Mapping[str, str]) -> list[dict[str, Any]]:
    """Environment variables that take their values from the owner's Secret."""
    return [
        {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret_name(owner), "key": variable}}}
        for variable in secret_env
    ]
