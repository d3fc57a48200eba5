"""Tokens, their price, and what one request used: the plain values that every part of this room passes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

__all__ = ["Outcome", "Price", "Reservation", "Tokens", "UsageEntry"]

_MILLION = 1_000_000

Outcome = Literal["ok", "failed", "cancelled", "unknown"]
"""`failed` and `cancelled` still cost what was generated. `unknown` is booked at the most that it can have
cost: a call whose process died, or a try whose answer was lost while the backend may have worked for it."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one request."""

    input: int
    output: int

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.input + other.input, self.output + other.output)

    @property
    def total(self) -> int:
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens."""

    usd_per_million_input: Decimal
    usd_per_million_output: Decimal

    def input_usd(self, tokens: Tokens) -> Decimal:
        """Cost of the input, exact: prices have at most six decimals, so results have at most twelve."""
        return self.usd_per_million_input * tokens.input / _MILLION

    def output_usd(self, tokens: Tokens) -> Decimal:
        """Cost of the output, exact."""
        return self.usd_per_million_output * tokens.output / _MILLION

    def usd(self, tokens: Tokens) -> Decimal:
        """Cost of both, exact."""
        return self.input_usd(tokens) + self.output_usd(tokens)


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside before a call is sent: the most that it can cost.

    Attributes:
        request_id: unique for each call; the ledger takes each one once.
        expires_at: when the call is over for certain, alive or not (UTC).
        tokens: the most it can use; booked if nobody ever settles.
    """

    request_id: str
    user: str
    model: str
    backend: str
    tokens: Tokens
    input_usd: Decimal
    output_usd: Decimal
    at: datetime
    expires_at: datetime

    @property
    def usd(self) -> Decimal:
        return self.input_usd + self.output_usd


@dataclass(frozen=True, slots=True)
class UsageEntry:
    """One line of the ledger: what one request used and cost. Never changed once written.

    Attributes:
        tokens, input_usd, output_usd: of all attempts that were paid together, a hedged second one included.
        attempts: tries that were sent.
        latency_ms: from taking the request to its last byte.
        first_token_ms: to the first byte of a stream; None otherwise.
    """

    request_id: str
    at: datetime
    user: str
    model: str
    backend: str
    tokens: Tokens
    input_usd: Decimal
    output_usd: Decimal
    outcome: Outcome = "ok"
    attempts: int = 1
    latency_ms: int = 0
    first_token_ms: int | None = None
    session_id: str | None = None
    cached: bool = False

    @property
    def usd(self) -> Decimal:
        return self.input_usd + self.output_usd
