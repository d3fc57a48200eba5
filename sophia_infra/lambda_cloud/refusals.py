"""From an answer that is not a success to the error that says what to do: a table keyed on `code`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sophia_infra.lambda_cloud.errors import (
    AccountInactive,
    Conflict,
    Duplicate,
    EdgeBlocked,
    Forbidden,
    InUse,
    InvalidSpec,
    LambdaCloudError,
    NoCapacity,
    NotFound,
    QuotaExceeded,
    RateLimited,
    ServerFault,
    Unauthorized,
    UnexpectedAnswer,
    WrongRegion,
)
from sophia_infra.lambda_cloud.redaction import excerpt

__all__ = ["CLASS_BY_CODE", "CLASS_BY_STATUS", "LEGACY_CODES", "PROVIDER_PREFIX", "refusal"]

CLASS_BY_CODE: Mapping[str, type[LambdaCloudError]] = {
    "global/invalid-api-key": Unauthorized,
    "global/account-inactive": AccountInactive,
    "global/invalid-address": AccountInactive,
    "global/forbidden": Forbidden,
    "global/invalid-parameters": InvalidSpec,
    "global/duplicate": Duplicate,
    "global/quota-exceeded": QuotaExceeded,
    "global/object-does-not-exist": NotFound,
    "global/not-found": NotFound,
    "global/conflict": Conflict,
    "global/internal-error": ServerFault,  # 409 on writes of firewall rulesets
    "instance-operations/launch/insufficient-capacity": NoCapacity,
    "instance-operations/launch/file-system-in-wrong-region": WrongRegion,
    "filesystems/filesystem-in-use": InUse,
    "firewall-rulesets/firewall-ruleset-in-use": InUse,
    "global/unknown": ServerFault,
    "ssh-keys/key-in-use": InUse,
    "instance-operations/launch/file-systems-not-supported": InvalidSpec,
}

LEGACY_CODES = frozenset(
    {"global/unknown", "ssh-keys/key-in-use", "instance-operations/launch/file-systems-not-supported"}
)
"""Codes of the table that OpenAPI 1.10.0 no longer lists. `global/unknown` was seen live in 2025-12."""

PROVIDER_PREFIX = "provider/"
"""Codes of Lambda's upstream providers begin so; the list is open, their HTTP status not documented."""

CLASS_BY_STATUS: Mapping[int, type[LambdaCloudError]] = {
    400: InvalidSpec,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: InvalidSpec,
    422: InvalidSpec,
}
"""For a code that nobody knows yet, when the answer has the API's own form."""

_REFUSED_TOO_FAST = 429
_FIRST_SERVER_STATUS = 500


def refusal(
    status: int,
    body: bytes,
    *,
    is_write: bool,
    request_id: str | None = None,
    retry_after_s: float | None = None,
) -> LambdaCloudError:
    """The error for an answer with `status` outside 200-299 and this body.

    429 is RateLimited whatever the body says, for such a request was refused before any work. An answer
    without the API's `error` object did not come from the API: its 403 is the edge's, and its 404 must
    not be read as "the object is gone", for that would forget a machine that is still billed.

    Args:
        status: HTTP status.
        body: as received; kept out of the error but for 256 redacted characters when its form is unknown.
        is_write: the operation is not a GET.
        request_id: from the header; the body's own comes first.
        retry_after_s: seconds, from the header.
    """
    error = _error_object(body)
    details = error or {}
    code = _text(details, "code")
    chosen = _class_for(status, code, from_api=error is not None)
    return chosen(
        _text(details, "message") or _unknown_form(status, body),
        code=code,
        suggestion=_text(details, "suggestion"),
        request_id=_text(details, "request_id") or request_id,
        http_status=status,
        retry_after_s=retry_after_s,
        may_have_happened=is_write and _may_have_worked(status, chosen),
    )


def _class_for(status: int, code: str | None, *, from_api: bool) -> type[LambdaCloudError]:
    if status == _REFUSED_TOO_FAST:
        return RateLimited
    if code is not None and code in CLASS_BY_CODE:
        return CLASS_BY_CODE[code]
    if status >= _FIRST_SERVER_STATUS or (code or "").startswith(PROVIDER_PREFIX):
        return ServerFault
    if from_api:
        return CLASS_BY_STATUS.get(status, UnexpectedAnswer)
    return {401: Unauthorized, 403: EdgeBlocked}.get(status, UnexpectedAnswer)


def _may_have_worked(status: int, chosen: type[LambdaCloudError]) -> bool:
    # A redirect is no refusal either: "see other" is how some servers say "done".
    return chosen is ServerFault or status >= _FIRST_SERVER_STATUS or status < 400


def _error_object(body: bytes) -> Mapping[str, object] | None:
    """The `error` object of the API's envelope; None when the body is anything else."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, dict) and isinstance(error.get("code"), str) else None


def _text(details: Mapping[str, object], key: str) -> str | None:
    found = details.get(key)
    return excerpt(found) if isinstance(found, str) and found else None


def _unknown_form(status: int, body: bytes) -> str:
    text = excerpt(body.decode("utf-8", "replace"))
    return f"HTTP {status} without the API's error form: {text or 'an empty body'}"
