"""The official `openai` client against the gateway as a process: what its users see, errors included."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.load.asks import MODELS
from tests.load.scenarios import catalogue_prices
from tests.load.stand import Stand

SCOUT = MODELS[0]
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]


def client_of(stand: Stand, user: str = "load", **further: Any) -> openai.OpenAI:
    options = {"api_key": stand.keys[user], "max_retries": 0, **further}
    return openai.OpenAI(base_url=f"{stand.gateway.url}/v1", **options)


@pytest.fixture
def client(stand: Stand) -> Iterator[openai.OpenAI]:
    with client_of(stand) as opened:
        yield opened


@contextmanager
def faults(stand: Stand, kind: str, times: int | None) -> Iterator[None]:
    """Both backends fail so many times each."""
    for mock in stand.mocks.values():
        httpx2.post(f"{mock.url}/_mock/faults", json={"kind": kind, "times": times, "retry_after_s": 0})
    try:
        yield
    finally:
        for mock in stand.mocks.values():
            httpx2.delete(f"{mock.url}/_mock/faults")


def test_a_chat_is_answered_and_priced(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model=SCOUT, messages=HELLO, max_tokens=9)
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 9
    per_input, per_output = catalogue_prices()[SCOUT]
    cost = per_input * answer.usage.prompt_tokens + per_output * answer.usage.completion_tokens
    assert Decimal(raw.headers["x-sophia-cost-usd"]) == cost / 1_000_000
    assert raw.headers["x-sophia-model"] == SCOUT
    assert raw.headers["x-sophia-backend"] in ("one", "two")
    assert raw.headers["x-request-id"]


def test_a_stream_says_the_same_as_the_plain_answer(client: openai.OpenAI) -> None:
    plain = client.chat.completions.create(model=SCOUT, messages=HELLO, seed=1, max_tokens=5)
    with client.chat.completions.create(model=SCOUT, messages=HELLO, max_tokens=5, stream=True) as stream:
        events = list(stream)
    words = "".join(event.choices[0].delta.content or "" for event in events if event.choices)
    # The two backends have seeds of their own, so only the length is known to be the same.
    assert len(words.split()) == len((plain.choices[0].message.content or "").split())
    assert all(event.usage is None for event in events)


def test_a_stream_shows_its_usage_when_asked(client: openai.OpenAI) -> None:
    with client.chat.completions.create(
        model=SCOUT, messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as stream:
        last = list(stream)[-1]
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens > 0


def test_plain_completions_and_an_alias_of_a_model_work(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="llama-4-scout-17b", prompt="x", max_tokens=2)
    assert answer.choices[0].text
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 2


def test_the_models_are_listed_with_limits_and_prices(client: openai.OpenAI) -> None:
    models = {model.id: model for model in client.models.list()}
    assert set(MODELS) <= set(models)
    assert models[SCOUT].model_extra


def test_the_async_client_holds_many_calls_at_once(stand: Stand) -> None:
    async def many() -> list[Any]:
        url, key = f"{stand.gateway.url}/v1", stand.keys["load"]
        async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client:
            calls = (client.chat.completions.create(model=SCOUT, messages=HELLO) for _ in range(20))
            return await asyncio.gather(*calls)

    assert all(answer.choices[0].message.content for answer in asyncio.run(many()))


@pytest.mark.parametrize(
    ("options", "raised", "code"),
    [
        ({"model": "llama-5"}, openai.NotFoundError, "model_not_found"),
        ({"model": "deepseek-v3-0324"}, openai.APIStatusError, None),
        ({"max_tokens": -1}, openai.BadRequestError, None),
        ({"max_tokens": 200_000}, openai.BadRequestError, None),
        ({"temperature": "hot"}, openai.BadRequestError, None),
        ({"messages": []}, openai.BadRequestError, None),
        (
            {"model": "qwen-3-32b", "messages": [{"role": "user", "content": "word " * 200_000}]},
            openai.BadRequestError,
            "context_length_exceeded",
        ),
    ],
)
def test_a_mistake_of_the_caller_is_the_clients_own_exception(
    client: openai.OpenAI, options: Any, raised: type[openai.APIStatusError], code: str | None
) -> None:
    with pytest.raises(raised) as caught:
        client.chat.completions.create(**{"model": SCOUT, "messages": HELLO, **options})
    assert caught.value.message
    if code is not None:
        assert caught.value.code == code


def test_a_wrong_key_is_an_authentication_error(stand: Stand) -> None:
    wrong = stand.keys["load"][:-1] + ("a" if stand.keys["load"][-1] != "a" else "b")
    with client_of(stand, api_key=wrong) as client, pytest.raises(openai.AuthenticationError) as caught:
        client.chat.completions.create(model=SCOUT, messages=HELLO)
    assert wrong not in str(caught.value)


def test_a_backend_that_fails_once_is_not_noticed(stand: Stand, client: openai.OpenAI) -> None:
    with faults(stand, "internal_error", 1):
        assert client.chat.completions.create(model=SCOUT, messages=HELLO).choices


def test_backends_that_keep_failing_are_a_server_error(stand: Stand, client: openai.OpenAI) -> None:
    with faults(stand, "internal_error", None), pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=SCOUT, messages=HELLO)
    assert caught.value.status_code == 502


def test_what_a_backend_refuses_is_not_tried_again(stand: Stand, client: openai.OpenAI) -> None:
    with faults(stand, "bad_request", 1):
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model=SCOUT, messages=HELLO)
        hits = [
            rule["hits"]
            for mock in stand.mocks.values()
            for rule in httpx2.get(f"{mock.url}/_mock/faults").json()["rules"]
        ]
    assert sum(hits) == 1


def test_a_stream_that_breaks_is_an_error_and_no_short_answer(stand: Stand, client: openai.OpenAI) -> None:
    with (
        faults(stand, "cut_midway", 1),
        client.chat.completions.create(model=SCOUT, messages=HELLO, stream=True) as stream,
        pytest.raises(openai.APIError),
    ):
        list(stream)


def test_a_budget_holds_whatever_comes_at_once(stand: Stand) -> None:
    async def many() -> list[Any]:
        url, key = f"{stand.gateway.url}/v1", stand.keys["poor"]
        prompt: list[ChatCompletionMessageParam] = [{"role": "user", "content": "word " * 400}]
        async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client:
            calls = (
                client.chat.completions.create(model=SCOUT, messages=prompt, max_tokens=100)
                for _ in range(200)
            )
            return await asyncio.gather(*calls, return_exceptions=True)

    answers = asyncio.run(many())
    refused = [answer for answer in answers if isinstance(answer, openai.RateLimitError)]
    good = [answer for answer in answers if not isinstance(answer, BaseException)]
    per_input, per_output = catalogue_prices()[SCOUT]
    spent = sum(
        per_input * answer.usage.prompt_tokens + per_output * answer.usage.completion_tokens
        for answer in good
    )
    assert len(refused) + len(good) == len(answers)
    assert {error.code for error in refused} == {"insufficient_quota"}
    assert good
    assert spent / 1_000_000 <= Decimal("0.002")
