"""Reservations and entries for tests of the ledger; amounts in whole micro-dollars are easy to add up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sophia_infra.inference.budgets import ALL_SCOPE, BudgetScope, user_scope
from sophia_infra.inference.usage import Reservation, Tokens, UsageEntry
from sophia_infra.model.gateway import InferenceBudget

__all__ = ["NOON", "budget", "entry", "of_all", "of_user", "reservation", "settled"]

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def reservation(request_id: str = "r1", usd: str = "0.30", **fields: Any) -> Reservation:
    """A third of `usd` for input, the rest for output; expires after 300 s."""
    at = fields.pop("at", NOON)
    third = (Decimal(usd) / 3).quantize(Decimal("1e-12"))
    made = Reservation(
        request_id=request_id,
        user="ann",
        model="llama-4-scout-17b-16e-instruct",
        backend="own",
        tokens=Tokens(100, 200),
        input_usd=third,
        output_usd=Decimal(usd) - third,
        at=at,
        expires_at=at + timedelta(seconds=300),
    )
    return replace(made, **fields)


def settled(open_one: Reservation, usd: str | None = None, **fields: Any) -> UsageEntry:
    """The entry that settles it, at `usd` or at its maximum."""
    input_usd, output_usd = open_one.input_usd, open_one.output_usd
    if usd is not None:
        input_usd, output_usd = Decimal(0), Decimal(usd)
    made = UsageEntry(
        request_id=open_one.request_id,
        at=open_one.at,
        user=open_one.user,
        model=open_one.model,
        backend=open_one.backend,
        tokens=Tokens(10, 20),
        input_usd=input_usd,
        output_usd=output_usd,
        latency_ms=12,
    )
    return replace(made, **fields)


def entry(request_id: str = "r1", usd: str = "0.10", **fields: Any) -> UsageEntry:
    """A use without a reservation."""
    return settled(reservation(request_id), usd, **fields)


def budget(hour: str = "10", day: str = "100", month: str = "2500", request: str = "1") -> InferenceBudget:
    """Limits in dollars."""
    return InferenceBudget(
        usd_per_request=Decimal(request),
        usd_per_hour=Decimal(hour),
        usd_per_day=Decimal(day),
        usd_per_month=Decimal(month),
    )


def of_all(**limits: str) -> BudgetScope:
    """Budget of everybody together."""
    return BudgetScope(ALL_SCOPE, budget(**limits))


def of_user(user: str = "ann", **limits: str) -> BudgetScope:
    """Budget of one user."""
    return BudgetScope(user_scope(user), budget(**limits))
