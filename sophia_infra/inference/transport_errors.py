"""Turns the errors of `openai` and its HTTP client into one of few kinds."""

from __future__ import annotations

from datetime import datetime

import httpx2
import openai

from sophia_infra.inference.status_failures import status_failed
from sophia_infra.inference.upstream import AttemptFailed

__all__ = ["attempt_failed"]


def attempt_failed(error: openai.OpenAIError | httpx2.HTTPError, now: datetime) -> AttemptFailed:
    """What `error` means for the next try. Most specific first: a timeout is a connection error too."""
    if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException):
        return AttemptFailed("timeout", sent=not isinstance(_cause(error), httpx2.ConnectTimeout))
    if isinstance(error, openai.APIStatusError):
        fields = error.body if isinstance(error.body, dict) else {}
        return status_failed(error.status_code, fields, error.response.headers, now)
    if isinstance(error, openai.APIResponseValidationError | httpx2.DecodingError):
        return AttemptFailed("malformed")
    if isinstance(error, openai.APIConnectionError | httpx2.HTTPError):
        return AttemptFailed("connection", sent=not isinstance(_cause(error), httpx2.ConnectError))
    return AttemptFailed("malformed")


def _cause(error: BaseException) -> BaseException:
    """The HTTP client's error, which `openai` wraps in its own."""
    return error.__cause__ or error
