"""The whole room against a real server: answers are paid, keys and prompts stay out of logs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sophia_infra.inference.answers import Answer, StreamChunk
from sophia_infra.inference.catalogue import load_catalogue
from sophia_infra.inference.dispatch import Dispatcher
from sophia_infra.inference.errors import BackendFailed, InferenceError, RequestRefused, SettingsRefused
from sophia_infra.inference.mock_backend.faults import Fault
from sophia_infra.inference.mock_backend.server import MockBackend
from sophia_infra.inference.service import LambdaServerlessService
from sophia_infra.inference.service_config import KEY_VARIABLE, URL_VARIABLE
from sophia_infra.inference.transport import make_transports
from tests.inference_clock import VirtualClock, run_async
from tests.unit.inference.core.fakes import SCOUT, MemoryLedger, chat, config_for


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
