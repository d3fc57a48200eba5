"""Tokens by week and backend, out of the usage ledger of the gateways."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from sophia_infra.optimization.facts import WeekTokens

if TYPE_CHECKING:
    from sophia_infra.inference.ledger import Ledger

__all__ = ["read_weeks"]


def read_weeks(ledger: Ledger, backends: Iterable[str], now_s: float, weeks: int = 4) -> WeekTokens | None:
    """What these backends together served in the last whole weeks before now; None: nothing at all.

    Weeks before the first entry are left out: a gateway that did not run yet had no load of 0.

    Raises:
        LedgerUnavailable: the database does not answer.
    """
    from sophia_infra.inference.ledger import usage_report

    end = datetime.fromtimestamp(int(now_s), tz=UTC)
    wanted = frozenset(backends)
    tokens: list[tuple[int, int]] = []
    usd: list[Decimal] = []
    for number in range(weeks, 0, -1):
        since, until = end - timedelta(weeks=number), end - timedelta(weeks=number - 1)
        rows = [row for row in usage_report(ledger, "backend", since, until).rows if row.name in wanted]
        if not tokens and not rows:
            continue
        tokens.append((sum(row.tokens.input for row in rows), sum(row.tokens.output for row in rows)))
        usd.append(sum((row.usd for row in rows), Decimal(0)))
    return WeekTokens(tuple(tokens), tuple(usd)) if tokens else None
