"""Rows of the tables from the values of this room, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from sqlalchemy import RowMapping

from sophia_infra.inference.usage import Outcome, Reservation, Tokens, UsageEntry

__all__ = ["entry_from_row", "reservation_from_row", "row_of_entry", "row_of_reservation"]


def row_of_entry(entry: UsageEntry, booked_at: datetime) -> dict[str, Any]:
    """Columns of `usage_entries`."""
    return {
        **_shared(entry),
        "booked_at": booked_at,
        "outcome": entry.outcome,
        "attempts": entry.attempts,
        "latency_ms": entry.latency_ms,
        "first_token_ms": entry.first_token_ms,
        "session_id": entry.session_id,
        "cached": entry.cached,
    }


def row_of_reservation(reservation: Reservation, gateway_id: str) -> dict[str, Any]:
    """Columns of `reservations`."""
    return {**_shared(reservation), "expires_at": reservation.expires_at, "gateway_id": gateway_id}


def reservation_from_row(row: Mapping[str, Any] | RowMapping) -> Reservation:
    """What `row_of_reservation` was made from."""
    return Reservation(
        request_id=row["request_id"],
        user=row["user"],
        model=row["model"],
        backend=row["backend"],
        tokens=Tokens(row["input_tokens"], row["output_tokens"]),
        input_usd=row["input_usd"],
        output_usd=row["output_usd"],
        at=row["at"],
        expires_at=row["expires_at"],
    )


def entry_from_row(row: Mapping[str, Any] | RowMapping) -> UsageEntry:
    """What `row_of_entry` was made from."""
    return UsageEntry(
        request_id=row["request_id"],
        at=row["at"],
        user=row["user"],
        model=row["model"],
        backend=row["backend"],
        tokens=Tokens(row["input_tokens"], row["output_tokens"]),
        input_usd=row["input_usd"],
        output_usd=row["output_usd"],
        outcome=cast(Outcome, row["outcome"]),
        attempts=row["attempts"],
        latency_ms=row["latency_ms"],
        first_token_ms=row["first_token_ms"],
        session_id=row["session_id"],
        cached=row["cached"],
    )


def _shared(value: UsageEntry | Reservation) -> dict[str, Any]:
    return {
        "request_id": value.request_id,
        "at": value.at,
        "user": value.user,
        "model": value.model,
        "backend": value.backend,
        "input_tokens": value.tokens.input,
        "output_tokens": value.tokens.output,
        "input_usd": value.input_usd,
        "output_usd": value.output_usd,
    }
