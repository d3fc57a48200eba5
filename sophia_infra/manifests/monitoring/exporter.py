"""`sophia exporter` in the primary cluster: what the fleet is and costs, as Lambda's API says it."""

from __future__ import annotations

import json
from typing import Any, Final

from sophia_infra.manifests.claims import build_claim, claim_name, claim_spec
from sophia_infra.manifests.classes import priority_class_manifest_name, storage_class_manifest_name
from sophia_infra.manifests.external_secrets import external_secret, secret_environment
from sophia_infra.manifests.monitoring.monitors import service_monitor
from sophia_infra.manifests.monitoring.names import EXPORTER
from sophia_infra.manifests.monitoring.watched import Watched
from sophia_infra.manifests.names import MONITORING_NAMESPACE
from sophia_infra.manifests.namespaces import namespace_manifest_name
from sophia_infra.manifests.network_policies import build_policy, from_prometheus, to_internet, to_names
from sophia_infra.manifests.objects import Manifest, build_metadata, names_of
from sophia_infra.manifests.pod_files import CONFIG_FOLDER, PodFiles, config_map
from sophia_infra.manifests.pods import (
    CONTAINER_SECURITY,
    TMP_MOUNT,
    TMP_VOLUME,
    PodIdentity,
    build_pod_template,
    selector_labels,
    service_account,
)
from sophia_infra.manifests.services import build_service
from sophia_infra.model.kubernetes import METRICS_PORT

__all__ = ["API_KEY_VARIABLE", "EXPORTER_PORT", "SETTINGS_FILE", "exporter"]

EXPORTER_PORT: Final = 9105
API_KEY_VARIABLE: Final = "LAMBDA_API_KEY"
SETTINGS_FILE: Final = "exporter.json"
STATE_FILE: Final = "state.json"

_STATE_VOLUME: Final = "state"
_STATE_FOLDER: Final = "/var/lib/sophia"
_STATE_CLAIM: Final = "64Mi"
_HTTPS: Final = 443


def exporter(watched: Watched, secret_checksum: str | None) -> list[Manifest]:
    """Every object of it; nothing where it is off, and outside of the primary cluster.

    Args:
        secret_checksum: of its API key; a change restarts it.
    """
    if watched.exporter_settings is None:
        return []
    kube, cluster, config = watched.kube, watched.cluster, watched.terms.config.exporter
    base = (namespace_manifest_name(cluster, MONITORING_NAMESPACE),)
    files = PodFiles(config={SETTINGS_FILE: json.dumps(watched.exporter_settings, indent=2) + "\n"})
    claim = claim_spec(_STATE_CLAIM, kube.storage_class.name)
    needs = [
        service_account(EXPORTER, MONITORING_NAMESPACE, base),
        *external_secret(EXPORTER, MONITORING_NAMESPACE, {API_KEY_VARIABLE: config.api_key}, kube, cluster),
        *config_map(EXPORTER, MONITORING_NAMESPACE, files, base),
        build_claim(
            EXPORTER,
            _STATE_VOLUME,
            MONITORING_NAMESPACE,
            claim,
            (*base, storage_class_manifest_name(cluster)),
        ),
        build_policy(
            EXPORTER,
            MONITORING_NAMESPACE,
            [from_prometheus(EXPORTER_PORT)],
            [to_names(), to_internet([_HTTPS])],
            base,
        ),
    ]
    after = (*base, *names_of(*needs), priority_class_manifest_name(cluster, "standard"))
    body = _deployment(watched, files, secret_checksum)
    return [
        *needs,
        build_service(EXPORTER, MONITORING_NAMESPACE, {METRICS_PORT: EXPORTER_PORT}, base, scraped=True),
        Manifest(f"{EXPORTER}-deployment", body, after),
        service_monitor(EXPORTER, MONITORING_NAMESPACE, {"port": METRICS_PORT}, cluster),
    ]


def _deployment(watched: Watched, files: PodFiles, checksum: str | None) -> dict[str, Any]:
    """One pod, never two: each would count the dollars, and spend the account's one request a second."""
    identity = PodIdentity(
        name=EXPORTER,
        account=EXPORTER,
        team="platform",
        user_id=10001,
        architectures=("amd64",),
        priority="standard",
        grace_s=30,
        checksum=checksum,
        config_checksum=files.checksum,
    )
    volumes = [
        TMP_VOLUME,
        *files.volumes(EXPORTER),
        {"name": _STATE_VOLUME, "persistentVolumeClaim": {"claimName": claim_name(EXPORTER, _STATE_VOLUME)}},
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": build_metadata(EXPORTER, MONITORING_NAMESPACE, labels=selector_labels(EXPORTER)),
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "revisionHistoryLimit": 3,
            "selector": {"matchLabels": selector_labels(EXPORTER)},
            "template": build_pod_template(identity, [_container(watched, files)], volumes),
        },
    }


def _container(watched: Watched, files: PodFiles) -> dict[str, Any]:
    config = watched.terms.config.exporter
    every = {"periodSeconds": 10, "timeoutSeconds": 5}
    return {
        "name": EXPORTER,
        "image": watched.kube.images.pinned(config.image),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "sophia_infra.exporter"],
        "args": [
            *("--config", f"{CONFIG_FOLDER}/{SETTINGS_FILE}"),
            *("--state", f"{_STATE_FOLDER}/{STATE_FILE}"),
            *("--listen", f"0.0.0.0:{EXPORTER_PORT}"),
        ],
        "env": secret_environment(EXPORTER, {API_KEY_VARIABLE: config.api_key}),
        "ports": [{"name": METRICS_PORT, "containerPort": EXPORTER_PORT, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": "20m", "memory": "64Mi"},
            "limits": {"cpu": "500m", "memory": "256Mi"},
        },
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            TMP_MOUNT,
            *files.mounts(),
            {"name": _STATE_VOLUME, "mountPath": _STATE_FOLDER},
        ],
        # Alive also while the API is away: figures of before are worth more than none.
        "livenessProbe": {**_get("/health"), **every, "failureThreshold": 6},
        "readinessProbe": {**_get("/ready"), **every, "failureThreshold": 3},
    }


def _get(path: str) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": METRICS_PORT, "scheme": "HTTP"}}
