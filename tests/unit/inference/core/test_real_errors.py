"""The real `openai` client against a real server on loopback: each fault becomes its kind of failure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import openai
import pytest

from sophia_infra.inference.answers import parse_answer
from sophia_infra.inference.mock_backend.faults import Fault
from sophia_infra.inference.mock_backend.server import MockBackend
from sophia_infra.inference.status_failures import parse_retry_after
from sophia_infra.inference.transport import BackendTransport
from sophia_infra.inference.upstream import AttemptFailed, Transport
from tests.inference_clock import run_async
from tests.unit.inference.core.fakes import SCOUT

_T = TypeVar("_T")
BODY = {"model": SCOUT, "messages": [{"role": "user", "content": "Is it so?"}], "max_tokens": 8}


def over(mock: MockBackend, use: Callable[[Transport], Awaitable[_T]]) -> _T:
    async def run() -> _T:
        transport = BackendTransport(mock.base_url, None)
        try:
            return await use(transport)
        finally:
            await transport.aclose()

    return run_async(run())


def complete(mock: MockBackend, body: dict[str, object] | None = None) -> bytes:
    async def use(transport: Transport) -> bytes:
        answer = await transport.complete("chat", body or BODY, request_id="r-1", timeout_s=5)
        return answer.body

    return over(mock, use)


def stream(mock: MockBackend) -> list[bytes]:
    async def use(transport: Transport) -> list[bytes]:
        opened = await transport.open_stream("chat", {**BODY, "stream": True}, request_id="r-1", timeout_s=5)
        chunks = []
        try:
            while (payload := await opened.next()) is not None:
                chunks.append(payload)
        finally:
            await opened.aclose()
        return chunks

    return over(mock, use)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("rate_limited", "rate_limited"),
        ("internal_error", "server"),
        ("unavailable", "server"),
        ("bad_request", "refused"),
        ("cut_before", "connection"),
        ("cut_after", "connection"),
        ("cut_midway", "connection"),
    ],
)
def test_each_fault_of_a_server_is_told_apart(mock: MockBackend, fault: str, kind: str) -> None:
    mock.add_fault(Fault(fault, retry_after_s=3.0))
    with pytest.raises(AttemptFailed) as caught:
        complete(mock)
    assert caught.value.kind == kind
    if fault in ("rate_limited", "unavailable"):
        assert caught.value.retry_after_s == 3.0


def test_no_server_at_all_is_a_connection_failure() -> None:
    async def use() -> None:
        transport = BackendTransport("http://127.0.0.1:9/v1", None)
        try:
            await transport.complete("chat", BODY, request_id="r", timeout_s=5)
        finally:
            await transport.aclose()

    with pytest.raises(AttemptFailed, match="connection"):
        run_async(use())


def test_a_model_that_the_server_does_not_have_is_our_setting(mock: MockBackend) -> None:
    with pytest.raises(AttemptFailed) as caught:
        complete(mock, {**BODY, "model": "other"})
    assert caught.value.kind == "misconfigured"


def test_a_prompt_beyond_the_servers_context_tells_the_limit_and_not_the_prompt(mock: MockBackend) -> None:
    secret = "swordfish " * 6_000
    with pytest.raises(AttemptFailed) as caught:
        complete(mock, {**BODY, "messages": [{"role": "user", "content": secret}]})
    assert caught.value.kind == "refused"
    assert caught.value.limit_tokens == 5_000
    assert "swordfish" not in repr(vars(caught.value))


def test_a_malformed_answer_is_found(mock: MockBackend) -> None:
    mock.add_fault(Fault("malformed"))
    with pytest.raises(AttemptFailed, match="malformed"):
        parse_answer(complete(mock))


def test_a_stream_comes_as_the_server_sent_it(mock: MockBackend) -> None:
    chunks = stream(mock)
    assert chunks[-1] == b"[DONE]"
    assert all(chunk.startswith(b"{") for chunk in chunks[:-1])


def test_a_stream_that_is_cut_is_a_lost_connection(mock: MockBackend) -> None:
    mock.add_fault(Fault("cut_midway"))
    with pytest.raises(AttemptFailed, match="connection"):
        stream(mock)


def test_the_server_counts_with_its_own_tokenizer_and_lists_its_models(mock: MockBackend) -> None:
    async def use() -> tuple[int | None, list[str], bool]:
        transport = BackendTransport(mock.base_url, None)
        try:
            return (
                await transport.count(SCOUT, BODY, 5),
                await transport.models(5),
                await transport.is_healthy(5),
            )
        finally:
            await transport.aclose()

    count, models, healthy = run_async(use())
    assert count is not None
    assert count > 0
    assert models == [SCOUT]
    assert healthy


def test_every_error_class_of_openai_has_a_kind() -> None:
    mapped = {
        openai.APIError,
        openai.APIConnectionError,
        openai.APITimeoutError,
        openai.APIResponseValidationError,
    }
    unknown = [
        error
        for error in _subclasses(openai.APIError)
        if error not in mapped and not issubclass(error, openai.APIStatusError)
    ]
    assert not unknown, "a new class of openai's errors: decide in transport_errors.py what it means"


def _subclasses(error: type[BaseException]) -> list[type[BaseException]]:
    return [error, *(deeper for child in error.__subclasses__() for deeper in _subclasses(child))]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "999999"}, 3_600.0),
        ({"retry-after": "Mon, 14 Sep 2026 10:30:20 GMT"}, 20.0),
        ({"retry-after": "Mon, 14 Sep 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    now = datetime(2026, 9, 14, 10, 30, tzinfo=UTC)
    assert parse_retry_after(headers, now) == seconds


def test_a_date_without_a_zone_is_utc() -> None:
    now = datetime(2026, 9, 14, 10, 30, tzinfo=UTC)
    later = (now + timedelta(seconds=9)).strftime("%a, %d %b %Y %H:%M:%S -0000")
    assert parse_retry_after({"retry-after": later}, now) == 9.0
