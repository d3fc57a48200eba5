"""Redis: one server, or a group whose leader three Sentinels choose.

In a group, clients ask a Sentinel (port 26379, group `sophia`) for the leader; the Service of the store
reaches every member, of which only the leader takes writes.
"""

from __future__ import annotations

from typing import Any

from sophia_infra.manifests.stores.names import headless_name, sentinel_name
from sophia_infra.manifests.stores.store import Copying, Store, load_script, script_command
from sophia_infra.model.kubernetes import SENTINEL_PORT, DatabaseConfig

__all__ = ["build_redis", "build_sentinel"]

_SCRIPTS = ("redis-common.sh", "redis-start.sh", "redis-ready.sh", "redis-backup.sh")
_RESTORE_NOTE = (
    "scale the StatefulSet to 0, put a copy as dump.rdb into the volume of the first pod, remove its "
    "appendonlydir, and scale it up again"
)


def build_redis(name: str, row: DatabaseConfig) -> Store:
    """Settings become lines of redis.conf. REDIS_PASSWORD from the secrets of the row is the password."""
    defaults = {"dir": "/data", "port": str(row.main_port), "appendonly": "yes", "protected-mode": "no"}
    settings = {**defaults, **row.settings}
    conf = "".join(f"{key} {_quoted(value)}\n" for key, value in settings.items())
    scripts = {script: load_script(script) for script in _SCRIPTS}
    if row.sentinel:
        scripts["redis-sentinel.sh"] = load_script("redis-sentinel.sh")
    return Store(
        data_mount="/data",
        probe={"exec": {"command": [*script_command("redis-ready.sh"), str(row.main_port)]}},
        command=script_command("redis-start.sh"),
        environment=_environment(name, row, headless_name(name)),
        scratch={"/run/redis": "16Mi"},
        scripts={"redis.conf": conf, **scripts},
        copying=Copying(
            backup=script_command("redis-backup.sh"),
            restore=None,
            environment={"REDIS_HOST": name, "PORT": str(row.main_port)},
            claim=True,
            restore_note=_RESTORE_NOTE,
        ),
    )


def build_sentinel(name: str, row: DatabaseConfig) -> Store:
    """A Sentinel as a store without data: what it knows it learns again from the others."""
    return Store(
        data_mount="",
        probe={"exec": {"command": [*script_command("redis-ready.sh"), str(SENTINEL_PORT)]}},
        command=script_command("redis-sentinel.sh"),
        environment=[
            *_environment(name, row, headless_name(sentinel_name(name))),
            {"name": "QUORUM", "value": str(row.sentinels // 2 + 1)},
        ],
        scratch={"/run/redis": "16Mi"},
        copying=Copying(backup=(), restore=None, environment={}, claim=False),
    )


def _environment(name: str, row: DatabaseConfig, domain: str) -> list[dict[str, Any]]:
    field = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}
    plain = {
        "GROUP": "yes" if row.replicas > 1 else "no",
        "PORT": str(row.main_port),
        "POD_DOMAIN": f"{domain}.{row.namespace}.svc.cluster.local",
        "FIRST_HOST": f"{name}-0.{headless_name(name)}.{row.namespace}.svc.cluster.local",
    }
    if row.sentinel:
        plain |= {"SENTINEL_HOST": sentinel_name(name), "SENTINEL_PORT": str(SENTINEL_PORT)}
    return [
        {"name": "POD_NAME", "valueFrom": field},
        *({"name": key, "value": value} for key, value in plain.items()),
    ]


def _quoted(value: str) -> str:
    """As redis.conf reads it; several words of one setting (`save 900 1`) stay words."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return value if value and all(sign not in value for sign in "\\\"'#") else f'"{escaped}"'
