"""Budgets as the ledger keeps them: who they bind, and the hour, day and month they count in (UTC)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal, Protocol

from sophia_infra.inference.usage import Reservation, UsageEntry
from sophia_infra.model.gateway import InferenceBudget

__all__ = [
    "ALL_SCOPE",
    "WINDOWS",
    "AsyncLedger",
    "BudgetScope",
    "NoLedger",
    "Window",
    "next_window_start",
    "user_scope",
    "window_limit_usd",
    "window_start",
    "windows",
]

Window = Literal["hour", "day", "month"]

WINDOWS: tuple[Window, ...] = ("hour", "day", "month")
ALL_SCOPE = "all"


@dataclass(frozen=True, slots=True)
class BudgetScope:
    """A budget and whom it binds: `all`, or `user:<name>`."""

    name: str
    budget: InferenceBudget


def user_scope(user: str) -> str:
    """Name of the scope of one user."""
    return f"user:{user}"


def window_start(at: datetime, window: Window) -> datetime:
    """First moment (UTC) of the window that `at` lies in. ValueError for a date without a time zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no time zone")
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if window == "hour":
        return hour
    day = hour.replace(hour=0)
    return day if window == "day" else day.replace(day=1)


def next_window_start(at: datetime, window: Window) -> datetime:
    """First moment (UTC) after the window that `at` lies in: when its budget is whole again."""
    start = window_start(at, window)
    if window == "hour":
        return start + timedelta(hours=1)
    if window == "day":
        return start + timedelta(days=1)
    return (start + timedelta(days=31)).replace(day=1)


def windows(at: datetime) -> tuple[tuple[Window, datetime], ...]:
    """Each window with its start at `at`."""
    return tuple((window, window_start(at, window)) for window in WINDOWS)


def window_limit_usd(budget: InferenceBudget, window: Window) -> Decimal:
    """Dollars that may be spent in one `window`."""
    if window == "hour":
        return budget.usd_per_hour
    return budget.usd_per_day if window == "day" else budget.usd_per_month


class AsyncLedger(Protocol):
    """The books: each request id goes in once, whatever happens."""

    async def reserve(self, reservation: Reservation, budgets: Sequence[BudgetScope]) -> None:
        """Set the money aside, in all windows of all `budgets` or in none.

        Raises:
            OverBudget: it does not fit in one of them. Nothing was set aside.
            LedgerUnavailable: not written.
        """
        ...

    async def settle(self, entry: UsageEntry) -> bool:
        """Write what it really cost and free the rest of the reservation; back once it is durable.

        Returns:
            False when this request id was written before; nothing was changed then.
        """
        ...

    async def release(self, request_id: str) -> None:
        """Free a reservation of a call that cost nothing. Unknown ids are let pass."""
        ...

    async def track(self, entry: UsageEntry) -> bool:
        """Write down a use that was never reserved. Returns as `settle`."""
        ...

    def pressure(self, user: str) -> int:
        """Percent used of the fullest window that binds `user`. From memory: for routing, not for limits."""
        ...

    async def aclose(self) -> None:
        """Write what is under way, then stop."""
        ...


class NoLedger:
    """Keeps no books and knows no limits: for a client whose gateway keeps them."""

    async def reserve(self, reservation: Reservation, budgets: Sequence[BudgetScope]) -> None:
        """Let it pass."""

    async def settle(self, entry: UsageEntry) -> bool:  # noqa: ARG002
        """Let it pass."""
        return True

    async def release(self, request_id: str) -> None:
        """Let it pass."""

    async def track(self, entry: UsageEntry) -> bool:  # noqa: ARG002
        """Let it pass."""
        return True

    def pressure(self, user: str) -> int:  # noqa: ARG002
        """None."""
        return 0

    async def aclose(self) -> None:
        """Nothing is open."""
