"""Months of the calendar, in UTC, as seconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["month_end_s", "month_start_s"]


def month_start_s(now_s: float) -> int:
    """The first moment of the month that holds `now_s`."""
    return int(_first(now_s).timestamp())


def month_end_s(now_s: float) -> int:
    """The first moment of the month after."""
    first = _first(now_s)
    after = (
        first.replace(year=first.year + 1, month=1)
        if first.month == 12
        else first.replace(month=first.month + 1)
    )
    return int(after.timestamp())


def _first(now_s: float) -> datetime:
    moment = datetime.fromtimestamp(now_s, tz=UTC)
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
