"""Recounts the books: the windows must be what entries and open reservations add up to."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from sophia_infra.inference.ledger.deciding import WindowKey, WindowSums, keys_of
from sophia_infra.inference.ledger.schema import budget_windows, reservations, usage_entries
from sophia_infra.inference.ledger.store import Ledger

__all__ = ["Difference", "audit"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A window that does not hold what it should."""

    key: WindowKey
    kept: WindowSums
    counted: WindowSums


def audit(ledger: Ledger) -> tuple[Difference, ...]:
    """Read all rows once, in one view, and name each window that is wrong; empty when the books are right.

    Reads the whole ledger: for tests and for doubts, not for each start. Raises LedgerUnavailable.
    """
    entries = select(
        usage_entries.c.user,
        usage_entries.c.booked_at.label("at"),
        usage_entries.c.input_usd,
        usage_entries.c.output_usd,
    )
    open_ones = select(
        reservations.c.user, reservations.c.at, reservations.c.input_usd, reservations.c.output_usd
    )
    counted: dict[WindowKey, WindowSums] = {}
    with ledger.database.reading() as connection:
        for query, is_spent in ((entries, True), (open_ones, False)):
            for row in connection.execute(query):
                usd = row.input_usd + row.output_usd
                for key in keys_of(row.user, row.at):
                    sums = counted.get(key, WindowSums())
                    counted[key] = (
                        WindowSums(sums.spent_usd + usd, sums.reserved_usd)
                        if is_spent
                        else WindowSums(sums.spent_usd, sums.reserved_usd + usd)
                    )
        kept = {
            WindowKey(row.scope, row.period, row.starts_at): WindowSums(row.spent_usd, row.reserved_usd)
            for row in connection.execute(select(budget_windows))
        }
    none = WindowSums()
    return tuple(
        Difference(key, kept.get(key, none), counted.get(key, none))
        for key in sorted(kept.keys() | counted.keys())
        if kept.get(key, none) != counted.get(key, none)
    )
