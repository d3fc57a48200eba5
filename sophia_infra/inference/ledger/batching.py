"""Reads the books of a batch and writes its changes, with the driver's own SQL: a batch is six statements."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.engine.interfaces import DBAPICursor

from sophia_infra.inference.ledger.deciding import (
    Books,
    Changes,
    Operation,
    Reserve,
    Settle,
    WindowKey,
    WindowSums,
    keys_of,
)
from sophia_infra.inference.ledger.rows import reservation_from_row, row_of_entry, row_of_reservation
from sophia_infra.inference.ledger.schema import budget_windows, reservations, usage_entries
from sophia_infra.inference.usage import Reservation

__all__ = ["Dialect", "dialect_of", "read_books", "read_expired", "write_changes"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """SQL of one database, and how it keeps money, moments and lists (as `schema.Usd` and `UtcTime` do)."""

    mark: str
    any_of: str
    from_usd: Callable[[Decimal], object]
    to_usd: Callable[[Any], Decimal]
    from_time: Callable[[datetime], object]
    to_time: Callable[[Any], datetime]
    from_list: Callable[[Iterable[object]], object]
    from_bool: Callable[[bool], object]

    # In these texts only names of our own tables and columns stand; values are bound.

    def insert(self, table: Table) -> str:
        names = _given_columns(table)
        quoted = ", ".join(f'"{name}"' for name in names)
        return f"INSERT INTO {table.name} ({quoted}) VALUES ({', '.join([self.mark] * len(names))})"  # noqa: S608

    def select(self, table: Table) -> str:
        quoted = ", ".join(f'"{name}"' for name in _given_columns(table))
        return f"SELECT {quoted} FROM {table.name}"  # noqa: S608

    def write(self, value: object) -> object:
        if isinstance(value, Decimal):
            return self.from_usd(value)
        if isinstance(value, datetime):
            return self.from_time(value)
        return self.from_bool(value) if isinstance(value, bool) else value


_SQLITE = Dialect(
    mark="?",
    any_of="IN (SELECT value FROM json_each(?))",
    from_usd=lambda usd: int(usd.scaleb(12)),
    to_usd=lambda pico: Decimal(pico).scaleb(-12),
    from_time=lambda at: at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds"),
    to_time=lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC),
    from_list=lambda values: json.dumps(list(values)),
    from_bool=int,
)
_POSTGRES = Dialect(
    mark="%s",
    any_of="= ANY(%s)",
    from_usd=lambda usd: usd,
    to_usd=Decimal,
    from_time=lambda at: at,
    to_time=lambda at: at.astimezone(UTC),
    from_list=list,
    from_bool=bool,
)


def _given_columns(table: Table) -> list[str]:
    """All but the number that the database gives."""
    return [column.name for column in table.columns if column.name != "entry_number"]


def dialect_of(name: str) -> Dialect:
    """Of `sqlite` or `postgresql`."""
    return _SQLITE if name == "sqlite" else _POSTGRES


@dataclass(frozen=True, slots=True)
class _Statements:
    reserved: str
    settled: str
    windows: str
    expired: str
    free: str
    reserve: str
    enter: str
    count: str


@cache
def _statements(dialect: Dialect) -> _Statements:
    return _Statements(
        reserved=f"{dialect.select(reservations)} WHERE request_id {dialect.any_of}",
        settled=f"SELECT request_id FROM usage_entries WHERE request_id {dialect.any_of}",  # noqa: S608
        windows=f"{dialect.select(budget_windows)} "
        f"WHERE scope {dialect.any_of} AND starts_at {dialect.any_of}",
        expired=f"{dialect.select(reservations)} WHERE expires_at <= {dialect.mark} "
        f"ORDER BY expires_at, request_id LIMIT {dialect.mark}",
        free=f"DELETE FROM reservations WHERE request_id {dialect.any_of}",  # noqa: S608
        reserve=dialect.insert(reservations),
        enter=dialect.insert(usage_entries),
        count=f"{dialect.insert(budget_windows)} ON CONFLICT (scope, period, starts_at) "
        "DO UPDATE SET spent_usd = excluded.spent_usd, reserved_usd = excluded.reserved_usd",
    )


def read_books(cursor: DBAPICursor, dialect: Dialect, operations: Sequence[Operation]) -> Books:
    """All rows that these operations touch."""
    sql = _statements(dialect)
    ids = dialect.from_list({operation.request_id for operation in operations})
    cursor.execute(sql.reserved, (ids,))
    known = _reservations(cursor, dialect)
    cursor.execute(sql.settled, (ids,))
    settled = {row[0] for row in cursor.fetchall()}
    wanted = _keys_needed(operations, known)
    scopes = dialect.from_list({key.scope for key in wanted})
    starts = dialect.from_list({dialect.from_time(key.starts_at) for key in wanted})
    cursor.execute(sql.windows, (scopes, starts))
    windows = {
        WindowKey(scope, period, dialect.to_time(starts_at)): WindowSums(
            dialect.to_usd(spent), dialect.to_usd(reserved)
        )
        for scope, period, starts_at, spent, reserved in cursor.fetchall()
    }
    return Books({item.request_id: item for item in known}, settled, windows)


def read_expired(cursor: DBAPICursor, dialect: Dialect, now: datetime, limit: int) -> list[Reservation]:
    """Reservations that nobody settled in time, oldest first."""
    cursor.execute(_statements(dialect).expired, (dialect.from_time(now), limit))
    return _reservations(cursor, dialect)


def write_changes(cursor: DBAPICursor, dialect: Dialect, changes: Changes, gateway_id: str) -> None:
    """Write what was decided. Frees come first: an id may be freed and reserved anew in one batch."""
    sql = _statements(dialect)
    if changes.freed:
        cursor.execute(sql.free, (dialect.from_list(changes.freed),))
    if changes.reserved:
        rows = [row_of_reservation(item, gateway_id) for item in changes.reserved.values()]
        _insert(cursor, dialect, sql.reserve, reservations, rows)
    if changes.entries:
        rows = [row_of_entry(entry, booked_at) for entry, booked_at in changes.entries]
        _insert(cursor, dialect, sql.enter, usage_entries, rows)
    if changes.windows:
        cursor.executemany(
            sql.count,
            [[dialect.write(value) for value in (*key, *sums)] for key, sums in changes.windows.items()],
        )


def _insert(
    cursor: DBAPICursor, dialect: Dialect, sql: str, table: Table, rows: Sequence[dict[str, Any]]
) -> None:
    names = _given_columns(table)
    cursor.executemany(sql, [[dialect.write(row[name]) for name in names] for row in rows])


def _reservations(cursor: DBAPICursor, dialect: Dialect) -> list[Reservation]:
    names = _given_columns(reservations)
    rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    for row in rows:
        for name in ("input_usd", "output_usd"):
            row[name] = dialect.to_usd(row[name])
        for name in ("at", "expires_at"):
            row[name] = dialect.to_time(row[name])
    return [reservation_from_row(row) for row in rows]


def _keys_needed(operations: Sequence[Operation], known: Sequence[Reservation]) -> set[WindowKey]:
    places = {(reservation.user, reservation.at) for reservation in known}
    starts = {reservation.request_id: reservation.at for reservation in known}
    for operation in operations:
        if isinstance(operation, Reserve):
            places.add((operation.reservation.user, operation.reservation.at))
            starts.setdefault(operation.request_id, operation.reservation.at)
        elif isinstance(operation, Settle):
            entry = operation.entry
            places |= {(entry.user, entry.at), (entry.user, starts.get(entry.request_id, entry.at))}
    return {key for user, at in places for key in keys_of(user, at)}
