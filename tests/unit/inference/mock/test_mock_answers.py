"""What a mock backend answers follows from the request alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.inference.mock_backend.answers import (
    TOKENS_PER_MESSAGE,
    BadRequest,
    answer_words,
    count_text,
    parse_call,
)

TEXTS = st.text(max_size=60)


def chat(*contents: Any, **further: Any) -> Any:
    messages = [{"role": "user", "content": content} for content in contents]
    return parse_call(
        {"model": "a", "messages": messages, **further}, chat=True, models=("a",), context_tokens=1_000
    )


@given(prompt=TEXTS, limit=st.integers(1, 40), seed=st.integers(0, 3))
def test_the_same_request_is_answered_in_the_same_words_and_never_over_its_limit(
    prompt: str, limit: int, seed: int
) -> None:
    first, second = (chat(prompt, max_tokens=limit) for _ in range(2))
    answers = [answer_words(call, 0, seed=seed, usual_tokens=8) for call in (first, second)]
    assert answers[0] == answers[1]
    words, why = answers[0]
    assert 1 <= len(words) <= limit
    assert (why == "length") == (len(answer_words(chat(prompt), 0, seed=seed, usual_tokens=8)[0]) > limit)


@given(prompt=TEXTS)
def test_an_answer_without_limit_is_as_long_as_the_settings_say(prompt: str) -> None:
    words, why = answer_words(chat(prompt), 0, seed=0, usual_tokens=8)
    assert 8 <= len(words) < 16
    assert why == "stop"


def test_ignore_eos_makes_the_answer_as_long_as_its_limit() -> None:
    words, why = answer_words(chat("x", max_tokens=300, ignore_eos=True), 0, seed=0, usual_tokens=8)
    assert (len(words), why) == (300, "length")


def test_another_seed_or_choice_gives_another_answer() -> None:
    call = chat("tell me")
    answers = {tuple(answer_words(call, c, seed=s, usual_tokens=8)[0]) for c in (0, 1) for s in (0, 1)}
    assert len(answers) == 4


@given(texts=st.lists(TEXTS, min_size=1, max_size=4))
def test_input_tokens_are_never_more_than_bytes_and_frames(texts: list[str]) -> None:
    bytes_and_frames = sum(len(text.encode()) + TOKENS_PER_MESSAGE for text in texts)
    assert 0 < chat(*texts).input_tokens <= bytes_and_frames


def test_tool_definitions_and_parts_of_a_message_count() -> None:
    assert chat([{"type": "text", "text": "12345678"}]).input_tokens == TOKENS_PER_MESSAGE + 2
    assert chat("x", tools=[{"type": "function"}]).input_tokens > chat("x").input_tokens


def test_the_newer_name_of_the_limit_wins() -> None:
    assert chat("x", max_tokens=5, max_completion_tokens=3).limit == 3


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ([], 400, "JSON object"),
        ({"model": "b", "messages": [{"role": "user"}]}, 404, "`b` does not exist"),
        ({"model": "a"}, 400, "at least one message"),
        ({"model": "a", "messages": ["x"]}, 400, "with a role"),
        ({"model": "a", "messages": [{"role": "user", "content": 3}]}, 400, "list of parts"),
        ({"model": "a", "messages": [{"role": "user", "content": "x"}], "max_tokens": 0}, 400, "max_tokens"),
        ({"model": "a", "messages": [{"role": "user", "content": "x"}], "n": True}, 400, "n must be"),
        (
            {"model": "a", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1_000},
            400,
            "maximum context length is 1000 tokens",
        ),
    ],
)
def test_what_vllm_refuses_is_refused(body: Any, status: int, says: str) -> None:
    with pytest.raises(BadRequest, match=says) as caught:
        parse_call(body, chat=True, models=("a",), context_tokens=1_000)
    assert caught.value.status == status


def test_a_plain_prompt_is_a_text() -> None:
    call = parse_call({"model": "a", "prompt": "12345"}, chat=False, models=("a",), context_tokens=9)
    assert call.input_tokens == count_text("12345") == 2
    with pytest.raises(BadRequest, match="prompt must be a text"):
        parse_call({"model": "a", "prompt": [1]}, chat=False, models=("a",), context_tokens=9)
