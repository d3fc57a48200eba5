"""Refuses what the tables could only hold rounded, cut or not at all, before a batch is made of it."""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

from sophia_infra.inference.budgets import ALL_SCOPE, user_scope
from sophia_infra.inference.ledger.deciding import Operation, Release, Reserve
from sophia_infra.inference.ledger.errors import EntryRefused
from sophia_infra.inference.ledger.schema import MAX_NAME_CHARACTERS, MAX_USD, PICO_USD
from sophia_infra.inference.usage import Outcome, Reservation, UsageEntry

__all__ = ["check_operation"]

_MAX_COUNT = 2**53
_MAX_ATTEMPTS = 1_000_000


def check_operation(operation: Operation) -> None:
    """Raise EntryRefused for values that cannot be written exactly.

    Amounts: Decimal, from 0 to 1,000,000 dollars, at most twelve decimals. Names: 1 to 300 characters,
    no NUL. Dates: with a time zone. Budgets: of all users, or of the user who asks.
    """
    if isinstance(operation, Release):
        _check_name("request_id", operation.request_id)
    elif isinstance(operation, Reserve):
        _check_shared(operation.reservation)
        if operation.reservation.expires_at.tzinfo is None:
            raise EntryRefused("expires_at has no time zone.")
        counted = (ALL_SCOPE, user_scope(operation.reservation.user))
        for scope in operation.budgets:
            if scope.name not in counted:
                raise EntryRefused(f"The budget scope {scope.name!r} is none of {', '.join(counted)}.")
    else:
        _check_shared(operation.entry)
        _check_entry(operation.entry)


def _check_shared(row: Reservation | UsageEntry) -> None:
    for name in ("request_id", "user", "model", "backend"):
        _check_name(name, getattr(row, name))
    if row.at.tzinfo is None:
        raise EntryRefused("at has no time zone.")
    _check_usd("input_usd", row.input_usd)
    _check_usd("output_usd", row.output_usd)
    _check_count("input tokens", row.tokens.input, _MAX_COUNT)
    _check_count("output tokens", row.tokens.output, _MAX_COUNT)


def _check_entry(entry: UsageEntry) -> None:
    if entry.outcome not in get_args(Outcome):
        raise EntryRefused(f"outcome is none of {', '.join(get_args(Outcome))}.")
    if entry.session_id is not None:
        _check_name("session_id", entry.session_id)
    _check_count("attempts", entry.attempts, _MAX_ATTEMPTS)
    _check_count("latency_ms", entry.latency_ms, _MAX_COUNT)
    if entry.first_token_ms is not None:
        _check_count("first_token_ms", entry.first_token_ms, _MAX_COUNT)


def _check_name(field: str, value: str) -> None:
    if not 1 <= len(value) <= MAX_NAME_CHARACTERS or "\0" in value:
        raise EntryRefused(f"{field} has {len(value)} characters or a NUL; 1 to {MAX_NAME_CHARACTERS} fit.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise EntryRefused(f"{field} is not valid Unicode.") from None


def _check_usd(field: str, value: object) -> None:
    if not isinstance(value, Decimal) or not value.is_finite():
        raise EntryRefused(f"{field} is not a finite Decimal.")
    if not 0 <= value <= MAX_USD:
        raise EntryRefused(f"{field} is {value}; from 0 to {MAX_USD} dollars fit.")
    if value % PICO_USD:
        raise EntryRefused(f"{field} is {value}; twelve decimals fit.")


def _check_count(field: str, value: object, highest: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= highest:
        raise EntryRefused(f"{field} is {value!r}; a whole number from 0 to {highest} fits.")
