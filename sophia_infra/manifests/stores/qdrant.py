"""Qdrant: one server, or a group that shards collections; snapshots on a volume of each pod as copies."""

from __future__ import annotations

from typing import Any

from sophia_infra.manifests.stores.names import headless_name
from sophia_infra.manifests.stores.store import Copying, Store, load_script, script_command
from sophia_infra.model.kubernetes import DatabaseConfig

__all__ = ["build_qdrant"]

_SNAPSHOTS = "/qdrant/snapshots"
_GROUP_PORT = 6335
_SCRIPTS = ("qdrant-start.sh", "qdrant-common.sh", "qdrant-backup.sh", "qdrant-restore.sh")


def build_qdrant(name: str, row: DatabaseConfig) -> Store:
    """Settings become variables: `storage.wal.wal_capacity_mb` is QDRANT__STORAGE__WAL__WAL_CAPACITY_MB.

    QDRANT__SERVICE__API_KEY from the secrets of the row is the key that clients have to show.
    """
    in_group = row.replicas > 1
    settings = {
        "service.http_port": str(row.main_port),
        "storage.storage_path": "/qdrant/storage",
        "storage.snapshots_path": _SNAPSHOTS,
        "telemetry_disabled": "true",
        "cluster.enabled": "true" if in_group else "false",
        **row.settings,
    }
    domain = f"{headless_name(name)}.{row.namespace}.svc.cluster.local"
    field = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}
    environment: list[dict[str, Any]] = [
        {"name": "POD_NAME", "valueFrom": field},
        {"name": "POD_DOMAIN", "value": domain},
        {"name": "STORE", "value": name},
        {"name": "GROUP", "value": "yes" if in_group else "no"},
        # The image marks its first start in its root folder, which is read-only here.
        {"name": "QDRANT_INIT_FILE_PATH", "value": "/qdrant/init/.qdrant-initialized"},
        *({"name": _variable(key), "value": value} for key, value in settings.items()),
    ]
    scratch = {"/qdrant/init": "16Mi"}
    if row.backup is None:
        scratch[_SNAPSHOTS] = row.storage
    return Store(
        data_mount="/qdrant/storage",
        probe={"httpGet": {"path": "/readyz", "port": "http", "scheme": "HTTP"}},
        command=script_command("qdrant-start.sh"),
        environment=environment,
        scratch=scratch,
        scripts={script: load_script(script) for script in _SCRIPTS},
        group_ports={"group": _GROUP_PORT} if in_group else {},
        copying=Copying(
            backup=script_command("qdrant-backup.sh", "bash"),
            restore=script_command("qdrant-restore.sh", "bash"),
            environment={
                "STORE": name,
                "REPLICAS": str(row.replicas),
                "POD_DOMAIN": domain,
                "PORT": str(row.main_port),
            },
            claim=False,
            pod_mount=_SNAPSHOTS,
        ),
    )


def _variable(setting: str) -> str:
    return "QDRANT__" + setting.replace(".", "__").upper()
