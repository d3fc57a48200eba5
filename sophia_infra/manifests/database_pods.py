"""Pods of a store: its server container, its volumes, and the scripts it starts by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sophia_infra.manifests.external_secrets import secret_environment
from sophia_infra.manifests.monitoring.sidecars import exporter_containers
from sophia_infra.manifests.names import bounded
from sophia_infra.manifests.pods import (
    CONTAINER_SECURITY,
    TMP_MOUNT,
    TMP_VOLUME,
    PodIdentity,
    build_pod_template,
    scratch_volume,
    spread,
)
from sophia_infra.manifests.stores.names import scripts_name
from sophia_infra.manifests.stores.store import SCRIPTS_FOLDER, Store
from sophia_infra.model.kubernetes import DatabaseConfig, KubernetesConfig

__all__ = ["build_store_pods", "scripts_volume"]

_SCRIPTS_VOLUME = "scripts"


def scripts_volume(name: str) -> dict[str, Any]:
    """The ConfigMap of a store as a volume."""
    return {"name": _SCRIPTS_VOLUME, "configMap": {"name": scripts_name(name), "defaultMode": 0o444}}


def build_store_pods(
    name: str,
    row: DatabaseConfig,
    kube: KubernetesConfig,
    store: Store,
    priority: str,
    checksum: str | None,
    pod_name: str | None = None,
    ports: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The pod template of a store.

    Args:
        name: of the database, whose account, secrets and scripts the pods use.
        pod_name: by which the pods are found; default `name`.
        ports: of the container; default those of the row and of its group.
    """
    own_name = pod_name or name
    identity = PodIdentity(
        name=own_name,
        account=name,
        team=row.team,
        user_id=row.user_id,
        architectures=row.architectures,
        priority=priority,
        grace_s=row.grace_s,
        checksum=checksum,
    )
    all_ports = ports or {**row.ports, **store.group_ports}
    container: dict[str, Any] = {
        "name": row.kind if own_name == name else "sentinel",
        "image": kube.images.pinned(row.image),
        "imagePullPolicy": "IfNotPresent",
        "ports": [
            {"name": port_name, "containerPort": port, "protocol": "TCP"}
            for port_name, port in all_ports.items()
        ],
        "resources": {
            "requests": {"cpu": row.cpu.request, "memory": row.memory.request},
            "limits": {"cpu": row.cpu.limit, "memory": row.memory.limit},
        },
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": _mounts(row, store),
        **_probes(store),
    }
    environment = [*store.environment, *secret_environment(name, row.secret_env)]
    if environment:
        container["env"] = environment
    if store.command:
        container["command"] = list(store.command)
    if store.args:
        container["args"] = list(store.args)
    exporters = exporter_containers(name, row, kube) if own_name == name else []
    return build_pod_template(
        identity,
        [container, *exporters],
        _volumes(name, store),
        topologySpreadConstraints=spread(own_name, by_revision=False),
    )


def _probes(store: Store) -> dict[str, Any]:
    """Five minutes to start: after a crash a store first reads its log of what it had not yet written."""
    every = {"timeoutSeconds": 6, "periodSeconds": 10}
    return {
        "startupProbe": {**store.probe, **every, "failureThreshold": 30},
        "readinessProbe": {**store.probe, **every, "failureThreshold": 3},
        "livenessProbe": {**store.probe, **every, "failureThreshold": 6},
    }


def _mounts(row: DatabaseConfig, store: Store) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [
        TMP_MOUNT,
        {"name": _SCRIPTS_VOLUME, "mountPath": SCRIPTS_FOLDER, "readOnly": True},
    ]
    if store.data_mount:
        mounts.append({"name": "data", "mountPath": store.data_mount})
        if row.backup is not None and store.copying.pod_mount is not None:
            mounts.append({"name": "copies", "mountPath": store.copying.pod_mount})
    if store.shared_memory is not None:
        mounts.append({"name": "shm", "mountPath": "/dev/shm"})  # noqa: S108 - inside the container
    mounts += [{"name": _scratch_name(path), "mountPath": path} for path in store.scratch]
    mounts += [
        {"name": _SCRIPTS_VOLUME, "mountPath": path, "subPath": file, "readOnly": True}
        for path, file in store.extra_mounts.items()
    ]
    return mounts


def _volumes(name: str, store: Store) -> list[dict[str, Any]]:
    volumes = [TMP_VOLUME, scripts_volume(name)]
    if store.shared_memory is not None:
        volumes.append(scratch_volume("shm", store.shared_memory, in_memory=True))
    # What is written under /run holds passwords, so it never touches a disk.
    volumes += [
        scratch_volume(_scratch_name(path), size, in_memory=path.startswith("/run"))
        for path, size in store.scratch.items()
    ]
    return volumes


def _scratch_name(path: str) -> str:
    return bounded("scratch" + path.replace("/", "-"))
