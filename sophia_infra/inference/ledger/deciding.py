"""What a batch of operations does to the books. Pure: the store reads `Books` and writes `Changes`.

A batch is one transaction, decided in order, so that two calls in the same batch cannot both take the last
dollar. Money counts in the hour, day and month of the reservation, even when the call ends in the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sophia_infra.inference.budgets import (
    ALL_SCOPE,
    BudgetScope,
    Window,
    next_window_start,
    user_scope,
    window_limit_usd,
    windows,
)
from sophia_infra.inference.errors import InferenceError, OverBudget
from sophia_infra.inference.ledger.errors import RequestTaken
from sophia_infra.inference.usage import Reservation, UsageEntry

__all__ = [
    "Books",
    "Changes",
    "Operation",
    "Release",
    "Reserve",
    "Result",
    "Settle",
    "WindowKey",
    "WindowSums",
    "decide",
    "keys_of",
    "unsettled_entry",
]

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Reserve:
    """Set money aside within `budgets`."""

    reservation: Reservation
    budgets: tuple[BudgetScope, ...]

    @property
    def request_id(self) -> str:
        return self.reservation.request_id


@dataclass(frozen=True, slots=True)
class Settle:
    """Write an entry; frees the reservation where there is one."""

    entry: UsageEntry

    @property
    def request_id(self) -> str:
        return self.entry.request_id


@dataclass(frozen=True, slots=True)
class Release:
    """Free the reservation of a call that cost nothing."""

    request_id: str


Operation = Reserve | Settle | Release

Result = bool | InferenceError
"""True: written. False: was so before. An error: refused, and nothing changed."""


class WindowKey(NamedTuple):
    """One budget window of one scope."""

    scope: str
    window: Window
    starts_at: datetime


class WindowSums(NamedTuple):
    """Dollars in one window."""

    spent_usd: Decimal = _ZERO
    reserved_usd: Decimal = _ZERO

    @property
    def used_usd(self) -> Decimal:
        """What counts against the limit."""
        return self.spent_usd + self.reserved_usd


@dataclass(slots=True)
class Books:
    """What a batch needs to know: the rows of its request ids, and its windows."""

    reservations: dict[str, Reservation] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    windows: dict[WindowKey, WindowSums] = field(default_factory=dict)


@dataclass(slots=True)
class Changes:
    """What to write. `entries` go with the moment they are booked at; `windows` hold new absolute sums."""

    reserved: dict[str, Reservation] = field(default_factory=dict)
    freed: set[str] = field(default_factory=set)
    entries: list[tuple[UsageEntry, datetime]] = field(default_factory=list)
    windows: dict[WindowKey, WindowSums] = field(default_factory=dict)


def keys_of(user: str, at: datetime) -> tuple[WindowKey, ...]:
    """The windows that money of `user` counts in at `at`, whether or not a budget is set."""
    starts = windows(at)
    return tuple(WindowKey(scope, *start) for scope in (ALL_SCOPE, user_scope(user)) for start in starts)


def unsettled_entry(reservation: Reservation) -> UsageEntry:
    """The entry of a call that nobody settled: `unknown`, at the most that it can have cost."""
    return UsageEntry(
        request_id=reservation.request_id,
        at=reservation.at,
        user=reservation.user,
        model=reservation.model,
        backend=reservation.backend,
        tokens=reservation.tokens,
        input_usd=reservation.input_usd,
        output_usd=reservation.output_usd,
        outcome="unknown",
    )


def decide(operations: Iterable[Operation], books: Books) -> tuple[list[Result], Changes]:
    """Decide each in order. `books` is used up: it holds the state afterwards."""
    changes = Changes()
    results: list[Result] = []
    for operation in operations:
        if isinstance(operation, Reserve):
            results.append(_reserve(operation, books, changes))
        elif isinstance(operation, Settle):
            results.append(_settle(operation.entry, books, changes))
        else:
            results.append(_free(operation.request_id, books, changes) is not None)
    return results, changes


def _reserve(operation: Reserve, books: Books, changes: Changes) -> Result:
    reservation = operation.reservation
    known = books.reservations.get(reservation.request_id)
    if known == reservation:
        return False  # the same once more: its first try was written and its answer lost
    if known is not None or reservation.request_id in books.settled:
        return RequestTaken(f"The request id {reservation.request_id} is taken.")
    refusal = _over_budget(reservation, operation.budgets, books)
    if refusal is not None:
        return refusal
    books.reservations[reservation.request_id] = reservation
    changes.reserved[reservation.request_id] = reservation
    _count(reservation.user, reservation.at, books, changes, reserved_usd=reservation.usd)
    return True


def _over_budget(reservation: Reservation, budgets: Sequence[BudgetScope], books: Books) -> OverBudget | None:
    asked_usd = reservation.usd
    for scope in budgets:
        if asked_usd > scope.budget.usd_per_request:
            return OverBudget(
                scope=scope.name,
                window="request",
                limit_usd=scope.budget.usd_per_request,
                spent_usd=_ZERO,
                asked_usd=asked_usd,
            )
        for window, starts_at in windows(reservation.at):
            used_usd = books.windows.get(WindowKey(scope.name, window, starts_at), WindowSums()).used_usd
            limit_usd = window_limit_usd(scope.budget, window)
            if used_usd + asked_usd > limit_usd:
                resets_at = next_window_start(reservation.at, window)
                return OverBudget(
                    scope=scope.name,
                    window=window,
                    limit_usd=limit_usd,
                    spent_usd=used_usd,
                    asked_usd=asked_usd,
                    resets_at=resets_at,
                    retry_after_s=(resets_at - reservation.at).total_seconds(),
                )
    return None


def _settle(entry: UsageEntry, books: Books, changes: Changes) -> bool:
    if entry.request_id in books.settled:
        return False
    reservation = _free(entry.request_id, books, changes)
    booked_at = entry.at if reservation is None else reservation.at
    books.settled.add(entry.request_id)
    changes.entries.append((entry, booked_at))
    _count(entry.user, booked_at, books, changes, spent_usd=entry.usd)
    return True


def _free(request_id: str, books: Books, changes: Changes) -> Reservation | None:
    reservation = books.reservations.pop(request_id, None)
    if reservation is None:
        return None
    if changes.reserved.pop(request_id, None) is None:
        changes.freed.add(request_id)
    _count(reservation.user, reservation.at, books, changes, reserved_usd=-reservation.usd)
    return reservation


def _count(
    user: str,
    at: datetime,
    books: Books,
    changes: Changes,
    *,
    spent_usd: Decimal = _ZERO,
    reserved_usd: Decimal = _ZERO,
) -> None:
    for key in keys_of(user, at):
        sums = books.windows.get(key, WindowSums())
        books.windows[key] = changes.windows[key] = WindowSums(
            sums.spent_usd + spent_usd, sums.reserved_usd + reserved_usd
        )
