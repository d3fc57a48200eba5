"""Postgres: one server with pgvector where the image has it; dumps of every database as copies."""

from __future__ import annotations

from sophia_infra.manifests.stores.store import Copying, Store, load_script, script_command
from sophia_infra.model.kubernetes import DatabaseConfig

__all__ = ["build_postgres"]

_INIT_FOLDER = "/docker-entrypoint-initdb.d"
_EXTENSIONS = "postgres-extensions.sql"


def build_postgres(name: str, row: DatabaseConfig) -> Store:
    """Settings become `-c key=value`. The image takes POSTGRES_PASSWORD from the secrets of the row."""
    settings = {"port": str(row.main_port), **row.settings}
    probe = {"exec": {"command": ["pg_isready", "-q", "-h", "127.0.0.1", "-p", str(row.main_port)]}}
    return Store(
        data_mount="/var/lib/postgresql/data",
        probe=probe,
        args=[part for key, value in settings.items() for part in ("-c", f"{key}={value}")],
        # A folder inside the volume: a disk's own root may hold lost+found, which initdb refuses.
        environment=[{"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"}],
        scratch={"/var/run/postgresql": "16Mi"},
        scripts={
            script: load_script(script)
            for script in (_EXTENSIONS, "postgres-backup.sh", "postgres-restore.sh")
        },
        extra_mounts={f"{_INIT_FOLDER}/10-extensions.sql": _EXTENSIONS},
        # Parallel queries share memory there, and the runtime's 64 MiB are soon full.
        shared_memory="256Mi",
        copying=Copying(
            backup=script_command("postgres-backup.sh"),
            restore=script_command("postgres-restore.sh"),
            environment={"PGHOST": name, "PGPORT": str(row.main_port)},
            claim=True,
        ),
    )
