"""A database of the ledger, and the three ways to use it: write a batch, upgrade the tables, read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, PoolProxiedConnection, text
from sqlalchemy.engine.interfaces import DBAPICursor, DBAPIModule
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from sophia_infra.inference.ledger.errors import EntryRefused, LedgerUnavailable

__all__ = ["BUSY_S", "READ_ONLY", "Database"]

BUSY_S = 10
"""Seconds that a writer waits for other writers."""

READ_ONLY = "sophia_read_only"
"""Execution option of transactions that do not write: SQLite then takes no lock."""

_LOCK = f"SELECT pg_advisory_xact_lock({0x50F1A1ED})"
# Postgres advisory lock of all writers of one database: every batch changes the row of all users anyway, a
# lock taken first cannot deadlock, and entry numbers are visible in their order.


@dataclass(slots=True)
class Database:
    """An engine and its lock. Any thread may use it."""

    engine: Engine
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _writer: PoolProxiedConnection | None = None

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def writing(self) -> Iterator[DBAPICursor]:
        """One transaction during which nobody else writes, as a bare cursor of the driver.

        One connection is kept for it. SQLAlchemy's statements and pool would cost 2 ms of processor time
        for a batch of one; so it is half a millisecond.

        Raises:
            LedgerUnavailable: no connection, or others held the lock for 10 s. Nothing was written, or
                (when the connection broke in the commit) it is not known whether it was.
            EntryRefused: the database refused a value. Nothing was written.
        """
        driver = self.engine.dialect.loaded_dbapi
        with self._own_turn(), _translated(driver):
            cursor = self._begin(driver)
            try:
                yield cursor
                cursor.execute("COMMIT")
            except driver.OperationalError:
                self._drop_writer()
                raise
            except BaseException:
                try:
                    cursor.execute("ROLLBACK")
                except driver.Error:
                    self._drop_writer()
                raise

    def _begin(self, driver: DBAPIModule) -> DBAPICursor:
        """Begin a transaction and take the lock, on a new connection when the kept one is dead."""
        kept = self._writer
        try:
            if self._writer is None:
                self._writer = self.engine.raw_connection()
                if not self.is_sqlite:
                    self._writer.driver_connection.autocommit = True  # type: ignore[union-attr]
            cursor = self._writer.cursor()
            cursor.execute("BEGIN IMMEDIATE" if self.is_sqlite else f"BEGIN; {_LOCK}")
        except driver.Error as error:
            died = kept is not None and self.engine.dialect.is_disconnect(error, kept.dbapi_connection, None)
            self._drop_writer()
            if died:
                return self._begin(driver)
            raise
        return cursor

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.invalidate()
            self._writer = None

    @contextmanager
    def upgrading(self) -> Iterator[Connection]:
        """As `writing`, with SQLAlchemy's connection, for migrations."""
        with self._own_turn(), _translated(), self.engine.begin() as connection:
            if not self.is_sqlite:
                connection.execute(text(_LOCK))
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view; does not wait for writers. Raises LedgerUnavailable."""
        options = {READ_ONLY: True} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with _translated(), self.engine.execution_options(**options).begin() as connection:
            yield connection

    def copy_log(self) -> None:
        """SQLite: copy what is committed from the log into the file, beside writers. Nothing elsewhere.

        Raises:
            LedgerUnavailable: the file cannot be written.
        """
        if self.is_sqlite:
            driver = self.engine.dialect.loaded_dbapi
            with _translated(driver), closing(self.engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Close all connections."""
        with self._own_turn():
            self._drop_writer()
        self.engine.dispose()

    @contextmanager
    def _own_turn(self) -> Iterator[None]:
        """SQLite waits by polling with growing pauses; threads of one process need not pay for that."""
        if not self._turn.acquire(timeout=BUSY_S):
            raise LedgerUnavailable(f"Another thread writes the ledger for {BUSY_S} s already.")
        try:
            yield
        finally:
            self._turn.release()


@contextmanager
def _translated(driver: DBAPIModule | None = None) -> Iterator[None]:
    drivers_error = (driver.Error,) if driver is not None else ()
    try:
        yield
    except DBAPIError as error:
        raise LedgerUnavailable(f"The ledger's database does not work: {_reason(error.orig)}.") from None
    except SQLAlchemyError as error:
        raise LedgerUnavailable(f"The ledger's database does not work: {type(error).__name__}.") from None
    except drivers_error as error:
        if driver is not None and isinstance(error, (driver.DataError, driver.IntegrityError)):
            raise EntryRefused(f"The ledger's database refused a row ({type(error).__name__}).") from None
        raise LedgerUnavailable(f"The ledger's database does not work: {_reason(error)}.") from None


def _reason(error: BaseException | None) -> str:
    """First line of the driver's own text; what follows may repeat values."""
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(".")
