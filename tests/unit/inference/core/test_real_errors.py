"""The real `openai` client against a real server on loopback: each fault becomes its kind of failure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import openai
import pytest

from sophia_infra.inference.answers import Answer, StreamChunk, parse_answer
from sophia_infra.inference.catalogue import load_catalogue
from sophia_infra.inference.dispatch import Dispatcher
from sophia_infra.inference.errors import BackendFailed, InferenceError, RequestRefused, SettingsRefused
from sophia_infra.inference.mock_backend.faults import Fault
from sophia_infra.inference.mock_backend.server import MockBackend
from sophia_infra.inference.mock_backend.settings import MockSettings
from sophia_infra.inference.service import LambdaServerlessService
from sophia_infra.inference.service_config import KEY_VARIABLE, URL_VARIABLE
from sophia_infra.inference.status_failures import parse_retry_after
from sophia_infra.inference.transport import BackendTransport, make_transports
from sophia_infra.inference.upstream import AttemptFailed, Transport
from tests.inference_clock import VirtualClock, run_async
from tests.unit.inference.core.fakes import SCOUT, MemoryLedger, chat, config_for

_T = TypeVar("_T")
BODY = {"model": SCOUT, "messages": [{"role": "user", "content": "Is it so?"}], "max_tokens": 8}


@pytest.fixture
def mock() -> Iterator[MockBackend]:
    with MockBackend(MockSettings(models=(SCOUT,), context_tokens=5_000)) as backend:
        yield backend


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


def test_calls_through_the_whole_room_are_answered_and_paid(mock: MockBackend) -> None:
    ledger = MemoryLedger()
    config = config_for({"main": {"base_url": mock.base_url, "models": {SCOUT: SCOUT}}})

    async def run() -> tuple[Answer, list[object]]:
        dispatcher = Dispatcher(
            config, load_catalogue(), ledger, make_transports(config, {}), clock=VirtualClock()
        )
        mock.add_fault(Fault("internal_error", containing="again"))
        answer = await dispatcher.complete(chat("once more, again", request_id="a"))
        events: list[object] = [event async for event in dispatcher.stream(chat(request_id="b"))]
        await dispatcher.aclose()
        return answer, events

    answer, events = run_async(run())
    assert answer.attempts == 2
    assert isinstance(events[-1], Answer)
    assert events[-2] == StreamChunk(b"[DONE]")
    assert set(ledger.entries) == {"a", "b"}
    worked = [work for work in mock.work() if work.outcome == "answered"]
    assert [work.request_id for work in worked] == ["a", "b"]


def test_a_gateway_of_the_environment_is_found_and_its_cost_believed(mock: MockBackend) -> None:
    environ = {URL_VARIABLE: mock.base_url, KEY_VARIABLE: "sk-any"}

    async def run() -> None:
        async with LambdaServerlessService(environ=environ) as service:
            answer = await service.generate_async("Say yes.", max_tokens=5)
            assert answer.text
            assert answer.model == SCOUT
            assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
            assert answer.cost > 0
            pieces = [piece async for piece in service.stream_async("Say yes.", max_tokens=5)]
            last = pieces.pop()
            assert not isinstance(last, str)
            assert last.text == "".join(str(piece) for piece in pieces)
            assert (await service.health()).ok
            with pytest.raises(InferenceError, match="did you mean"):
                await service.generate_async("Say yes.", model="lama-4-scout-17b")

    run_async(run())


def test_without_any_setting_the_client_says_how_to_give_one() -> None:
    with pytest.raises(SettingsRefused, match=URL_VARIABLE):
        LambdaServerlessService(environ={})


def test_a_gateway_that_is_not_there_shows_at_once() -> None:
    async def run() -> None:
        environ = {URL_VARIABLE: "http://127.0.0.1:9/v1", KEY_VARIABLE: "sk-any"}
        async with LambdaServerlessService(environ=environ):
            pass

    with pytest.raises(SettingsRefused, match="did not list its models"):
        run_async(run())


def test_uses_measured_elsewhere_are_written_down_once_and_exactly() -> None:
    ledger = MemoryLedger()

    async def run() -> tuple[bool, bool]:
        async with LambdaServerlessService(config_for(), ledger=ledger) as service:
            first = await service.track_usage(
                400, 0.1, SCOUT, input_tokens=300, output_tokens=100, request_id="x"
            )
            again = await service.track_usage(400, "0.1", SCOUT, request_id="x")
            for wrong in ("-1", float("nan"), "0.0000000000001", "much"):
                with pytest.raises(RequestRefused):
                    await service.track_usage(1, wrong, SCOUT)
            with pytest.raises(RequestRefused):
                await service.track_usage(10, 1, SCOUT, input_tokens=4, output_tokens=5)
            return first, again

    assert run_async(run()) == (True, False)
    assert ledger.entries["x"].usd == Decimal("0.1")
    assert ledger.entries["x"].model == SCOUT


def test_a_key_whose_variable_is_not_set_is_named() -> None:
    config = config_for({"main": {"api_key_env": "MODEL_KEY"}})
    with pytest.raises(SettingsRefused, match="MODEL_KEY, which is not set"):
        make_transports(config, {})


def test_a_failing_backend_is_told_without_its_words(mock: MockBackend) -> None:
    config = config_for(
        {"main": {"base_url": mock.base_url, "models": {SCOUT: SCOUT}}}, routing={"attempts": 1}
    )

    async def run() -> None:
        dispatcher = Dispatcher(config, load_catalogue(), MemoryLedger(), make_transports(config, {}))
        try:
            await dispatcher.complete(chat("swordfish"))
        finally:
            await dispatcher.aclose()

    mock.add_fault(Fault("internal_error"))
    with pytest.raises(BackendFailed) as caught:
        run_async(run())
    assert "swordfish" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_neither_a_prompt_nor_a_key_is_logged_even_when_everything_is(
    mock: MockBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    config = config_for(
        {"main": {"base_url": mock.base_url, "models": {SCOUT: SCOUT}, "api_key_env": "MODEL_KEY"}}
    )

    async def run() -> None:
        transports = make_transports(config, {"MODEL_KEY": "opensesame"})
        dispatcher = Dispatcher(config, load_catalogue(), MemoryLedger(), transports)
        await dispatcher.complete(chat("swordfish"))
        await dispatcher.aclose()

    run_async(run())
    assert caplog.text
    assert "swordfish" not in caplog.text
    assert "opensesame" not in caplog.text
