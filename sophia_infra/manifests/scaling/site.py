"""What the two have in common: whether they are here, whom they ask, and the shape of their pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from sophia_infra.manifests.monitoring.monitors import service_monitor
from sophia_infra.manifests.names import (
    ARCH_LABEL,
    MONITORING_NAMESPACE,
    SCALING_NAMESPACE,
)
from sophia_infra.manifests.namespaces import namespace_manifest_name
from sophia_infra.manifests.network_policies import to_anywhere, to_pods
from sophia_infra.manifests.objects import Manifest, build_metadata
from sophia_infra.manifests.pod_files import PodFiles
from sophia_infra.manifests.pods import (
    CONTAINER_SECURITY,
    TMP_MOUNT,
    TMP_VOLUME,
    PodIdentity,
    build_pod_template,
    selector_labels,
    spread,
)
from sophia_infra.manifests.services import build_service
from sophia_infra.model.kubernetes import METRICS_PORT, Cluster, KubernetesConfig
from sophia_infra.model.kubernetes.config import PROMETHEUS_URL
from sophia_infra.model.scaled_tags import SCALED_NODE_LABEL

__all__ = ["PORT", "Program", "ScalingParts", "deployment", "seen_by_prometheus", "to_prometheus"]

PORT: Final = 9106
_USER: Final = 10001
_ARCHITECTURES: Final = ("amd64", "arm64")


@dataclass(frozen=True, slots=True)
class ScalingParts:
    """What only the program knows of the two, for the primary cluster.

    Attributes:
        scaler_text: the node scaler's part of the stack file; None: there is no node scaler.
        join: what machines need to join this cluster, JSON as text or as an output of the engine; a secret.
            None: they join by the `user_data` of their pool.
        secret_checksum: of the node scaler's API key; a change restarts it.
    """

    scaler_text: str | None = None
    join: Any = field(default=None, repr=False)
    secret_checksum: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One of the two as a Deployment.

    Attributes:
        arguments: of `python -m sophia_infra.scaling.serving`.
        grace_s: seconds that a pass may take after it was asked to end.
        may_ask_api: its pods get the token of its account.
        volumes, mounts: beside those of `files` and /tmp.
    """

    name: str
    image: str
    arguments: Sequence[str]
    files: PodFiles
    replicas: int = 1
    grace_s: int = 60
    may_ask_api: bool = False
    secret_checksum: str | None = None
    environment: Sequence[Mapping[str, Any]] = ()
    volumes: Sequence[Mapping[str, Any]] = ()
    mounts: Sequence[Mapping[str, Any]] = ()


def deployment(program: Program, after: tuple[str, ...]) -> Manifest:
    """Pods that pass `restricted`, never on a node of the scaler, never two versions at once."""
    identity = PodIdentity(
        name=program.name,
        account=program.name,
        team="platform",
        user_id=_USER,
        architectures=_ARCHITECTURES,
        priority="standard",
        grace_s=program.grace_s,
        checksum=program.secret_checksum,
        config_checksum=program.files.checksum,
    )
    volumes = [TMP_VOLUME, *program.files.volumes(program.name), *program.volumes]
    template = build_pod_template(
        identity,
        [_container(program)],
        volumes,
        affinity=_never_on_scaled_nodes(),
        automountServiceAccountToken=program.may_ask_api,
        topologySpreadConstraints=spread(program.name, by_revision=True),
    )
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": build_metadata(program.name, SCALING_NAMESPACE, labels=selector_labels(program.name)),
        "spec": {
            "replicas": program.replicas,
            "strategy": {"type": "Recreate"},
            "revisionHistoryLimit": 3,
            "selector": {"matchLabels": selector_labels(program.name)},
            "template": template,
        },
    }
    return Manifest(f"{program.name}-deployment", body, after)


def seen_by_prometheus(name: str, kube: KubernetesConfig, cluster: Cluster) -> list[Manifest]:
    """A Service for scraping, and a monitor where our own Prometheus reads such objects."""
    base = (namespace_manifest_name(cluster, SCALING_NAMESPACE),)
    made = [build_service(name, SCALING_NAMESPACE, {METRICS_PORT: PORT}, base, scraped=True)]
    if kube.monitoring is not None:
        made.append(service_monitor(name, SCALING_NAMESPACE, {"port": METRICS_PORT}, cluster))
    return made


def to_prometheus(url: str | None) -> list[dict[str, Any]]:
    """Egress to whom the load is asked; somebody else's Prometheus has an address that no rule can name."""
    if url is None:
        return []
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if url == PROMETHEUS_URL:
        return list(to_pods([(MONITORING_NAMESPACE, "prometheus")], [port]))
    return [to_anywhere([port])]


def _container(program: Program) -> dict[str, Any]:
    every = {"periodSeconds": 10, "timeoutSeconds": 5}
    # More threads than a core would only wait: a fit is a handful of numbers.
    one_thread = [{"name": name, "value": "1"} for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")]
    return {
        "name": program.name,
        "image": program.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "sophia_infra.scaling.serving"],
        "args": [*program.arguments, "--listen", f"0.0.0.0:{PORT}"],
        "env": [*one_thread, *(dict(row) for row in program.environment)],
        "ports": [{"name": METRICS_PORT, "containerPort": PORT, "protocol": "TCP"}],
        "resources": {
            # A forecast from six weeks takes 230 MiB and three seconds of one core, once a day.
            "requests": {"cpu": "50m", "memory": "256Mi"},
            "limits": {"cpu": "1", "memory": "512Mi"},
        },
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [TMP_MOUNT, *program.files.mounts(), *(dict(row) for row in program.mounts)],
        "livenessProbe": {**_get("/health"), **every, "failureThreshold": 6},
        "readinessProbe": {**_get("/ready"), **every, "failureThreshold": 3},
    }


def _never_on_scaled_nodes() -> dict[str, Any]:
    """A scaler on a node of its own would drain itself, and whoever is left has to wait for its lease."""
    rules = [
        {"key": ARCH_LABEL, "operator": "In", "values": list(_ARCHITECTURES)},
        {"key": SCALED_NODE_LABEL, "operator": "DoesNotExist"},
    ]
    terms = [{"matchExpressions": rules}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


def _get(path: str) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": METRICS_PORT, "scheme": "HTTP"}}
