"""Exporters beside stores: they ask the server in their own pod and tell Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sophia_infra.manifests.external_secrets import secret_name
from sophia_infra.manifests.pods import CONTAINER_SECURITY, TMP_MOUNT
from sophia_infra.model.kubernetes import METRICS_PORT, DatabaseConfig, KubernetesConfig, sidecar_of

__all__ = ["exporter_containers"]


def exporter_containers(name: str, row: DatabaseConfig, kube: KubernetesConfig) -> list[dict[str, Any]]:
    """The exporter of a database; none without monitoring, or where the store tells its own metrics.

    It answers whether or not the server does, and says which. So its probes ask for its port alone: a server
    that is away must not make its pod two failures, and Kubernetes counts a pod ready by all its containers.
    """
    sidecar = sidecar_of(kube, row.kind)
    if sidecar is None or kube.monitoring is None:
        return []
    probe = {"tcpSocket": {"port": METRICS_PORT}, "periodSeconds": 30, "timeoutSeconds": 5}
    container = {
        "name": sidecar.name,
        "image": kube.images.pinned(getattr(kube.monitoring.images, sidecar.field)),
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": METRICS_PORT, "containerPort": sidecar.port, "protocol": "TCP"}],
        "env": _ENVIRONMENTS[row.kind](name, row),
        "resources": {
            "requests": {"cpu": sidecar.cpu.request, "memory": sidecar.memory.request},
            "limits": {"cpu": sidecar.cpu.limit, "memory": sidecar.memory.limit},
        },
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [TMP_MOUNT],
        "readinessProbe": {**probe, "failureThreshold": 3},
        "livenessProbe": {**probe, "failureThreshold": 6},
    }
    return [container]


def _postgres(name: str, row: DatabaseConfig) -> list[dict[str, Any]]:
    """Over loopback, which the image trusts anyway; the password is shown where the row has one."""
    return [
        {"name": "DATA_SOURCE_URI", "value": f"127.0.0.1:{row.main_port}/postgres?sslmode=disable"},
        _from_secret(name, row, "DATA_SOURCE_USER", "POSTGRES_USER")
        or _plain("DATA_SOURCE_USER", "postgres"),
        *_given(_from_secret(name, row, "DATA_SOURCE_PASS", "POSTGRES_PASSWORD")),
    ]


def _redis(name: str, row: DatabaseConfig) -> list[dict[str, Any]]:
    return [
        _plain("REDIS_ADDR", f"redis://127.0.0.1:{row.main_port}"),
        *_given(_from_secret(name, row, "REDIS_PASSWORD", "REDIS_PASSWORD")),
    ]


_ENVIRONMENTS: Final[Mapping[str, Callable[[str, DatabaseConfig], list[dict[str, Any]]]]] = {
    "postgres": _postgres,
    "redis": _redis,
}


def _plain(variable: str, value: str) -> dict[str, Any]:
    return {"name": variable, "value": value}


def _from_secret(owner: str, row: DatabaseConfig, variable: str, key: str) -> dict[str, Any] | None:
    if key not in row.secret_env:
        return None
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret_name(owner), "key": key}}}


def _given(variable: dict[str, Any] | None) -> list[dict[str, Any]]:
    return [] if variable is None else [variable]
