"""What was used and what it cost, added up exactly by the database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, cast

from sqlalchemy import ColumnElement, Row, func, select

from sophia_infra.inference.ledger.schema import usage_entries
from sophia_infra.inference.ledger.store import Ledger
from sophia_infra.inference.usage import Tokens

__all__ = ["ReportBy", "UsageReport", "UsageRow", "usage_report"]

ReportBy = Literal["model", "day", "user", "backend"]

_ZERO = Decimal(0)
_NO_TOKENS = Tokens(0, 0)
_SHARE_STEP = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One line of a report.

    Attributes:
        name: model, day (`2026-11-24`, UTC), user or backend; `total` for the last line.
        share: part of all dollars, 0 to 1, to four decimals; 0 where nothing was spent.
        unknown_requests, unknown_usd: calls whose process died, booked at the most they can have cost. They
            are part of the other figures.
    """

    name: str
    requests: int = 0
    tokens: Tokens = _NO_TOKENS
    input_usd: Decimal = _ZERO
    output_usd: Decimal = _ZERO
    share: Decimal = _ZERO
    unknown_requests: int = 0
    unknown_usd: Decimal = _ZERO

    @property
    def usd(self) -> Decimal:
        return self.input_usd + self.output_usd


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Lines, most dollars first (days in their order), and their sum."""

    by: ReportBy
    rows: tuple[UsageRow, ...]
    total: UsageRow


def usage_report(
    ledger: Ledger,
    by: ReportBy = "model",
    since: datetime | None = None,
    until: datetime | None = None,
) -> UsageReport:
    """Add up entries booked from `since` on and before `until`; None: no bound. Dates need a time zone.

    Raises:
        LedgerUnavailable: the database does not answer.
    """
    key = _key(by, ledger)
    query = select(key.label("name"), usage_entries.c.outcome, *_SUMS).group_by(key, usage_entries.c.outcome)
    if since is not None:
        query = query.where(usage_entries.c.booked_at >= since)
    if until is not None:
        query = query.where(usage_entries.c.booked_at < until)
    with ledger.database.reading() as connection:
        found = connection.execute(query).all()
    rows: dict[str, UsageRow] = {}
    for row in found:
        rows[row.name] = _add(rows.get(row.name, UsageRow(row.name)), _row(row))
    total = UsageRow("total")
    for line in rows.values():
        total = _add(total, line)
    lines = _ordered(by, (_with_share(line, total.usd) for line in rows.values()))
    return UsageReport(by, lines, _with_share(total, total.usd))


_SUMS: tuple[ColumnElement[Any], ...] = (
    func.count().label("requests"),
    *(
        func.sum(usage_entries.c[name]).label(name)
        for name in ("input_tokens", "output_tokens", "input_usd", "output_usd")
    ),
)


def _key(by: ReportBy, ledger: Ledger) -> ColumnElement[str]:
    if by != "day":
        return cast(ColumnElement[str], usage_entries.c[by])
    if ledger.database.is_sqlite:
        return func.strftime("%Y-%m-%d", usage_entries.c.booked_at)
    return func.to_char(func.timezone("UTC", usage_entries.c.booked_at), "YYYY-MM-DD")


def _row(row: Row[Any]) -> UsageRow:
    unknown = row.outcome == "unknown"
    return UsageRow(
        name=row.name,
        requests=row.requests,
        tokens=Tokens(int(row.input_tokens), int(row.output_tokens)),
        input_usd=row.input_usd,
        output_usd=row.output_usd,
        unknown_requests=row.requests if unknown else 0,
        unknown_usd=row.input_usd + row.output_usd if unknown else _ZERO,
    )


def _add(one: UsageRow, other: UsageRow) -> UsageRow:
    return UsageRow(
        name=one.name,
        requests=one.requests + other.requests,
        tokens=one.tokens + other.tokens,
        input_usd=one.input_usd + other.input_usd,
        output_usd=one.output_usd + other.output_usd,
        unknown_requests=one.unknown_requests + other.unknown_requests,
        unknown_usd=one.unknown_usd + other.unknown_usd,
    )


def _with_share(row: UsageRow, total_usd: Decimal) -> UsageRow:
    return replace(row, share=(row.usd / total_usd).quantize(_SHARE_STEP)) if total_usd else row


def _ordered(by: ReportBy, rows: Iterable[UsageRow]) -> tuple[UsageRow, ...]:
    if by == "day":
        return tuple(sorted(rows, key=lambda row: row.name))
    return tuple(sorted(rows, key=lambda row: (-row.usd, row.name)))
