"""What the pods of Loki and Alloy have in common."""

from __future__ import annotations

from typing import Any, Final

from sophia_infra.manifests.classes import priority_class_manifest_name
from sophia_infra.manifests.monitoring.watched import Watched
from sophia_infra.manifests.names import MONITORING_NAMESPACE
from sophia_infra.manifests.objects import Manifest, build_metadata, names_of
from sophia_infra.manifests.pod_files import PodFiles
from sophia_infra.manifests.pods import CONTAINER_SECURITY, PodIdentity, selector_labels

__all__ = [
    "ALLOY",
    "HTTP_PORT",
    "LOKI",
    "LOKI_PORT",
    "LOKI_URL",
    "after_needs",
    "build_container",
    "build_identity",
    "build_pods",
]

LOKI: Final = "loki"
ALLOY: Final = "alloy"
LOKI_PORT: Final = 3100
LOKI_URL: Final = f"http://{LOKI}.{MONITORING_NAMESPACE}.svc:{LOKI_PORT}"
HTTP_PORT: Final = "http-metrics"
"""Name of the one port of each."""

_ARCHITECTURES: Final = ("amd64", "arm64")
_PRIORITY: Final = "standard"


def build_identity(name: str, user_id: int, files: PodFiles) -> PodIdentity:
    return PodIdentity(
        name=name,
        account=name,
        team="platform",
        user_id=user_id,
        architectures=_ARCHITECTURES,
        priority=_PRIORITY,
        grace_s=60,
        config_checksum=files.checksum,
    )


def build_container(watched: Watched, name: str, port: int, ready: str) -> dict[str, Any]:
    """The image, and probes: an answer of any kind is life, a good one is readiness."""
    images = watched.terms.config.images
    every = {"periodSeconds": 15, "timeoutSeconds": 5}
    return {
        "name": name,
        "image": watched.kube.images.pinned(getattr(images, name)),
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": HTTP_PORT, "containerPort": port, "protocol": "TCP"}],
        "securityContext": CONTAINER_SECURITY,
        "readinessProbe": {
            "httpGet": {"path": ready, "port": HTTP_PORT, "scheme": "HTTP"},
            **every,
            "failureThreshold": 3,
        },
        "livenessProbe": {"tcpSocket": {"port": HTTP_PORT}, **every, "failureThreshold": 10},
    }


def build_pods(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = build_metadata(name, MONITORING_NAMESPACE, labels=selector_labels(name))
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


def after_needs(watched: Watched, base: tuple[str, ...], needs: list[Manifest]) -> tuple[str, ...]:
    return (*base, *names_of(*needs), priority_class_manifest_name(watched.cluster, _PRIORITY))
