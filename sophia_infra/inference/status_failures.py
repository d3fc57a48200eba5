"""What a backend's error answer means for the next try.

Nothing of its text is kept: it may repeat the prompt. Only short identifiers and a context limit are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from sophia_infra.inference.upstream import AttemptFailed, FailureKind

__all__ = ["error_fields", "parse_retry_after", "status_failed"]

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_.\[\]-]{0,63}")
_CONTEXT_LIMIT = re.compile(r"maximum (?:context|model) length (?:is|of) (\d{1,9})")
_MAX_RETRY_AFTER_S = 3_600.0
_NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_KIND_OF_STATUS: dict[int, FailureKind] = {
    401: "misconfigured",
    403: "misconfigured",
    404: "misconfigured",
    429: "rate_limited",
}


def status_failed(
    status: int, fields: Mapping[str, object], headers: Mapping[str, str], now: datetime
) -> AttemptFailed:
    """The failure that an answer with another status than 200 is. `fields`: as `error_fields`."""
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
        retry_after_s=parse_retry_after(headers, now),
        param=_identifier(fields.get("param")),
        reason=reason,
        limit_tokens=int(limit.group(1)) if limit else None,
    )


def error_fields(body: bytes) -> Mapping[str, object]:
    """The members of `error`; some servers write them at the top."""
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    if not isinstance(document, dict):
        return {}
    inner = document.get("error", document)
    return inner if isinstance(inner, dict) else {}


def _identifier(value: object) -> str | None:
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else None


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
