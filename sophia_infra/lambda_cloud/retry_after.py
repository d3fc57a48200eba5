"""Reads the Retry-After header."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

__all__ = ["parse_retry_after"]


def parse_retry_after(header: str | None, now_s: float) -> float | None:
    """Seconds from `now_s` (seconds since 1970) that a Retry-After header asks for, never below 0.

    Both forms of RFC 9110: a number of seconds, or an HTTP date. None for no header or another text.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, aware.timestamp() - now_s)
