"""Tables of the ledger, and how their exact values are kept in SQLite and Postgres.

`usage_entries` is append-only: triggers refuse UPDATE and DELETE (see the migration). `budget_windows` is
what entries and open reservations add up to, kept in the same transactions: a reservation reads few rows.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    TypeDecorator,
)
from sqlalchemy.types import TypeEngine

__all__ = [
    "MAX_NAME_CHARACTERS",
    "MAX_USD",
    "PICO_USD",
    "Usd",
    "UtcTime",
    "budget_windows",
    "metadata",
    "reservations",
    "usage_entries",
]

PICO_USD = Decimal("1e-12")
"""Smallest amount: prices per million tokens have up to six decimals, so costs have up to twelve."""

MAX_USD = Decimal(1_000_000)
"""Most that one row may hold; 9,223,372 dollars of pico-dollars fit in SQLite's integers."""

MAX_NAME_CHARACTERS = 300


class Usd(TypeDecorator[Decimal]):
    """Dollars, exact to twelve decimals: NUMERIC(20,12), and whole pico-dollars in SQLite.

    SQLite has no decimal type: it would add up floats. Sums of integers are exact, up to 9,223,372 dollars.
    """

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else Numeric(20, 12))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return int(value.scaleb(12))

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        if value is None:
            return None
        return Decimal(value).scaleb(-12) if dialect.name == "sqlite" else Decimal(value)


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC, to the microsecond. SQLite keeps it as text that sorts."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(DateTime(timezone=dialect.name != "sqlite"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

_NAME = String(MAX_NAME_CHARACTERS)
_NUMBER = BigInteger().with_variant(Integer, "sqlite")

usage_entries = Table(
    "usage_entries",
    metadata,
    Column("entry_number", _NUMBER, primary_key=True, comment="in the order of writing, for copies"),
    Column("request_id", _NAME, nullable=False, unique=True),
    Column("at", UtcTime, nullable=False, comment="given by the caller"),
    Column("booked_at", UtcTime, nullable=False, comment="lies in the windows that the money counts in"),
    Column("user", _NAME, nullable=False),
    Column("model", _NAME, nullable=False),
    Column("backend", _NAME, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("input_usd", Usd, nullable=False),
    Column("output_usd", Usd, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("latency_ms", BigInteger, nullable=False),
    Column("first_token_ms", BigInteger),
    Column("session_id", _NAME),
    Column("cached", Boolean, nullable=False),
    Index("usage_entries_booked_at", "booked_at"),
)

reservations = Table(
    "reservations",
    metadata,
    Column("request_id", _NAME, primary_key=True),
    Column("user", _NAME, nullable=False),
    Column("model", _NAME, nullable=False),
    Column("backend", _NAME, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("input_usd", Usd, nullable=False),
    Column("output_usd", Usd, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("gateway_id", _NAME, nullable=False, comment="who set it aside; for people who look"),
    Index("reservations_expires_at", "expires_at"),
)

budget_windows = Table(
    "budget_windows",
    metadata,
    Column("scope", String(310), primary_key=True, comment="all, or user:<name>"),
    Column("period", String(8), primary_key=True, comment="hour, day or month"),
    Column("starts_at", UtcTime, primary_key=True),
    Column("spent_usd", Usd, nullable=False),
    Column("reserved_usd", Usd, nullable=False),
)
