"""The mock's paths, in process, on a clock that moves only when something waits."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest

from sophia_infra.inference.mock_backend import KINDS, Fault
from tests.unit.inference.mock.mock_bench import HELLO, Bench


def chunks(answer: httpx2.Response) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def test_a_plain_answer_its_stream_and_the_log_agree() -> None:
    bench = Bench()
    plain = bench.post("/v1/chat/completions", HELLO).json()
    stream = chunks(
        bench.post(
            "/v1/chat/completions", {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
        )
    )
    said = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in stream[:-1])
    assert said == plain["choices"][0]["message"]["content"]
    assert stream[-1]["usage"] == plain["usage"]
    assert stream[-1]["choices"] == []
    assert stream[-2]["choices"][0]["finish_reason"] == plain["choices"][0]["finish_reason"] == "stop"
    tokens = plain["usage"]["completion_tokens"]
    assert bench.outcomes() == [("answered", tokens)] * 2


def test_a_stream_shows_its_usage_only_when_asked() -> None:
    shown = chunks(Bench().post("/v1/completions", {"model": "a", "prompt": "x", "stream": True}))
    assert all("usage" not in chunk for chunk in shown)
    assert {chunk["object"] for chunk in shown} == {"text_completion"}


def test_several_choices_cost_their_tokens() -> None:
    answer = Bench().post("/v1/completions", {"model": "a", "prompt": "x", "n": 2, "max_tokens": 3}).json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    assert answer["usage"]["completion_tokens"] == 6


def test_the_request_id_and_the_start_of_the_prompt_are_in_the_log() -> None:
    bench = Bench()
    bench.run(
        lambda client: client.post("/v1/chat/completions", json=HELLO, headers={"x-request-id": "r-17"})
    )
    log = bench.get("/_mock/log").json()
    assert [(entry["request_id"], entry["prompt_start"]) for entry in log["entries"]] == [("r-17", "hello")]
    assert (log["count"], log["taken"], log["dropped"]) == (1, 1, 0)


def test_the_log_comes_in_pages_and_says_what_it_dropped() -> None:
    bench = Bench(log_entries=3)
    for _ in range(5):
        bench.post("/v1/chat/completions", HELLO)
    assert [e["number"] for e in bench.get("/_mock/log?limit=2").json()["entries"]] == [3, 4]
    assert [e["number"] for e in bench.get("/_mock/log?since=4").json()["entries"]] == [5]
    assert bench.get("/_mock/log").json()["dropped"] == 2
    assert bench.get("/_mock/log?since=x").status_code == 400


def test_models_and_tokenize_say_what_the_context_holds() -> None:
    bench = Bench(context_tokens=50)
    cards = bench.get("/v1/models").json()["data"]
    assert [(card["id"], card["max_model_len"]) for card in cards] == [("a", 50), ("b", 50)]
    counted = bench.post("/tokenize", {"model": "a", "messages": HELLO["messages"]}).json()
    assert counted["count"] == bench.post("/v1/chat/completions", HELLO).json()["usage"]["prompt_tokens"]
    assert bench.post("/tokenize", {"prompt": "x" * 400}).json()["count"] == 100
    too_long = bench.post("/v1/completions", {"model": "a", "prompt": "x" * 400})
    assert (too_long.status_code, too_long.json()["error"]["code"]) == (400, "context_length_exceeded")


def test_it_is_ready_only_once_the_model_is_loaded() -> None:
    bench = Bench(auto=False, cold_start_s=120)
    assert bench.get("/health").status_code == 503
    assert bench.get("/v1/models").status_code == 503
    refused = bench.post("/v1/chat/completions", HELLO)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "120")
    bench.clock.advance(120)
    assert bench.get("/health").status_code == 200
    assert bench.post("/v1/chat/completions", HELLO).status_code == 200
    assert bench.get("/_mock/log").json()["refused_while_loading"] == 1


def test_it_can_hold_requests_while_it_loads_and_lose_its_model_again() -> None:
    bench = Bench(cold_start_s=90, while_loading="wait")
    assert bench.post("/v1/chat/completions", HELLO).status_code == 200
    assert bench.clock.monotonic() == 90
    assert bench.post("/_mock/cold", {"seconds": 30}).status_code == 200
    assert bench.get("/health").status_code == 503
    assert bench.post("/_mock/cold", {"seconds": -1}).status_code == 400


def test_first_token_warm_up_and_every_further_token_take_their_time() -> None:
    bench = Bench(warm_up_s=20, first_token_s=0.5, token_s=0.25)
    body = {**HELLO, "max_tokens": 5, "ignore_eos": True}
    bench.post("/v1/chat/completions", body)
    assert bench.clock.monotonic() == pytest.approx(20 + 0.5 + 4 * 0.25)
    before_s = bench.clock.monotonic()
    bench.post("/v1/chat/completions", {**body, "stream": True})
    assert bench.clock.monotonic() - before_s == pytest.approx(0.5 + 4 * 0.25)


def test_speed_shortens_what_is_waited_for() -> None:
    bench = Bench(first_token_s=60, speed=60, cold_start_s=120, while_loading="wait")
    bench.post("/v1/chat/completions", HELLO)
    assert bench.clock.monotonic() == pytest.approx(3)


def test_more_than_it_works_at_once_waits_and_shows_in_the_metrics() -> None:
    bench = Bench(auto=False, running=2, token_s=1, cache_tokens=32)
    metrics: list[str] = []

    async def story(client: httpx2.AsyncClient) -> list[httpx2.Response]:
        calls = [asyncio.ensure_future(client.post("/v1/chat/completions", json=HELLO)) for _ in range(3)]
        for _ in range(20):
            await asyncio.sleep(0)
        metrics.append((await client.get("/metrics")).text)
        while not all(call.done() for call in calls):
            bench.clock.advance(1)
            await asyncio.sleep(0)
        return [call.result() for call in calls]

    assert [answer.status_code for answer in bench.run(story)] == [200] * 3
    metrics.append(bench.get("/metrics").text)
    for line in ("num_requests_running{", "num_requests_waiting{", "kv_cache_usage_perc{"):
        assert f"vllm:{line}" in metrics[0]
    assert 'vllm:num_requests_running{model_name="a"} 2' in metrics[0]
    assert 'vllm:num_requests_waiting{model_name="b"} 1' in metrics[0]
    assert 'vllm:kv_cache_usage_perc{model_name="a"} 0.3125' in metrics[0]
    assert 'vllm:num_requests_running{model_name="a"} 0' in metrics[1]
    assert 'vllm:request_success_total{model_name="a"} 3' in metrics[1]


@pytest.mark.parametrize(
    ("kind", "status", "retry_after"),
    [
        ("rate_limited", 429, "7"),
        ("unavailable", 503, "7"),
        ("internal_error", 500, None),
        ("bad_request", 400, None),
    ],
)
def test_a_refusal_is_worked_by_nobody(kind: str, status: int, retry_after: str | None) -> None:
    bench = Bench()
    bench.post("/_mock/faults", {"kind": kind, "retry_after_s": 7})
    answer = bench.post("/v1/chat/completions", HELLO)
    assert (answer.status_code, answer.headers.get("retry-after")) == (status, retry_after)
    assert answer.json()["error"]["message"]
    assert bench.outcomes() == []
    assert bench.get("/_mock/faults").json()["rules"][0]["hits"] == 1
    assert bench.post("/v1/chat/completions", HELLO).status_code == 200


def test_a_slow_answer_is_late_and_whole() -> None:
    bench = Bench()
    bench.app.engine.faults.add(Fault("slow", delay_s=40))
    assert bench.post("/v1/chat/completions", HELLO).status_code == 200
    assert bench.clock.monotonic() == 40


@pytest.mark.parametrize("stream", [False, True])
def test_a_broken_answer_is_no_json(stream: bool) -> None:
    bench = Bench()
    bench.app.engine.faults.add(Fault("malformed", after_tokens=1))
    answer = bench.post("/v1/chat/completions", {**HELLO, "stream": stream})
    with pytest.raises(ValueError, match="Expecting"):
        chunks(answer) if stream else answer.json()
    assert [outcome for outcome, _ in bench.outcomes()] == ["malformed"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_held_answer_goes_on_when_it_is_released(stream: bool) -> None:
    bench = Bench()
    bench.app.engine.faults.add(Fault("hold"))

    async def story(client: httpx2.AsyncClient) -> httpx2.Response:
        call = asyncio.ensure_future(client.post("/v1/chat/completions", json={**HELLO, "stream": stream}))
        while (await client.get("/_mock/held")).json() == {"held": 0}:
            await asyncio.sleep(0)
        assert not call.done()
        assert (await client.post("/_mock/release")).json() == {"released": 1}
        return await call

    assert bench.run(story).status_code == 200
    assert [outcome for outcome, _ in bench.outcomes()] == ["answered"]
    assert bench.app.engine.held == 0


def test_an_error_event_ends_the_stream() -> None:
    bench = Bench()
    bench.app.engine.faults.add(Fault("error_event", after_tokens=3))
    shown = chunks(bench.post("/v1/chat/completions", {**HELLO, "stream": True}))
    assert shown[-1]["error"]["code"] == 500
    assert bench.outcomes() == [("refused", 3)]


def test_faults_are_controlled_over_the_wire() -> None:
    bench = Bench(fault_rates={"unavailable": 1.0})
    assert bench.post("/v1/chat/completions", HELLO).status_code == 503
    refused = bench.post("/_mock/faults", {"kind": "burning"})
    assert refused.status_code == 400
    assert all(kind in refused.json()["error"]["message"] for kind in KINDS)
    assert bench.post("/_mock/faults", {"kindness": "slow"}).status_code == 400
    bench.run(lambda client: client.delete("/_mock/faults"))
    assert bench.post("/v1/chat/completions", HELLO).status_code == 200
    bench.run(lambda client: client.delete("/_mock/log"))
    assert bench.get("/_mock/log").json()["entries"] == []


def test_unknown_paths_and_methods_are_told_apart() -> None:
    bench = Bench()
    assert bench.get("/v1/embeddings").status_code == 404
    assert bench.get("/v1/chat/completions").status_code == 405
    no_json = bench.run(lambda client: client.post("/v1/chat/completions", content=b"{"))
    assert (no_json.status_code, no_json.json()["error"]["message"]) == (400, "the body is not JSON")
