"""A key may burst, then goes at its rate; another key does not feel it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.inference.errors import RateLimited
from sophia_infra.inference.gateway.keys import Caller
from sophia_infra.inference.gateway.rate import RateLimits, TokenBucket
from sophia_infra.model.gateway import BackendConfig, GatewayConfig, GatewayLimits, GatewayUser

ONE, OTHER = Caller("backend", "1"), Caller("slow", "2")


def limits(per_minute: int = 60, burst: int = 3) -> RateLimits:
    backend = BackendConfig(base_url="http://127.0.0.1:1/v1", models={"qwen-3-32b": "qwen"})
    return RateLimits(
        GatewayConfig(
            backends={"own": backend},
            limits=GatewayLimits(requests_per_minute=per_minute, burst=burst),
            users={"backend": GatewayUser(), "slow": GatewayUser(requests_per_minute=6)},
        )
    )


def test_a_burst_passes_and_the_next_one_is_told_when() -> None:
    rates = limits()
    for _ in range(3):
        rates.take(ONE, 0.0)
    with pytest.raises(RateLimited) as refused:
        rates.take(ONE, 0.5)
    assert refused.value.retry_after_s == pytest.approx(0.5)
    rates.take(ONE, 1.0)


def test_each_key_has_its_own_bucket_and_each_user_its_own_rate() -> None:
    rates = limits()
    for _ in range(3):
        rates.take(ONE, 0.0)
        rates.take(OTHER, 0.0)
    rates.take(ONE, 1.0)
    with pytest.raises(RateLimited) as refused:
        rates.take(OTHER, 1.0)
    assert refused.value.retry_after_s == pytest.approx(9.0)


def test_a_removed_key_leaves_no_bucket_behind() -> None:
    rates = limits()
    for _ in range(3):
        rates.take(ONE, 0.0)
    rates.keep_only({"2"})
    rates.take(ONE, 0.0)


@given(
    rate_per_s=st.floats(0.1, 1_000),
    burst=st.integers(1, 50),
    steps_s=st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_no_pattern_of_calls_gets_more_than_burst_and_rate_allow(
    rate_per_s: float, burst: int, steps_s: list[float]
) -> None:
    bucket = TokenBucket(rate_per_s, burst, 0.0)
    now_s, taken = 0.0, 0
    for step_s in steps_s:
        now_s += step_s
        wait_s = bucket.take(now_s)
        taken += wait_s == 0.0
        assert taken <= burst + rate_per_s * now_s + 1e-6
        assert wait_s <= 1 / rate_per_s + 1e-9


@given(rate_per_s=st.floats(0.1, 1_000), burst=st.integers(1, 5))
def test_who_waits_as_told_gets_in(rate_per_s: float, burst: int) -> None:
    bucket = TokenBucket(rate_per_s, burst, 0.0)
    for _ in range(burst):
        assert bucket.take(0.0) == 0.0
    wait_s = bucket.take(0.0)
    assert wait_s > 0
    assert bucket.take(wait_s * 1.000001) == 0.0


def test_a_long_rest_saves_up_no_more_than_a_burst() -> None:
    bucket = TokenBucket(10.0, 2, 0.0)
    waits = [bucket.take(3_600.0) for _ in range(3)]
    assert waits[:2] == [0.0, 0.0]
    assert waits[2] > 0


def test_a_clock_that_stands_still_or_steps_back_gives_nothing() -> None:
    bucket = TokenBucket(1.0, 1, 100.0)
    assert bucket.take(100.0) == 0.0
    assert bucket.take(90.0) > 0
    assert bucket.take(100.5) > 0
    assert bucket.take(101.0) == 0.0
