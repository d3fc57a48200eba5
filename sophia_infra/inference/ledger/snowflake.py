"""Copies entries to Snowflake, where the plan wants its reports. The ledger stays the book of record.

Uses Snowflake's connector and not its SQLAlchemy dialect: 1.11.1, the newest, cannot be imported beside
SQLAlchemy 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, make_url, select
from sqlalchemy.exc import ArgumentError

from sophia_infra.inference.ledger.errors import LedgerAddressWrong, LedgerUnavailable
from sophia_infra.inference.ledger.schema import usage_entries
from sophia_infra.inference.ledger.store import Ledger

__all__ = ["SnowflakeCopy", "copy_to_snowflake"]

_COLUMNS = tuple(column.name for column in usage_entries.columns if column.name != "entry_number")

_ENTRIES = """(
    "request_id" VARCHAR(300) NOT NULL PRIMARY KEY, "at" TIMESTAMP_TZ NOT NULL,
    "booked_at" TIMESTAMP_TZ NOT NULL, "user" VARCHAR(300) NOT NULL, "model" VARCHAR(300) NOT NULL,
    "backend" VARCHAR(300) NOT NULL, "input_tokens" NUMBER(19,0) NOT NULL,
    "output_tokens" NUMBER(19,0) NOT NULL, "input_usd" NUMBER(20,12) NOT NULL,
    "output_usd" NUMBER(20,12) NOT NULL, "outcome" VARCHAR(16) NOT NULL, "attempts" NUMBER(19,0) NOT NULL,
    "latency_ms" NUMBER(19,0) NOT NULL, "first_token_ms" NUMBER(19,0), "session_id" VARCHAR(300),
    "cached" BOOLEAN NOT NULL)"""

_TABLES = (
    f"CREATE TABLE IF NOT EXISTS usage_entries {_ENTRIES}",
    "CREATE TABLE IF NOT EXISTS usage_copies (source VARCHAR(300) NOT NULL PRIMARY KEY, "
    "last_entry_number NUMBER(19,0) NOT NULL)",
    f"CREATE TEMPORARY TABLE IF NOT EXISTS usage_entries_batch {_ENTRIES}",
)

_QUOTED = ", ".join(f'"{name}"' for name in _COLUMNS)
_STAGE = (
    f"INSERT INTO usage_entries_batch ({_QUOTED}) "  # noqa: S608
    f"VALUES ({', '.join(['%s'] * len(_COLUMNS))})"
)
_BATCH_COLUMNS = ", ".join(f'batch."{name}"' for name in _COLUMNS)
_MERGE = (
    "MERGE INTO usage_entries AS target USING usage_entries_batch AS batch "  # noqa: S608
    'ON target."request_id" = batch."request_id" '
    f"WHEN NOT MATCHED THEN INSERT ({_QUOTED}) VALUES ({_BATCH_COLUMNS})"
)
_ADVANCE = (
    "MERGE INTO usage_copies AS target USING (SELECT %s AS source, %s AS number) AS batch "
    "ON target.source = batch.source "
    "WHEN MATCHED THEN UPDATE SET last_entry_number = batch.number "
    "WHEN NOT MATCHED THEN INSERT (source, last_entry_number) VALUES (batch.source, batch.number)"
)


@dataclass(frozen=True, slots=True)
class SnowflakeCopy:
    """What one run did. `read` are entries after the cursor; `written` those that were not there yet."""

    read: int
    written: int


def copy_to_snowflake(
    ledger: Ledger, address: str, *, source: str = "gateway", batch: int = 2_000
) -> SnowflakeCopy:
    """Copy all entries that were written since the last run. Run again at any time: no row comes twice.

    Entries go over in the order of writing. Each batch and the cursor after it are one transaction in
    Snowflake; should the cursor be lost, MERGE by request id lets the repeated rows pass.

    Args:
        address: `snowflake://user@account/database/schema?warehouse=...&role=...`; further parameters go to
            the connector, such as `private_key_file`. Makes its two tables in that schema.
        source: name of this ledger, 1 to 300 characters; several may be copied into one schema.
        batch: rows of one transaction.

    Raises:
        LedgerAddressWrong: the URL is wrong or Snowflake's connector is not installed.
        LedgerUnavailable: Snowflake or the ledger does not answer; batches that were done stay.

    Spends: time of the warehouse, which Snowflake bills by the second, 60 s at least.
    """
    try:
        from snowflake import connector
    except ImportError:
        raise LedgerAddressWrong(
            "Snowflake's connector is not installed.", next_step="Install sophia-infra[snowflake]."
        ) from None
    parameters = _parameters(address)
    try:
        with (
            closing(connector.connect(**parameters, autocommit=False)) as connection,
            closing(connection.cursor()) as cursor,
        ):
            for statement in _TABLES:
                cursor.execute(statement)
            return _copy(ledger, connection, cursor, source, batch)
    except connector.errors.Error as error:
        raise LedgerUnavailable(
            f"Snowflake refused or did not answer ({type(error).__name__}, {error.errno}).",
            next_step="Check the account, the warehouse and the rights of the role, then run it again.",
        ) from None


def _parameters(address: str) -> dict[str, Any]:
    next_step = "Give snowflake://user@account/database/schema?warehouse=...&role=..."
    try:
        url = make_url(address)
    except ArgumentError:
        raise LedgerAddressWrong("The URL is none of Snowflake.", next_step=next_step) from None
    database, _, schema = (url.database or "").partition("/")
    if url.drivername != "snowflake" or not (url.host and url.username and database and schema):
        raise LedgerAddressWrong(
            "The URL of Snowflake lacks the user, the account, the database or the schema.",
            next_step=next_step,
        )
    password = {} if url.password is None else {"password": url.password}
    return {
        "login_timeout": 30,
        "network_timeout": 120,
        **url.query,
        **password,
        "user": url.username,
        "account": url.host,
        "database": database,
        "schema": schema,
    }


def _copy(ledger: Ledger, connection: Any, cursor: Any, source: str, batch: int) -> SnowflakeCopy:
    cursor.execute("SELECT last_entry_number FROM usage_copies WHERE source = %s", (source,))
    found = cursor.fetchone()
    position, read, written = (0 if found is None else int(found[0])), 0, 0
    while rows := _entries_after(ledger, position, batch):
        try:
            cursor.execute("BEGIN")
            cursor.execute("DELETE FROM usage_entries_batch")
            cursor.executemany(_STAGE, [tuple(row[name] for name in _COLUMNS) for row in rows])
            cursor.execute(_MERGE)
            merged = cursor.rowcount or 0
            position = rows[-1]["entry_number"]
            cursor.execute(_ADVANCE, (source, position))
            connection.commit()
        except BaseException:
            with suppress(Exception):
                connection.rollback()
            raise
        read += len(rows)
        written += merged
    return SnowflakeCopy(read, written)


def _entries_after(ledger: Ledger, position: int, limit: int) -> Sequence[RowMapping]:
    query = (
        select(usage_entries)
        .where(usage_entries.c.entry_number > position)
        .order_by(usage_entries.c.entry_number)
        .limit(limit)
    )
    with ledger.database.reading() as connection:
        return connection.execute(query).mappings().all()
