"""`Ledger`: the books in a database. Any thread, any number of processes and gateways."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from sqlalchemy import select
from sqlalchemy.engine.interfaces import DBAPICursor

from sophia_infra.inference.budgets import BudgetScope
from sophia_infra.inference.errors import InferenceError
from sophia_infra.inference.ledger.batching import dialect_of, read_books, read_expired, write_changes
from sophia_infra.inference.ledger.checking import check_operation
from sophia_infra.inference.ledger.database import Database
from sophia_infra.inference.ledger.deciding import (
    Operation,
    Release,
    Reserve,
    Result,
    Settle,
    WindowKey,
    WindowSums,
    decide,
    unsettled_entry,
)
from sophia_infra.inference.ledger.errors import EntryRefused
from sophia_infra.inference.ledger.migrating import migrate
from sophia_infra.inference.ledger.opening import open_database
from sophia_infra.inference.ledger.rows import entry_from_row, reservation_from_row
from sophia_infra.inference.ledger.schema import budget_windows, reservations, usage_entries
from sophia_infra.inference.usage import Reservation, UsageEntry

__all__ = ["Ledger", "open_ledger"]

_RECOVER_AT_ONCE = 200


class Ledger:
    """Money set aside and spent, each request id once. Made by `open_ledger`.

    Every call is one transaction that is durable when it returns (see `opening` for what that means on
    SQLite), and repeating a call whose answer was lost changes nothing.
    """

    def __init__(self, database: Database, *, gateway_id: str) -> None:
        self.database = database
        self.gateway_id = gateway_id
        self._dialect = dialect_of(database.engine.dialect.name)
        self._windows_seen: dict[WindowKey, WindowSums] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database. Reservations stay open; `recover` books those that nobody settles."""
        self.database.close()

    def reserve(self, reservation: Reservation, budgets: Sequence[BudgetScope] = ()) -> None:
        """Set money aside in all windows of all `budgets`, or in none.

        Raises:
            OverBudget: it would pass one of them.
            RequestTaken: another call has this request id. The very same reservation again is let pass.
            EntryRefused: it cannot be written exactly.
            LedgerUnavailable: not known to be written; call again with the same reservation.
        """
        self._one(Reserve(reservation, tuple(budgets)))

    def settle(self, entry: UsageEntry) -> bool:
        """Write what a call cost and free its reservation; False when this request id was written before.

        Raises:
            EntryRefused, LedgerUnavailable: as in `reserve`.
        """
        return self._one(Settle(entry))

    def track(self, entry: UsageEntry) -> bool:
        """Write a use that was never reserved. It counts against budgets and is not refused by them."""
        return self.settle(entry)

    def release(self, request_id: str) -> bool:
        """Free the reservation of a call that cost nothing; False when there is none."""
        return self._one(Release(request_id))

    def _one(self, operation: Operation) -> bool:
        (result,) = self.apply([operation])
        if isinstance(result, InferenceError):
            raise result
        return result

    def apply(self, operations: Sequence[Operation]) -> list[Result]:
        """Do a batch in one transaction, in order, and answer each by itself.

        An operation that the database refuses (a check, a type) fails alone.

        Raises:
            LedgerUnavailable: none is known to be written.
        """
        results: list[Result] = []
        sound: list[Operation] = []
        for operation in operations:
            try:
                check_operation(operation)
            except EntryRefused as error:
                results.append(error)
            else:
                results.append(True)
                sound.append(operation)
        answers = iter(self._apply_sound(sound) if sound else ())
        return [result if isinstance(result, InferenceError) else next(answers) for result in results]

    def _apply_sound(self, operations: Sequence[Operation]) -> list[Result]:
        try:
            with self.database.writing() as cursor:
                return self._decide_and_write(cursor, operations)
        except EntryRefused as error:
            if len(operations) == 1:
                return [error]
        return [self._apply_sound([operation])[0] for operation in operations]

    def _decide_and_write(self, cursor: DBAPICursor, operations: Sequence[Operation]) -> list[Result]:
        books = read_books(cursor, self._dialect, operations)
        results, changes = decide(operations, books)
        write_changes(cursor, self._dialect, changes, self.gateway_id)
        self._windows_seen = books.windows
        return results

    def recover(self, now: datetime | None = None) -> tuple[UsageEntry, ...]:
        """Book every reservation that expired before `now` as `unknown`, at the most it can have cost.

        Exactly once, whichever gateway comes first. A call that is settled afterwards keeps that entry.

        Returns:
            The entries that this call wrote.
        """
        moment = now or datetime.now(UTC)
        written: list[UsageEntry] = []
        while True:
            with self.database.writing() as cursor:
                expired = read_expired(cursor, self._dialect, moment, _RECOVER_AT_ONCE)
                entries = [unsettled_entry(reservation) for reservation in expired]
                if entries:
                    self._decide_and_write(cursor, [Settle(entry) for entry in entries])
            written += entries
            if len(expired) < _RECOVER_AT_ONCE:
                return tuple(written)

    def last_windows(self) -> dict[WindowKey, WindowSums]:
        """The windows that this object's last transaction read or wrote, as they were after it."""
        return self._windows_seen

    def windows(self, keys: Iterable[WindowKey]) -> dict[WindowKey, WindowSums]:
        """Sums of these windows; those without any money are left out."""
        wanted = set(keys)
        query = select(budget_windows).where(
            budget_windows.c.scope.in_({key.scope for key in wanted}),
            budget_windows.c.starts_at.in_({key.starts_at for key in wanted}),
        )
        with self.database.reading() as connection:
            found = {
                WindowKey(row.scope, row.period, row.starts_at): WindowSums(row.spent_usd, row.reserved_usd)
                for row in connection.execute(query)
            }
        return {key: sums for key, sums in found.items() if key in wanted}

    def find_entry(self, request_id: str) -> UsageEntry | None:
        """The entry of one request, or None."""
        query = select(usage_entries).where(usage_entries.c.request_id == request_id)
        with self.database.reading() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else entry_from_row(row)

    def list_reservations(self) -> tuple[Reservation, ...]:
        """All that are open, oldest first."""
        query = select(reservations).order_by(reservations.c.at, reservations.c.request_id)
        with self.database.reading() as connection:
            return tuple(reservation_from_row(row) for row in connection.execute(query).mappings())


def open_ledger(address: str, *, gateway_id: str | None = None) -> Ledger:
    """Open the books, and make or upgrade their tables.

    Args:
        address: `sqlite:////absolute/file.db` or `postgresql+psycopg://...`, see `opening.open_database`.
        gateway_id: who sets money aside, for people who look; default `<host>:<process>`.

    Raises:
        LedgerAddressWrong: the URL cannot be right.
        LedgerTooNew: a newer sophia-infra made the tables.
        LedgerUnavailable: the database does not answer.
    """
    database = open_database(address)
    try:
        migrate(database)
    except BaseException:
        database.close()
        raise
    return Ledger(database, gateway_id=gateway_id or f"{socket.gethostname()}:{os.getpid()}")
