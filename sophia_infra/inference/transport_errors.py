"""Turns the errors of `openai` and its HTTP client into one of few kinds, and reads Retry-After.

Nothing of a backend's text is kept: it may repeat the prompt. Only short identifiers and a context limit are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2
import openai

from sophia_infra.inference.upstream import AttemptFailed, FailureKind

__all__ = ["attempt_failed", "parse_retry_after"]

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_.\[\]-]{0,63}")
_CONTEXT_LIMIT = re.compile(r"maximum (?:context|model) length (?:is|of) (\d{1,9})")
_MAX_RETRY_AFTER_S = 3_600.0
_KIND_OF_STATUS: dict[int, FailureKind] = {
    401: "misconfigured",
    403: "misconfigured",
    404: "misconfigured",
    429: "rate_limited",
}
_NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


def attempt_failed(error: openai.OpenAIError | httpx2.HTTPError, now: datetime) -> AttemptFailed:
    """What `error` means for the next try. Most specific first: a timeout is a connection error too."""
    if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException):
        return AttemptFailed("timeout")
    if isinstance(error, openai.APIStatusError):
        return _status_failed(error, now)
    if isinstance(error, openai.APIResponseValidationError | httpx2.DecodingError):
        return AttemptFailed("malformed")
    if isinstance(error, openai.APIConnectionError | httpx2.HTTPError):
        return AttemptFailed("connection")
    return AttemptFailed("malformed")


def parse_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that a backend asks to wait, an hour at most; None when it says nothing that can be read.

    Source: RFC 9110, 10.2.3 (seconds or a date); `retry-after-ms` is OpenAI's.
    """
    for name, unit in (("retry-after-ms", 1_000.0), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,12}(\.\d+)?", text):
            return min(float(text) / unit, _MAX_RETRY_AFTER_S)
    try:
        until = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(0.0, (until - now).total_seconds()), _MAX_RETRY_AFTER_S)


def _status_failed(error: openai.APIStatusError, now: datetime) -> AttemptFailed:
    status = error.status_code
    fields = error.body if isinstance(error.body, dict) else {}
    reason = _identifier(fields.get("code"))
    kind: FailureKind
    if status >= 500:
        kind = "server"
    elif status == 429 and (reason in _NO_MONEY or fields.get("type") in _NO_MONEY):
        kind = "quota"
    elif status < 400:
        kind = "misconfigured"
    else:
        kind = _KIND_OF_STATUS.get(status, "refused")
    limit = _CONTEXT_LIMIT.search(str(fields.get("message", "")))
    return AttemptFailed(
        kind,
        status=status,
        retry_after_s=parse_retry_after(error.response.headers, now),
        param=_identifier(fields.get("param")),
        reason=reason,
        limit_tokens=int(limit.group(1)) if limit else None,
    )


def _identifier(value: object) -> str | None:
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else None
