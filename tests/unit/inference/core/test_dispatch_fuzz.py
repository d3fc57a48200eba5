"""Random failures, hedges, closed generators and cancellations: each reservation ends exactly once."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sophia_infra.inference.catalogue import load_catalogue
from sophia_infra.inference.dispatch import Dispatcher
from sophia_infra.inference.errors import InferenceError
from sophia_infra.inference.upstream import AttemptFailed
from sophia_infra.model.gateway import GatewayConfig
from tests.effort import examples
from tests.inference_clock import VirtualClock, run_async
from tests.unit.inference.core.fakes import (
    SCOUT,
    FakeTransport,
    MemoryLedger,
    Script,
    chat,
    chunk,
    config_for,
    usage_chunk,
)

CATALOGUE = load_catalogue()
KINDS = ["connection", "timeout", "rate_limited", "server", "malformed", "quota", "misconfigured", "refused"]
LIMIT_USD = Decimal("0.004")

_delays = st.sampled_from([0.0, 0.0, 0.5, 3.0, 40.0])
_failures = st.builds(
    AttemptFailed,
    st.sampled_from(KINDS),
    retry_after_s=st.sampled_from([None, None, 0.0, 5.0, 500.0]),
)
_pieces = st.one_of(st.just(chunk("a")), st.just(chunk("b")), _delays, _failures)
_streams = st.lists(_pieces, max_size=5).flatmap(
    lambda pieces: st.sampled_from([pieces, [*pieces, usage_chunk(8, 4), b"[DONE]"]])
)
_scripts = st.builds(
    Script,
    failure=st.one_of(st.none(), st.none(), _failures),
    delay_s=_delays,
    input_tokens=st.integers(0, 20),
    output_tokens=st.integers(0, 20),
    body=st.sampled_from([None, None, b"not json", b'{"choices": []}']),
    chunks=_streams,
)
_calls = st.fixed_dictionaries(
    {
        "stream": st.booleans(),
        "leave_at": st.sampled_from([None, None, 0.0, 0.5, 2.0, 10.0]),
        "close_after": st.sampled_from([None, None, 1, 2]),
        "starts_at": _delays,
        "model": st.sampled_from([SCOUT, "auto", "qwen-3-32b"]),
        "max_tokens": st.sampled_from([None, 20, 2_000]),
        "temperature": st.sampled_from([None, 0]),
    }
)


class Scene:
    """One dispatcher over two backends, with whatever hypothesis thought of."""

    def __init__(self, config: GatewayConfig, plays: dict[str, list[Script]], settle_failures: int) -> None:
        self.clock = VirtualClock()
        self.ledger = MemoryLedger(turns=2, fail_settles=settle_failures)
        self.fakes = {name: FakeTransport(self.clock, list(plays[name])) for name in config.backends}
        self.dispatcher = Dispatcher(
            config, CATALOGUE, self.ledger, self.fakes, clock=self.clock, rng=random.Random(1)
        )
        self.answered: list[str] = []

    async def play(self, calls: list[dict[str, Any]]) -> None:
        await asyncio.gather(*(self._one(f"r{n}", call) for n, call in enumerate(calls)))

    async def _one(self, request_id: str, call: dict[str, Any]) -> None:
        await self.clock.sleep(call["starts_at"])
        work = asyncio.ensure_future(self._call(request_id, call))
        if call["leave_at"] is not None:
            await self.clock.sleep(call["leave_at"])
            work.cancel()
        with suppress(InferenceError, asyncio.CancelledError):
            await work

    async def _call(self, request_id: str, call: dict[str, Any]) -> None:
        given_fields = {name: call[name] for name in ("max_tokens", "temperature") if call[name] is not None}
        wanted = chat(request_id=request_id, model=call["model"], **given_fields)
        if not call["stream"]:
            await self.dispatcher.complete(wanted)
            self.answered.append(request_id)
            return
        events = self.dispatcher.stream(wanted)
        try:
            seen = 0
            async for _ in events:
                seen += 1
                if seen == call["close_after"]:
                    return
            self.answered.append(request_id)
        finally:
            await events.aclose()


@pytest.mark.slow
@given(
    one=st.lists(_scripts, max_size=8),
    two=st.lists(_scripts, max_size=8),
    calls=st.lists(_calls, min_size=1, max_size=6),
    hedge_after_s=st.sampled_from([None, 1.0]),
    settle_failures=st.sampled_from([0, 0, 2]),
)
@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_each_reservation_ends_exactly_once_and_no_budget_is_passed(
    one: list[Script],
    two: list[Script],
    calls: list[dict[str, Any]],
    hedge_after_s: float | None,
    settle_failures: int,
) -> None:
    """150 small worlds take seconds of processor time; they have found what no written example did."""
    config = config_for(
        {"one": {"max_in_flight": 2}, "two": {"models": {SCOUT: "s", "qwen-3-32b": "q"}}},
        routing={"hedge_after_s": hedge_after_s, "breaker_failures": 3},
        limits={"timeout_s": 60, "queue": 2},
        budget={"usd_per_hour": f"${LIMIT_USD}"},
    )
    scene = Scene(config, {"one": one, "two": two}, settle_failures)
    run_async(scene.play(calls))
    assert not scene.ledger.violations
    assert not scene.ledger.open, "a reservation was left open"
    assert set(scene.answered) <= set(scene.ledger.entries)
    assert scene.ledger.highest.get(("all", "hour"), Decimal(0)) <= LIMIT_USD
    for fake in scene.fakes.values():
        assert fake.open_streams == 0, "a stream was left open"
    scene.clock.advance(60)
    for breaker in scene.dispatcher.breakers.values():
        assert breaker.allows(), "a probe was never told of"
    settled = sum((entry.usd for entry in scene.ledger.entries.values()), Decimal(0))
    hours = [usd for (_, window, _), usd in scene.ledger.spent.items() if window == "hour"]
    assert sum(hours, Decimal(0)) == settled
