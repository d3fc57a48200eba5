"""Errors that no server can be made to give at once."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx2
import openai
import pytest

from sophia_infra.inference.transport_errors import attempt_failed

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")


def _status(status: int, code: str | None = None) -> openai.APIStatusError:
    response = httpx2.Response(status, request=REQUEST)
    return openai.APIStatusError("words of a server", response=response, body={"code": code})


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (openai.APITimeoutError(request=REQUEST), "timeout"),
        (httpx2.ReadTimeout("slow", request=REQUEST), "timeout"),
        (openai.APIConnectionError(request=REQUEST), "connection"),
        (httpx2.RemoteProtocolError("cut", request=REQUEST), "connection"),
        (httpx2.DecodingError("gzip", request=REQUEST), "malformed"),
        (_status(429, "insufficient_quota"), "quota"),
        (_status(429), "rate_limited"),
        (_status(302), "misconfigured"),
        (_status(401), "misconfigured"),
        (_status(404), "misconfigured"),
        (_status(422), "refused"),
        (_status(529), "server"),
    ],
)
def test_each_error_has_its_kind(error: openai.OpenAIError | httpx2.HTTPError, kind: str) -> None:
    failure = attempt_failed(error, datetime(2026, 9, 14, tzinfo=UTC))
    assert failure.kind == kind
    assert "words of a server" not in str(failure)


def _wrapping(error: type[openai.APIConnectionError], cause: Exception) -> openai.APIConnectionError:
    wrapped = error(request=REQUEST)
    wrapped.__cause__ = cause
    return wrapped


@pytest.mark.parametrize(
    ("error", "was_sent"),
    [
        (_wrapping(openai.APIConnectionError, httpx2.ConnectError("refused", request=REQUEST)), False),
        (_wrapping(openai.APITimeoutError, httpx2.ConnectTimeout("slow", request=REQUEST)), False),
        (_wrapping(openai.APIConnectionError, httpx2.ReadError("cut", request=REQUEST)), True),
        (_wrapping(openai.APITimeoutError, httpx2.ReadTimeout("slow", request=REQUEST)), True),
        (httpx2.ConnectError("refused", request=REQUEST), False),
    ],
)
def test_only_a_connection_that_was_made_can_have_cost(
    error: openai.OpenAIError | httpx2.HTTPError, was_sent: bool
) -> None:
    failure = attempt_failed(error, datetime(2026, 9, 14, tzinfo=UTC))
    assert failure.sent is was_sent
    assert failure.may_have_cost is was_sent
