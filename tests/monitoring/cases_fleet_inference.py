"""Cases of inference: the plan's rule beside ours, budgets, refusals and backends.

Stack `local` has the gateway's default limits: $10 an hour and $2,500 a month, $3.47 an hour on average.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from tests.monitoring.fleet_series import counter, steady
from tests.monitoring.rule_cases import Case, Recorded, local_terms

__all__ = ["CASES", "FIRST_MESSAGES", "PLAN_TERMS"]

_M = 60
_H = 3_600

PLAN_TERMS = replace(local_terms(), inference_usd_per_month=Decimal(250))
"""With the plan's target for a month."""


def _series(user: str, kind: str = "output") -> dict[str, str]:
    return {"model": "qwen-3-32b", "backend": "own-gpu", "user": user, "kind": kind}


def _money(values: str, user: str = "sophia-backend") -> dict[str, str]:
    labels = ",".join(f'{key}="{value}"' for key, value in _series(user).items())
    return {f"lambda_inference_cost_total{{{labels}}}": values}


def _refused(code: str, per_hour: float) -> dict[str, str]:
    return {f'lambda_inference_refused_total{{code="{code}"}}': counter(per_hour)}


def _ready(**backends: int) -> dict[str, str]:
    # Two gateways; the second sees nothing of what the first one sees.
    return {
        f'lambda_inference_backend_ready{{backend="{name}",pod="{pod}"}}': steady(value if pod == "a" else 0)
        for name, value in backends.items()
        for pod in ("a", "b")
    }


def _warm(count: int) -> dict[str, str]:
    return {
        f'lambda_inference_warm_backends{{model="qwen-3-32b",pod="{pod}"}}': steady(count) for pod in "ab"
    }


def _use(ratio: float) -> dict[str, str]:
    return {'lambda_inference_budget_use_ratio{user="sophia-backend"}': steady(ratio)}


_STEADY = _money(counter(12))
_SPLIT = {**_money(counter(6), "sophia-backend"), **_money(counter(6), "sophia-ai-core")}
# $30 in 5 minutes, half an hour after the start.
_SPIKE = _money("0x30 6+6x4 30x300")
_SPIKE_IN_FIVES = _money("0x6 30x300", "sophia-backend")

FIRST_MESSAGES: Mapping[str, int] = {
    "HighInferenceCosts": 111,
    "InferenceCostsHigh": 41,
    "InferenceBudgetBurnsFast": 26,
}
"""Alert -> minutes after a steady $12 an hour began; the last one with the plan's $250 a month."""

_TIMING = [
    Case(
        "HighInferenceCosts",
        "$12/h: after 111 minutes, $22.20",
        _STEADY,
        111 * _M,
        [_series("sophia-backend")],
    ),
    Case("HighInferenceCosts", "$12/h: not after 110", _STEADY, 110 * _M),
    Case("InferenceCostsHigh", "$12/h: after 41 minutes, $8.20", _STEADY, 41 * _M, [{}]),
    Case("InferenceCostsHigh", "$12/h: not after 39", _STEADY, 39 * _M),
    Case(
        "InferenceBudgetBurnsFast",
        "$12/h of $250 a month: after 26 minutes, $5.20",
        _STEADY,
        26 * _M,
        [{}],
        terms=PLAN_TERMS,
    ),
    Case("InferenceBudgetBurnsFast", "$12/h of $250: not after 24", _STEADY, 24 * _M, terms=PLAN_TERMS),
    Case("HighInferenceCosts", "two users at $6/h: the plan never hears of it", _SPLIT, 5 * _H),
    Case("InferenceCostsHigh", "two users at $6/h: after 41 minutes", _SPLIT, 41 * _M, [{}]),
    Case("HighInferenceCosts", "$30 in 5 minutes: fires late", _SPIKE, 93 * _M, [_series("sophia-backend")]),
    Case("HighInferenceCosts", "$30 in 5 minutes: over two minutes later", _SPIKE, 95 * _M),
    Case("HighInferenceCosts", "the same, looked at every 5 minutes", _SPIKE_IN_FIVES, 90 * _M, step_s=300),
    Case("HighInferenceCosts", "and 5 minutes on", _SPIKE_IN_FIVES, 95 * _M, step_s=300),
    Case("HighInferenceCosts", "and 10 minutes on", _SPIKE_IN_FIVES, 100 * _M, step_s=300),
    Case("InferenceCostsHigh", "$30 in 5 minutes: at once", _SPIKE, 32 * _M, [{}]),
    Case("InferenceCostsHigh", "$30 in 5 minutes: over when it is over", _SPIKE, 42 * _M),
    Case("InferenceCostsHigh", "$9/h", _money(counter(9)), 56 * _M, [{}]),
    Case(
        "InferenceCostsHigh",
        "much in an hour, and less now",
        _money(f"{counter(12, samples=50)} {counter(6, start=10.01)}"),
        _H,
    ),
    Case("InferenceCostsHigh", "$7.90/h", _money(counter(7.9)), 3 * _H),
    Case(
        "InferenceCostsHigh",
        "a gateway that starts with the ledger's total",
        _money(f"_x60 {counter(1, start=4_000)}"),
        2 * _H,
    ),
]

_BURN = [
    Case("InferenceBudgetBurnsFast", "$60/h: $50 in 51 minutes", _money(counter(60)), 51 * _M, [{}]),
    Case("InferenceBudgetBurnsFast", "$60/h: not yet", _money(counter(60)), 49 * _M),
    Case(
        "InferenceBudgetBurnsFast",
        "much in an hour, and less now",
        _money(f"{counter(60, samples=55)} {counter(40, start=55.01)}"),
        61 * _M,
    ),
    Case("InferenceBudgetBurnsFast", "$25/h: $125 in 5 hours", _money(counter(25)), 306 * _M, [{}]),
    Case("InferenceBudgetBurnsFast", "$25/h: not after 4 hours and a half", _money(counter(25)), 270 * _M),
    Case(
        "InferenceBudgetBurnsFast",
        "much in 5 hours, and less now",
        _money(f"{counter(26, samples=300)} {counter(15, start=130.01)}"),
        335 * _M,
    ),
    Case(
        "InferenceBudgetBurnsFast", "the hour's limit, all day", _money(counter(10, 300)), 24 * _H, step_s=300
    ),
    Case(
        "InferenceBudgetBurns",
        "$11/h: 10 % of the month in a day",
        _money(counter(11, 300)),
        23 * _H,
        [{}],
        step_s=300,
    ),
    Case("InferenceBudgetBurns", "$11/h: not after 22 hours", _money(counter(11, 300)), 22 * _H, step_s=300),
    Case(
        "InferenceBudgetBurns",
        "much in a day, and less now",
        _money(f"{counter(12, 300, samples=252)} {counter(8, 300, start=252.01)}"),
        24 * _H,
        step_s=300,
    ),
    Case(
        "InferenceBudgetBurns",
        "much in 3 days, and less now",
        _money(f"{counter(5, 1_800, samples=132)} {counter(3, 1_800, start=330.01)}"),
        73 * _H,
        step_s=1_800,
    ),
    Case(
        "InferenceBudgetBurns",
        "all of the month's budget",
        _money(counter(3.47, 1_800)),
        75 * _H,
        step_s=1_800,
    ),
    Case(
        "InferenceBudgetBurns", "1.3 times of it", _money(counter(4.51, 1_800)), 70 * _H, [{}], step_s=1_800
    ),
]

_BUDGETS = [
    Case("InferenceUserNearBudget", "80 %", _use(0.8), 300, [{"user": "sophia-backend"}]),
    Case("InferenceUserNearBudget", "a minute before", _use(0.8), 240),
    Case("InferenceUserNearBudget", "79 %", _use(0.79), _H),
    Case(
        "InferenceRefusedByBudget", "6 in a quarter of an hour", _refused("insufficient_quota", 24), 900, [{}]
    ),
    Case("InferenceRefusedByBudget", "4 in a quarter of an hour", _refused("insufficient_quota", 16), _H),
    Case("InferenceRefusedByBudget", "other refusals", _refused("rate_limit_exceeded", 600), _H),
]

_BACKENDS = [
    Case("InferenceDown", "all cold", _ready(own=0, third=0), 120, [{}]),
    Case("InferenceDown", "a minute before", _ready(own=0, third=0), 60),
    Case("InferenceDown", "one is ready for one gateway", _ready(own=0, third=1), _H),
    Case("InferenceModelNotServed", "loaded nowhere", _warm(0), 300, [{"model": "qwen-3-32b"}]),
    Case("InferenceModelNotServed", "a minute before", _warm(0), 240),
    Case("InferenceModelNotServed", "loaded once", _warm(1), _H),
    Case("InferenceBackendNotReady", "one of two", _ready(own=0, third=1), 600, [{"backend": "own"}]),
    Case("InferenceBackendNotReady", "a minute before", _ready(own=0, third=1), 540),
    Case("InferenceBackendNotReady", "both are", _ready(own=1, third=1), _H),
    Case("InferenceQueueFull", "6 in 5 minutes", _refused("queue_full", 72), 360, [{}]),
    Case("InferenceQueueFull", "5 in 5 minutes", _refused("queue_full", 59), _H),
]

_TOKENS = {
    'lambda_inference_tokens_total{model="qwen-3-32b",kind="input"}': counter(30_000),
    'lambda_inference_tokens_total{model="qwen-3-32b",kind="output"}': counter(10_000),
}

_RECORDED = [
    Recorded(
        "dollars per hour by user",
        "round(inference_user:usd_per_hour:rate5m, 0.0001)",
        {**_money(counter(6), "a"), **_money(counter(1.5), "b")},
        _H,
        [('{user="a"}', 6.0), ('{user="b"}', 1.5)],
    ),
    Recorded(
        "dollars per hour by model and by backend, and in all",
        "round(inference_model:usd_per_hour:rate5m, 0.0001) or "
        "round(inference_backend:usd_per_hour:rate5m, 0.0001) or "
        "round(inference:usd_per_hour:rate5m, 0.0001)",
        _SPLIT,
        _H,
        [('{model="qwen-3-32b"}', 12.0), ('{backend="own-gpu"}', 12.0), ("{}", 12.0)],
    ),
    Recorded(
        "tokens a second",
        "round(inference_model:tokens_per_second:rate5m, 0.0001)",
        _TOKENS,
        _H,
        [('{kind="input",model="qwen-3-32b"}', 8.3333), ('{kind="output",model="qwen-3-32b"}', 2.7778)],
    ),
    Recorded(
        "dollars per thousand tokens: $12 for 40,000",
        "round(inference_model:usd_per_thousand_tokens:ratio_rate1h, 0.0001)",
        {**_STEADY, **_TOKENS},
        2 * _H,
        [('{model="qwen-3-32b"}', 0.3)],
    ),
    Recorded(
        "no price of tokens where there are none",
        "inference_model:usd_per_thousand_tokens:ratio_rate1h",
        {**_STEADY, 'lambda_inference_tokens_total{model="qwen-3-32b",kind="input"}': steady(5)},
        2 * _H,
        [],
    ),
    Recorded(
        "share of answers from the cache",
        "round(inference_model:cache_hits_per_request:ratio_rate1h, 0.0001)",
        {
            'lambda_inference_requests_total{model="qwen-3-32b",backend="own-gpu",outcome="ok"}': counter(
                400
            ),
            'lambda_inference_cache_hits_total{model="qwen-3-32b"}': counter(100),
        },
        2 * _H,
        [('{model="qwen-3-32b"}', 0.25)],
    ),
]

CASES = [*_TIMING, *_BURN, *_BUDGETS, *_BACKENDS, *_RECORDED]
