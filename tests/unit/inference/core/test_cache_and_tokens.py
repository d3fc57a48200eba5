"""Kept answers and token bounds."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.inference.cache import AnswerCache, cache_key, is_cacheable
from sophia_infra.inference.tokens import count_tokens
from sophia_infra.model.gateway import CacheConfig
from tests.inference_clock import VirtualClock

_json = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
_bodies = st.dictionaries(st.sampled_from(["model", "messages", "seed", "tools", "temperature"]), _json)


def _shuffled(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict):
        items = list(value.items())
        rng.shuffle(items)
        return {key: _shuffled(inner, rng) for key, inner in items}
    return [_shuffled(inner, rng) for inner in value] if isinstance(value, list) else value


@given(body=_bodies, seed=st.integers(), user=st.text())
def test_the_key_depends_on_nothing_but_what_changes_the_answer(body: Any, seed: int, user: str) -> None:
    other = _shuffled(
        {**body, "user": user, "metadata": {"trace": user}, "stream": False}, random.Random(seed)
    )
    assert cache_key("chat", body) == cache_key("chat", other)
    assert cache_key("chat", body) != cache_key("completions", body)


@given(body=_bodies, other=_bodies)
def test_different_requests_have_different_keys(body: Any, other: Any) -> None:
    same = _canonical(body) == _canonical(other)
    assert (cache_key("chat", body) == cache_key("chat", other)) == same


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def test_the_key_stays_the_same_from_release_to_release() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "é"}], "temperature": 0}
    assert cache_key("chat", body).startswith("c6228e7e7bfa1cda")


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"temperature": 0}, True),
        ({"temperature": 0.0}, True),
        ({}, False),
        ({"temperature": 0.1}, False),
        ({"temperature": False}, False),
        ({"temperature": 0, "stream": True}, False),
    ],
)
def test_only_one_right_answer_is_kept(fields: dict[str, Any], kept: bool) -> None:
    assert is_cacheable(fields) == kept


def test_the_longest_unused_goes_first_and_nothing_outlives_its_time() -> None:
    clock = VirtualClock(auto=False)
    cache = AnswerCache[str](CacheConfig(ttl_s=60, max_entries=2), clock)
    cache.put("a", "1")
    cache.put("b", "2")
    assert cache.get("a") == "1"
    cache.put("c", "3")
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("1", None, "3")
    clock.advance(60)
    assert cache.get("a") is None
    assert len(cache) == 1


def test_a_cache_that_is_off_keeps_nothing() -> None:
    cache = AnswerCache[str](CacheConfig(enabled=False), VirtualClock())
    cache.put("a", "1")
    assert len(cache) == 0


@given(body=st.dictionaries(st.sampled_from(["messages", "prompt", "tools", "model"]), _json))
def test_bounds_are_in_order_for_any_json(body: Any) -> None:
    estimate = count_tokens(body)
    assert 0 < estimate.low <= estimate.likely <= estimate.high


@given(texts=st.lists(st.text(), max_size=4))
def test_the_upper_bound_is_no_less_than_the_bytes_of_all_text(texts: list[str]) -> None:
    body = {"messages": [{"role": "user", "content": text} for text in texts]}
    assert count_tokens(body).high >= sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)


def test_english_and_chinese_are_guessed_near_what_tokenizers_say() -> None:
    english = count_tokens({"prompt": "The quick brown fox jumps over the lazy dog. " * 100}).likely
    assert 900 <= english <= 1_200  # tokenizers say 1,000
    chinese = count_tokens({"prompt": "今天天气很好我们去公园" * 100}).likely
    assert 600 <= chinese <= 1_700


def test_token_ids_are_counted_exactly_beside_the_overhead() -> None:
    estimate = count_tokens({"prompt": [1, 2, 3, 4]})
    assert estimate.likely == 4 + 3


def test_an_image_is_not_counted_by_its_bytes() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4_000_000}}
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}]}
    assert count_tokens(body).high < 20_000


def test_tools_count() -> None:
    tools = [{"type": "function", "function": {"name": "f", "description": "x" * 4_000}}]
    assert count_tokens({"prompt": "", "tools": tools}).likely > 1_000
