"""From a URL to a database: driver, file, journal and waiting times.

What survives:
- the process is killed (SIGKILL): all that was acknowledged, always;
- the machine loses power: all that was acknowledged on Postgres with its default `synchronous_commit=on`; on
  SQLite too when the URL says `?durable=yes`. Without it SQLite (WAL, synchronous=NORMAL) stays consistent
  but may forget the last commits, because it does not wait for the disk once for each batch.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from sophia_infra.inference.ledger.database import BUSY_S, READ_ONLY, Database
from sophia_infra.inference.ledger.errors import LedgerAddressWrong

__all__ = ["open_database"]

_LOG_PAGES = 16_000
"""4 KiB each: 62 MiB."""


def open_database(address: str) -> Database:
    """Make an engine; connects to nothing yet, but makes the file of SQLite (mode 600).

    Args:
        address: `sqlite:////absolute/file.db` (`?durable=yes` waits for the disk), or
            `postgresql+psycopg://user:password@host/database`, also without `+psycopg`.

    Raises:
        LedgerAddressWrong: another kind of database, a folder that is not there, no file, no driver.
    """
    try:
        url = make_url(address)
    except ArgumentError:
        raise LedgerAddressWrong("The ledger's URL is no URL of a database.") from None
    kind = url.drivername.split("+")[0]
    if kind not in ("sqlite", "postgresql", "postgres"):
        raise LedgerAddressWrong(f"The ledger is kept in SQLite or Postgres, not in {kind}.")
    try:
        return Database(_sqlite_engine(url) if kind == "sqlite" else _postgres_engine(url))
    except ModuleNotFoundError:
        raise LedgerAddressWrong(
            "The driver of the ledger's URL is not installed.",
            next_step="Install sophia-infra[postgres], which has psycopg.",
        ) from None
    except (NoSuchModuleError, ArgumentError):
        raise LedgerAddressWrong("The ledger's URL names a driver that is not known.") from None


def _sqlite_engine(url: URL) -> Engine:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise LedgerAddressWrong("The ledger's URL names no file, and books in memory are no books.")
    path = Path(url.database)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise LedgerAddressWrong(f"The ledger's file {path} cannot be opened: {error.strerror}.") from None
    durable = url.query.get("durable", "no") in ("yes", "true", "1")
    engine = create_engine(
        url.difference_update_query(["durable"]).set(drivername="sqlite"),
        connect_args={"timeout": BUSY_S, "check_same_thread": False, "isolation_level": None},
        pool_timeout=BUSY_S,
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        # A commit that finds the log full waits for the copy into the file: AsyncLedger copies beside the
        # commits, and this is for the case that it cannot keep up.
        connection.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get(READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _postgres_engine(url: URL) -> Engine:
    if "+" not in url.drivername:
        url = url.set(drivername="postgresql+psycopg")
    defaults = {
        "connect_timeout": "5",
        "tcp_user_timeout": "10000",
        "application_name": "sophia-ledger",
        "options": f"-c lock_timeout={BUSY_S * 1000} -c idle_in_transaction_session_timeout=60000",
    }
    return create_engine(
        url,
        connect_args={key: value for key, value in defaults.items() if key not in url.query},
        pool_size=4,
        max_overflow=4,
        pool_timeout=BUSY_S,
        pool_pre_ping=True,
        pool_recycle=1_800,
    )
