"""The circuit breaker as a state machine beside a plain model of it."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sophia_infra.inference.breaker import CircuitBreaker
from tests.effort import examples
from tests.inference_clock import VirtualClock

REST_S = 30.0


class BreakerMachine(RuleBasedStateMachine):
    """Calls start and end in any order; the model knows only failures in a row, and when it opened."""

    @initialize(limit=st.integers(1, 4))
    def start(self, limit: int) -> None:
        self.clock = VirtualClock(auto=False)
        self.breaker = CircuitBreaker(limit, REST_S, self.clock)
        self.limit = limit
        self.row = 0
        self.opened_s: float | None = None
        self.running = 0
        self.probes = 0

    def _rested(self) -> bool:
        return self.opened_s is not None and self.clock.monotonic() - self.opened_s >= REST_S

    @rule()
    def acquire(self) -> None:
        expected = self.opened_s is None or (self._rested() and self.probes == 0)
        assert self.breaker.allows() == expected
        assert self.breaker.acquire() == expected
        if expected and self.opened_s is None:
            self.running += 1
        elif expected:
            self.probes = 1

    @precondition(lambda self: self.running > 0 and self.opened_s is None)
    @rule()
    def succeed(self) -> None:
        self.running -= 1
        self.breaker.succeeded()
        self.row = 0

    @precondition(lambda self: self.running > 0 and self.opened_s is None)
    @rule()
    def fail(self) -> None:
        self.running -= 1
        self.breaker.failed()
        self.row += 1
        if self.row >= self.limit:
            self.opened_s = self.clock.monotonic()

    @precondition(lambda self: self.running > 0 and self.opened_s is None)
    @rule()
    def abandon(self) -> None:
        self.running -= 1
        self.breaker.abandoned()

    @precondition(lambda self: self.probes == 1)
    @rule()
    def probe_succeeds(self) -> None:
        self.breaker.succeeded()
        self.probes, self.row, self.opened_s = 0, 0, None

    @precondition(lambda self: self.probes == 1)
    @rule()
    def probe_fails(self) -> None:
        self.breaker.failed()
        self.probes, self.opened_s = 0, self.clock.monotonic()

    @precondition(lambda self: self.probes == 1)
    @rule()
    def probe_is_abandoned(self) -> None:
        self.breaker.abandoned()
        self.probes = 0

    @rule(seconds=st.sampled_from([1.0, 15.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def states_agree(self) -> None:
        if not hasattr(self, "breaker"):
            return
        expected = "closed" if self.opened_s is None else "half-open" if self._rested() else "open"
        assert self.breaker.state == expected
        if expected == "open":
            assert 0 < self.breaker.retry_after_s() <= REST_S
        else:
            assert self.breaker.retry_after_s() == 0


BreakerMachine.TestCase.settings = settings(max_examples=examples(100), stateful_step_count=40, deadline=None)
TestBreaker = BreakerMachine.TestCase


def test_a_late_failure_of_an_older_call_does_not_end_the_probe_of_another() -> None:
    clock = VirtualClock(auto=False)
    breaker = CircuitBreaker(1, REST_S, clock)
    assert breaker.acquire()
    assert breaker.acquire()
    breaker.failed()
    clock.advance(10)
    breaker.failed()  # the second call of before
    clock.advance(20)
    assert breaker.state == "half-open"
