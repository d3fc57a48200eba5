"""Brings the tables to the newest form, once, whoever comes first."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from sophia_infra.inference.ledger.database import Database
from sophia_infra.inference.ledger.errors import LedgerTooNew

__all__ = ["HEAD", "MIGRATIONS", "migrate", "schema_version"]

HEAD = "0001"
"""Newest form of the tables. A test compares it with the newest migration."""

MIGRATIONS = Path(__file__).parent / "migrations"


def schema_version(connection: Connection) -> str | None:
    """Form of the tables; None where there are none yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def migrate(database: Database) -> None:
    """Make or upgrade the tables in one transaction, under the lock of the writers.

    Raises:
        LedgerTooNew: a newer sophia-infra made them; nothing was changed.
        LedgerUnavailable: no connection, or no right to make tables.
    """
    with database.reading() as connection:
        found = schema_version(connection)
    if found == HEAD:
        return
    with database.upgrading() as connection:
        found = schema_version(connection)
        if found == HEAD:
            return
        _upgrade(connection, found)


def _upgrade(connection: Connection, found: str | None) -> None:
    # A quarter of a second to import, and an open ledger does without.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        shown = "".join(character for character in found[:40] if character.isalnum())
        raise LedgerTooNew(f"The ledger's tables have form {shown}; this sophia-infra knows up to {HEAD}.")
    command.upgrade(config, "head")
