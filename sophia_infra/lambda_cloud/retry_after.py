"""Reads the headers Retry-After and Date."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

__all__ = ["parse_http_date", "parse_retry_after"]


def parse_retry_after(header: str | None, now_s: float) -> float | None:
    """Seconds from `now_s` (seconds since 1970) that a Retry-After header asks for, never below 0.

    Both forms of RFC 9110: a number of seconds, or an HTTP date. None for no header or another text.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    moment_s = parse_http_date(text)
    return None if moment_s is None else max(0.0, moment_s - now_s)


def parse_http_date(header: str | None) -> float | None:
    """Seconds since 1970 that an HTTP date says, to the second; None for no header or another text."""
    if header is None:
        return None
    try:
        moment = parsedate_to_datetime(header.strip())
    except ValueError:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return aware.timestamp()
