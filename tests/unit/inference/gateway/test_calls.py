"""What a caller of the two endpoints sees, and what the dispatcher is asked."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.inference.errors import BackendFailed, DeadlinePassed, NoBackendReady, OverBudget
from sophia_infra.inference.gateway.app import make_app
from sophia_infra.inference.gateway.logs import CALL_LOG, FIELDS
from sophia_infra.model.gateway import GatewayLimits
from tests.inference_clock import run_async
from tests.unit.inference.gateway.asgi import Connection
from tests.unit.inference.gateway.calling import BODY, CHAT, PROMPT, ask
from tests.unit.inference.gateway.door import ANSWER, QWEN, Site


def test_the_answer_passes_as_the_backend_sent_it_with_its_bill(tmp_path: Path) -> None:
    site = Site(tmp_path)
    reply = ask(site, headers=site.headers(x_session_id="s1", x_sophia_latency="batch"))
    assert (reply.status, reply.body) == (200, ANSWER.body)
    assert reply.headers["x-sophia-cost-usd"] == "0.0000023"
    assert reply.headers["x-sophia-model"] == QWEN
    assert reply.headers["x-sophia-backend"] == "own"
    (call,) = site.calls.asked
    assert call.request_id == reply.headers["x-request-id"]
    assert (call.user, call.session_id, call.latency, call.body) == ("backend", "s1", "batch", BODY)


def test_each_call_has_an_id_of_its_own_whatever_the_caller_sends(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for _ in range(2):
        ask(site, headers=site.headers(x_request_id="mine"))
    ids = {call.request_id for call in site.calls.asked}
    assert len(ids) == 2
    assert "mine" not in ids


def test_the_models_of_a_user_go_with_the_call(tmp_path: Path) -> None:
    site = Site(tmp_path)
    ask(site, headers={"authorization": f"Bearer {site.limited}"})
    assert site.calls.asked[0].models == (QWEN,)


def test_without_a_key_nothing_is_asked_and_the_body_is_not_parsed(tmp_path: Path) -> None:
    site = Site(tmp_path)
    reply = ask(site, headers={})
    assert (reply.status, reply.json["error"]["code"]) == (401, "invalid_api_key")
    assert reply.headers["www-authenticate"] == "Bearer"
    assert site.calls.asked == []


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (NoBackendReady("none", retry_after_s=4.2), 503, "server_error"),
        (DeadlinePassed("late"), 504, "server_error"),
        (
            OverBudget(
                scope="all",
                window="request",
                limit_usd=ANSWER.usd,
                spent_usd=ANSWER.usd,
                asked_usd=ANSWER.usd,
            ),
            429,
            "insufficient_quota",
        ),
    ],
)
def test_errors_have_openai_form(tmp_path: Path, error: Any, status: int, kind: str) -> None:
    site = Site(tmp_path)
    site.calls.error = error
    reply = ask(site)
    assert reply.status == status
    assert reply.json["error"] == {
        "message": str(error),
        "type": kind,
        "code": error.code,
        "param": error.param,
    }
    assert reply.headers.get("retry-after") == ("5" if error.retry_after_s else None)


def test_a_mistake_of_ours_tells_the_caller_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.calls.error = ValueError(PROMPT)
    reply = ask(site)
    assert (reply.status, reply.json["error"]["code"]) == (500, "internal_error")
    assert PROMPT.encode() not in reply.body


def test_too_fast_is_429_with_the_time_to_wait(tmp_path: Path) -> None:
    site = Site(tmp_path, GatewayLimits(requests_per_minute=30, burst=1))
    assert ask(site).status == 200
    reply = ask(site)
    assert (reply.status, reply.json["error"]["code"]) == (429, "rate_limit_exceeded")
    assert reply.headers["retry-after"] == "2"
    assert len(site.calls.asked) == 1


def test_a_body_that_grows_too_large_is_refused_and_the_connection_ends(tmp_path: Path) -> None:
    site = Site(tmp_path, GatewayLimits(max_body_bytes=1024))

    async def scene() -> Connection:
        connection = Connection(CHAT, [b"x" * 524_288] * 8, site.headers())
        await make_app(site.door)(connection.scope, connection.receive, connection.send)
        return connection

    reply = run_async(scene())
    assert reply.status == 413
    assert reply.headers["connection"] == "close"
    assert reply.parts_read < 8
    assert site.door.held_bytes == 0


@pytest.mark.parametrize("header", ["x_sophia_latency", "x_sophia_strategy"])
def test_an_unknown_wish_is_refused_with_what_there_is(tmp_path: Path, header: str) -> None:
    site = Site(tmp_path)
    reply = ask(site, headers=site.headers(**{header: "fast"}))
    assert reply.status == 400
    assert "balanced" in reply.json["error"]["message"] or "batch" in reply.json["error"]["message"]


def _logged(site: Site, caplog: pytest.LogCaptureFixture, look: Callable[[dict[str, Any]], None]) -> None:
    with caplog.at_level(logging.INFO, CALL_LOG):
        ask(site)
    (record,) = [record for record in caplog.records if record.name == CALL_LOG]
    look(getattr(record, FIELDS))


def test_a_call_is_one_line_without_prompt_and_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    site = Site(tmp_path)

    def look(fields: dict[str, Any]) -> None:
        assert fields["user"] == "backend"
        assert fields["usd"] == "0.0000023"
        assert (fields["input_tokens"], fields["output_tokens"]) == (10, 5)
        assert PROMPT not in str(fields)
        assert site.key not in str(fields)

    _logged(site, caplog, look)


def test_prompts_are_logged_only_when_asked_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _logged(Site(tmp_path, log_prompts=True), caplog, lambda fields: _has(fields["prompt"], PROMPT))


def _has(prompt: Any, text: str) -> None:
    assert prompt[0]["content"] == text


def test_memory_for_bodies_is_given_back_whatever_happens(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.calls.error = BackendFailed("cut")
    ask(site)
    ask(site, {"model": QWEN})
    assert site.door.held_bytes == 0


def test_too_many_large_bodies_at_once_are_told_to_come_back(tmp_path: Path) -> None:
    site = Site(tmp_path, GatewayLimits(max_body_bytes=1024))
    site.door.held_bytes = 16 * 1024
    reply = ask(site)
    assert (reply.status, reply.json["error"]["code"]) == (503, "gateway_busy")
