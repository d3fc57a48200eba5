"""Routing as a pure function: who may take a call, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.inference.catalogue import load_catalogue
from sophia_infra.inference.errors import (
    BackendEnded,
    InferenceError,
    ModelNotAllowed,
    NoBackendReady,
    OutputTooLong,
    PromptTooLong,
    UnknownModel,
)
from sophia_infra.inference.legs import Leg, RouteWish, cheaper_choices
from sophia_infra.inference.request import CallShape
from sophia_infra.inference.router import plan_route
from sophia_infra.inference.tokens import TokenEstimate
from sophia_infra.model.gateway import GatewayConfig
from tests.unit.inference.core.fakes import SCOUT, config_for

CATALOGUE = load_catalogue()
MAVERICK = "llama-4-maverick-17b-128e-instruct"
DEEPSEEK = "deepseek-v3-0324"
LARGE = "llama-3.1-405b-instruct"
QWEN = "qwen-3-32b"
FIVE = [MAVERICK, SCOUT, DEEPSEEK, LARGE, QWEN]
ALL_MODELS = {"models": {name: name for name in FIVE}}


def shape(model: str, tokens: int = 100, **fields: Any) -> CallShape:
    known = {"max_tokens": 100, "answers": 1, "stream": False, "wants_usage": False}
    return CallShape(model=model, input=TokenEstimate(1, tokens, tokens * 3), **{**known, **fields})


def plan(
    call: CallShape,
    config: GatewayConfig,
    wish: RouteWish | None = None,
    *,
    pressure: int = 0,
    cold: Sequence[str] = (),
) -> tuple[Leg, ...]:
    def ready(model: str) -> list[str]:
        return [
            name for name, backend in config.backends.items() if model in backend.models and name not in cold
        ]

    return plan_route(call, wish or RouteWish(), CATALOGUE, config, ready, pressure)


def models(legs: Sequence[Leg]) -> list[str]:
    return list(dict.fromkeys(leg.model for leg in legs))


def test_the_asked_model_goes_first_and_the_fallback_after_it_in_its_order() -> None:
    assert models(plan(shape(LARGE), config_for({"all": ALL_MODELS}))) == [LARGE, SCOUT, DEEPSEEK, QWEN]


def test_a_fallback_that_no_backend_has_is_left_out() -> None:
    config = config_for({"some": {"models": {LARGE: "a", QWEN: "b"}}})
    assert models(plan(shape(LARGE), config)) == [LARGE, QWEN]


@pytest.mark.parametrize(
    ("strategy", "first"), [("cost", SCOUT), ("performance", LARGE), ("balanced", MAVERICK)]
)
def test_auto_follows_the_strategy(strategy: Any, first: str) -> None:
    config = config_for({"all": ALL_MODELS}, routing={"strategy": strategy})
    assert models(plan(shape("auto"), config))[0] == first


def test_a_strategy_of_the_call_goes_before_the_configurations() -> None:
    config = config_for({"all": ALL_MODELS}, routing={"strategy": "performance"})
    assert models(plan(shape("auto"), config, RouteWish(strategy="cost")))[0] == SCOUT


def test_a_long_document_goes_to_a_long_context_first() -> None:
    config = config_for({"all": ALL_MODELS}, routing={"strategy": "performance"})
    order = models(plan(shape("auto", 50_000), config))
    assert order == [MAVERICK, SCOUT, DEEPSEEK, LARGE]


def test_a_budget_nearly_used_up_takes_the_cheapest_that_holds_the_call() -> None:
    config = config_for({"all": ALL_MODELS}, routing={"strategy": "performance"})
    assert models(plan(shape("auto"), config, pressure=80))[0] == SCOUT
    assert models(plan(shape("auto"), config, pressure=79))[0] == LARGE


def test_interactive_calls_go_to_interactive_backends_and_others_leave_them_alone() -> None:
    config = config_for({"slow": {"latency": "batch"}, "plain": {}, "quick": {"latency": "interactive"}})
    assert plan(shape(SCOUT), config, RouteWish("interactive"))[0].backend == "quick"
    assert plan(shape(SCOUT), config, RouteWish("batch"))[0].backend == "slow"
    assert plan(shape(SCOUT), config)[0].backend == "plain"


def test_the_cheaper_backend_goes_first_when_cost_counts() -> None:
    dear = {"prices": {SCOUT: {"usd_per_million_input": "$5", "usd_per_million_output": "$5"}}}
    config = config_for({"dear": dear, "cheap": {}}, routing={"strategy": "cost"})
    assert [leg.backend for leg in plan(shape(SCOUT), config)] == ["cheap", "dear"]


def test_a_backend_asked_by_name_is_the_only_one() -> None:
    config = config_for({"one": {}, "two": {}})
    assert [leg.backend for leg in plan(shape(f"two/{SCOUT}"), config)] == ["two"]
    with pytest.raises(UnknownModel):
        plan(shape(f"two/{QWEN}"), config)


def test_an_alias_is_the_model() -> None:
    assert plan(shape("Llama-4-Scout-17B"), config_for())[0].model == SCOUT


def test_a_user_gets_no_model_beyond_its_list_neither_asked_nor_as_a_fallback() -> None:
    config = config_for({"all": ALL_MODELS})
    wish = RouteWish(models=(LARGE, QWEN))
    assert models(plan(shape(LARGE), config, wish)) == [LARGE, QWEN]
    assert set(models(plan(shape("auto"), config, wish))) == {LARGE, QWEN}
    with pytest.raises(ModelNotAllowed, match=LARGE):
        plan(shape(SCOUT), config, wish)


def test_what_is_cold_is_not_asked_and_the_error_says_when_to_come_back() -> None:
    config = config_for({"one": {}, "two": {}})
    assert [leg.backend for leg in plan(shape(SCOUT), config, cold=["one"])] == ["two"]
    with pytest.raises(NoBackendReady) as caught:
        plan(shape(SCOUT), config, cold=["one", "two"])
    assert caught.value.retry_after_s == 5.0


def test_too_much_output_is_told_apart_from_too_long_a_prompt() -> None:
    config = config_for({"all": ALL_MODELS})
    with pytest.raises(PromptTooLong) as caught:
        plan(shape(QWEN, 50_000), config)
    assert caught.value.holds == LARGE
    with pytest.raises(OutputTooLong):
        plan(shape(LARGE, max_tokens=100_001), config)


def test_a_tight_budget_may_leave_out_dearer_legs_but_never_the_last() -> None:
    legs = plan(shape("auto"), config_for({"all": ALL_MODELS}, routing={"strategy": "performance"}))
    choices = cheaper_choices(legs, is_auto=True)
    assert choices[0] == legs
    assert models(choices[-1]) == [SCOUT]
    highest = [max(leg.most_usd for leg in choice) for choice in choices]
    assert highest == sorted(set(highest), reverse=True)


_backends = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]),
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["vllm", "openai", "lambda"]),
            "models": st.lists(st.sampled_from(FIVE), min_size=1, unique=True).map(
                lambda names: {name: name for name in names}
            ),
            "latency": st.sampled_from(["interactive", "standard", "batch"]),
        }
    ),
    min_size=1,
)


@given(
    backends=_backends,
    model=st.sampled_from([*FIVE, "auto", "llama-4-scout-17b"]),
    low=st.integers(0, 1_100_000),
    more=st.integers(0, 50_000),
    max_tokens=st.one_of(st.none(), st.integers(1, 100_000)),
    answers=st.integers(1, 4),
    strategy=st.sampled_from(["performance", "cost", "balanced", None]),
    latency=st.sampled_from(["interactive", "standard", "batch"]),
    allowed=st.lists(st.sampled_from(FIVE), unique=True),
    pressure=st.integers(0, 120),
    cold=st.lists(st.sampled_from(["a", "b", "c", "d"])),
)
def test_whatever_is_asked_each_leg_holds_the_call_and_is_ready_allowed_and_alive(
    backends: Any,
    model: str,
    low: int,
    more: int,
    max_tokens: int | None,
    answers: int,
    strategy: Any,
    latency: Any,
    allowed: list[str],
    pressure: int,
    cold: list[str],
) -> None:
    config = config_for(backends)
    call = CallShape(model, TokenEstimate(low // 4, low, low + more), max_tokens, answers, False, False)
    wish = RouteWish(latency, strategy, tuple(allowed))
    try:
        legs = plan(call, config, wish, pressure=pressure, cold=cold)
    except InferenceError:
        return
    assert legs
    for leg in legs:
        card = CATALOGUE.find(leg.model)
        backend = config.backends[leg.backend]
        assert leg.max_tokens >= 1
        assert low + leg.max_tokens <= card.context_tokens
        assert leg.max_tokens <= card.max_output_tokens
        assert leg.max_tokens == (max_tokens or leg.max_tokens)
        assert leg.most.input == low + more
        assert leg.most.output == leg.max_tokens * answers
        assert leg.most_usd >= Decimal(0)
        assert backend.kind != "lambda"
        assert leg.backend not in cold
        assert leg.upstream_model == backend.models[leg.model]
        assert not allowed or leg.model in allowed
    if model != "auto":
        assert legs[0].model == CATALOGUE.find(model).name or all(
            leg.model in config.routing.fallback for leg in legs
        )


def test_a_model_that_only_lambda_has_is_not_replaced_in_silence() -> None:
    config = config_for({"main": {}, "old": {"kind": "lambda", "base_url": None, "models": {QWEN: "q"}}})
    with pytest.raises(BackendEnded):
        plan(shape(QWEN), config)
    assert models(plan(shape("auto"), config)) == [SCOUT]
