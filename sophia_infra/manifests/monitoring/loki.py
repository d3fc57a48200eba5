"""Loki as one process with a disk, which keeps the logs of a cluster."""

from __future__ import annotations

from typing import Any, Final

import yaml

from sophia_infra.manifests.claims import claim_spec
from sophia_infra.manifests.classes import storage_class_manifest_name
from sophia_infra.manifests.monitoring.log_pods import (
    ALLOY,
    HTTP_PORT,
    LOKI,
    LOKI_PORT,
    after_needs,
    build_container,
    build_identity,
    build_pods,
)
from sophia_infra.manifests.monitoring.monitors import service_monitor
from sophia_infra.manifests.monitoring.names import GRAFANA
from sophia_infra.manifests.monitoring.watched import Watched
from sophia_infra.manifests.names import MONITORING_NAMESPACE
from sophia_infra.manifests.network_policies import build_policy, from_pods, from_prometheus, to_names
from sophia_infra.manifests.objects import Manifest
from sophia_infra.manifests.pod_files import CONFIG_FOLDER, PodFiles, config_map
from sophia_infra.manifests.pods import (
    TMP_MOUNT,
    TMP_VOLUME,
    build_pod_template,
    selector_labels,
    service_account,
)
from sophia_infra.manifests.services import build_service
from sophia_infra.manifests.stores.names import headless_name
from sophia_infra.manifests.tolerations import ARM64_TOLERATION

__all__ = ["loki"]

_FOLDER: Final = "/var/loki"
_CLAIM: Final = "50Gi"
_USER: Final = 10001


def loki(watched: Watched, base: tuple[str, ...]) -> list[Manifest]:
    files = PodFiles(config={"loki.yaml": yaml.safe_dump(_config(watched), sort_keys=False)})
    ports = {HTTP_PORT: LOKI_PORT}
    may_ask = from_pods([(MONITORING_NAMESPACE, ALLOY), (MONITORING_NAMESPACE, GRAFANA)], [LOKI_PORT])
    needs = [
        service_account(LOKI, MONITORING_NAMESPACE, base),
        *config_map(LOKI, MONITORING_NAMESPACE, files, base),
        build_policy(LOKI, MONITORING_NAMESPACE, [*may_ask, from_prometheus(LOKI_PORT)], [to_names()], base),
        build_service(headless_name(LOKI), MONITORING_NAMESPACE, ports, base, selects=LOKI, headless=True),
    ]
    container = {
        **build_container(watched, LOKI, LOKI_PORT, "/ready"),
        "args": [f"-config.file={CONFIG_FOLDER}/loki.yaml", "-target=all"],
        "resources": {
            "requests": {"cpu": "100m", "memory": "256Mi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        },
        "volumeMounts": [TMP_MOUNT, *files.mounts(), {"name": "data", "mountPath": _FOLDER}],
    }
    template = build_pod_template(
        build_identity(LOKI, _USER, files),
        [container],
        [TMP_VOLUME, *files.volumes(LOKI)],
        tolerations=[dict(ARM64_TOLERATION)],
    )
    storage = claim_spec(_CLAIM, watched.kube.storage_class.name)
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": storage,
    }
    spec = {
        "serviceName": headless_name(LOKI),
        "replicas": 1,
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": selector_labels(LOKI)},
        "template": template,
        "volumeClaimTemplates": [claim],
    }
    after = (*after_needs(watched, base, needs), storage_class_manifest_name(watched.cluster))
    return [
        *needs,
        build_service(LOKI, MONITORING_NAMESPACE, ports, base, scraped=True),
        Manifest(f"{LOKI}-set", build_pods("StatefulSet", LOKI, spec), after),
        service_monitor(LOKI, MONITORING_NAMESPACE, {"port": HTTP_PORT}, watched.cluster),
    ]


def _config(watched: Watched) -> dict[str, Any]:
    """One process on one disk. Old chunks are deleted after the days for which samples are kept as well."""
    return {
        "auth_enabled": False,  # who may connect is said by the network policy
        "server": {"http_listen_port": LOKI_PORT, "log_level": "warn"},
        "common": {
            "path_prefix": _FOLDER,
            "replication_factor": 1,
            "ring": {"kvstore": {"store": "inmemory"}},
            "storage": {
                "filesystem": {
                    "chunks_directory": f"{_FOLDER}/chunks",
                    "rules_directory": f"{_FOLDER}/rules",
                }
            },
        },
        "schema_config": {
            "configs": [
                {
                    "from": "2026-01-01",
                    "store": "tsdb",
                    "object_store": "filesystem",
                    "schema": "v13",
                    "index": {"prefix": "index_", "period": "24h"},
                }
            ]
        },
        "compactor": {
            "working_directory": f"{_FOLDER}/compactor",
            "retention_enabled": True,
            "delete_request_store": "filesystem",
        },
        "limits_config": {"retention_period": f"{watched.terms.config.retention_days * 24}h"},
        "analytics": {"reporting_enabled": False},
    }
