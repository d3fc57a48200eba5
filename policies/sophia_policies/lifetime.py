"""How long something may live: `8h`, `7d`, or a last day `2026-12-31`."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal, InvalidOperation

__all__ = ["FORMS", "hours_of", "is_past", "usd_of"]

FORMS = "`8h`, `7d` or a last day `2026-12-31`"
_HOURS = {"h": 1, "d": 24}


def hours_of(text: str, today: date) -> int | None:
    """Hours of a lifetime, from `today` for a date (0 when it is past); None when `text` is none."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})([hd])", text)
    if match:
        return int(match[1]) * _HOURS[match[2]]
    try:
        last = date.fromisoformat(text)
    except ValueError:
        return None
    return max(0, ((last - today).days + 1) * 24)


def is_past(text: str, today: date) -> bool:
    """Whether `text` is a last day before `today`."""
    return hours_of(text, today) == 0


def usd_of(text: str) -> Decimal | None:
    """Dollars above zero of `500`, `$500` or `$1,000.50`; None when `text` is none."""
    try:
        usd = Decimal(text.removeprefix("$").replace(",", ""))
    except InvalidOperation:
        return None
    return usd if usd.is_finite() and usd > 0 else None
