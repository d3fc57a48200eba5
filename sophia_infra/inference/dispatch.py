"""The way of a call: check, route, set money aside, try, write down, answer.

What is written down always comes before the last byte: an answer in a caller's hands has its line in the
ledger, and a line is never missing because a caller went away.
"""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace

from sophia_infra.inference.answers import Answer, StreamChunk, StreamEvent, StreamTally
from sophia_infra.inference.attempt_parts import AttemptsTools, Opened
from sophia_infra.inference.attempts import Attempts
from sophia_infra.inference.booking import Booking, uninterrupted
from sophia_infra.inference.breaker import CircuitBreaker
from sophia_infra.inference.budgets import AsyncLedger
from sophia_infra.inference.cache import AnswerCache, cache_key, is_cacheable
from sophia_infra.inference.call import RunningCall
from sophia_infra.inference.catalogue import AUTO, ModelCatalogue
from sophia_infra.inference.clock import Clock, SystemClock
from sophia_infra.inference.close_count import CloseCounter
from sophia_infra.inference.errors import DeadlinePassed, InferenceError, LedgerUnavailable
from sophia_infra.inference.failures import call_failed
from sophia_infra.inference.legs import Leg, RouteWish, cheaper_choices
from sophia_infra.inference.observer import NoObserver, Observer
from sophia_infra.inference.pool import OpenPool, Pool
from sophia_infra.inference.request import InferenceCall, parse_call
from sophia_infra.inference.router import plan_route, served_models
from sophia_infra.inference.sse import DONE
from sophia_infra.inference.upstream import AttemptFailed, Transport
from sophia_infra.inference.usage import Outcome, Tokens, UsageEntry
from sophia_infra.model.gateway import GatewayConfig

__all__ = ["Dispatcher"]

_log = logging.getLogger(__name__)


class Dispatcher:
    """Answers calls. One per process and event loop.

    Args:
        transports: backend -> the way to it; closed by `aclose`, as is the ledger.
        pool: who is ready; all backends always when None.
        cache: for answers; made from the configuration when None.
        rng: for the waits between tries.

    Raises:
        SettingsRefused: the configuration serves a model that the catalogue does not have.
    """

    def __init__(
        self,
        config: GatewayConfig,
        catalogue: ModelCatalogue,
        ledger: AsyncLedger,
        transports: Mapping[str, Transport],
        pool: Pool | None = None,
        clock: Clock | None = None,
        cache: AnswerCache[Answer] | None = None,
        observer: Observer | None = None,
        rng: random.Random | None = None,
    ) -> None:
        catalogue.cards(served_models(config))
        self._config = config
        self._catalogue = catalogue
        self._ledger = ledger
        self._clock: Clock = clock or SystemClock()
        self._observer: Observer = observer or NoObserver()
        self._pool: Pool = pool or OpenPool(
            config.backends, config.limits.queue, self._observer.on_queue, self._clock
        )
        self._cache = cache if cache is not None else AnswerCache[Answer](config.cache, self._clock)
        self._transports = dict(transports)
        self._counter = CloseCounter(config, catalogue, self._transports, self._ready)
        routing = config.routing
        self.breakers = {
            name: CircuitBreaker(routing.breaker_failures, routing.breaker_rest_s, self._clock)
            for name in config.backends
        }
        self._tools = AttemptsTools(
            self._transports,
            self._pool,
            self.breakers,
            self._clock,
            self._observer,
            rng or random.Random(),  # noqa: S311 - spreads retries, guards nothing
        )

    async def complete(self, call: InferenceCall) -> Answer:
        """The whole answer, its cost written down.

        Raises:
            InferenceError: any but KeyRefused and RateLimited. What was paid is written down.
        """
        running = self._running(call, stream=False)
        key = cache_key(call.endpoint, call.body) if self._is_cached(call) else None
        kept = self._cache.get(key) if key is not None else None
        if kept is not None and (not call.models or kept.model in call.models):
            return await self._give_again(running, kept)
        booking, legs = await self._reserve(running, await self._plan(running))
        attempts = self._attempts(running, legs, booking)
        answered: tuple[Leg, Tokens] | None = None
        outcome: Outcome = "cancelled"
        try:
            opened = await attempts.run()
            answered = (opened.leg, running.answer_tokens(opened.parsed, opened.leg))
            outcome = "ok"
            await uninterrupted(opened.aclose())
        except Exception:
            outcome = "failed"
            raise
        finally:
            entry = await self._close(booking, running, attempts, answered, outcome)
        answer = running.answer(entry, attempts, opened.answer.body, opened.answer.headers)
        if key is not None:
            self._cache.put(key, answer)
        return answer

    async def stream(self, call: InferenceCall) -> AsyncGenerator[StreamEvent, None]:
        """Chunks as they come; the cost is written down before `[DONE]`; the Answer comes last.

        Close the generator (`aclose`) when the caller goes away: what came until then is written down.

        Raises:
            InferenceError: as `complete`. Before the first chunk nothing was passed on; after it nothing is
                tried again.
        """
        running = self._running(call, stream=True)
        booking, legs = await self._reserve(running, await self._plan(running))
        attempts = self._attempts(running, legs, booking)
        tally = StreamTally()
        opened: Opened | None = None
        outcome: Outcome = "cancelled"
        try:
            opened = await attempts.run()
            running.first_token_ms = running.elapsed_ms()
            payload = opened.first
            while payload is not None and payload != DONE:
                is_only_usage = tally.see(payload)
                if running.shape.wants_usage or not is_only_usage:
                    yield StreamChunk(payload)
                payload = await self._next(opened, attempts)
            if payload is None and tally.tokens is None:
                raise AttemptFailed("connection")  # it ended without saying so
            outcome = "ok"
        except AttemptFailed as failure:
            outcome = "failed"
            raise self._broke_off(failure, opened, attempts) from None
        except Exception:
            outcome = "failed"
            raise
        finally:
            answered = None
            try:
                if opened is not None:
                    answered = (opened.leg, tally.tokens or running.seen_tokens(opened.leg, tally.payloads))
                    await uninterrupted(opened.aclose())
            finally:
                entry = await self._close(booking, running, attempts, answered, outcome)
        yield StreamChunk(DONE)
        yield running.answer(entry, attempts, b"", {})

    async def aclose(self) -> None:
        """Close the connections, then the ledger once it has written what is under way."""
        for transport in self._transports.values():
            await transport.aclose()
        await self._ledger.aclose()

    def _running(self, call: InferenceCall, *, stream: bool) -> RunningCall:
        shape = replace(parse_call(call, self._config.limits), stream=stream)
        return RunningCall(call, shape, self._clock, self._config.limits.timeout_s)

    def _is_cached(self, call: InferenceCall) -> bool:
        return self._config.cache.enabled and is_cacheable(call.body)

    async def _plan(self, running: RunningCall) -> tuple[Leg, ...]:
        running.shape = await self._counter.refine(running.shape, running.call.body)
        wish = RouteWish(running.call.latency, running.call.strategy, running.call.models)
        pressure = self._ledger.pressure(running.call.user)
        return plan_route(running.shape, wish, self._catalogue, self._config, self._ready, pressure)

    def _ready(self, model: str) -> Sequence[str]:
        return [name for name in self._pool.candidates(model) if self.breakers[name].allows()]

    async def _reserve(self, running: RunningCall, legs: tuple[Leg, ...]) -> tuple[Booking, tuple[Leg, ...]]:
        """Set the most aside that the legs can cost; leave the dearer legs out when only they do not fit."""
        booking = Booking(self._ledger, self._observer, self._clock)
        is_hedged = self._config.routing.hedge_after_s is not None and len(legs) > 1
        choices = cheaper_choices(legs, is_auto=running.shape.model == AUTO)
        dearest = [max(choice, key=lambda leg: leg.most_usd) for choice in choices]
        options = [running.reservation(leg, 2 if is_hedged else 1) for leg in dearest]
        fitting = await booking.reserve(options, running.scopes(self._config.budget))
        return booking, choices[fitting]

    def _attempts(self, running: RunningCall, legs: Sequence[Leg], booking: Booking) -> Attempts:
        routing = self._config.routing
        scopes = running.scopes(self._config.budget)

        async def book_lost(leg: Leg, tokens: Tokens) -> bool:
            return await booking.book_lost(*running.lost_try(leg, tokens), scopes)

        return Attempts(
            self._tools,
            running.upstream(book_lost),
            legs,
            routing.attempts,
            running.deadline_s,
            routing.hedge_after_s,
        )

    async def _close(
        self,
        booking: Booking,
        running: RunningCall,
        attempts: Attempts,
        answered: tuple[Leg, Tokens] | None,
        outcome: Outcome,
    ) -> UsageEntry:
        """Write the call down, or give the money back when nothing was sent."""
        entry = running.entry(
            answered=answered,
            given_up=attempts.given_up,
            attempts=attempts.sent - attempts.booked,
            outcome=outcome,
            asked=attempts.legs[0],
        )
        try:
            await booking.close(entry if attempts.sent else None)
        except LedgerUnavailable:
            if outcome == "ok":
                raise
            _log.warning("A call that failed could not be written down; its reservation covers it.")
        return entry

    async def _give_again(self, running: RunningCall, kept: Answer) -> Answer:
        entry = running.cached_entry(kept)
        if await self._ledger.track(entry):
            self._observer.on_settled(entry)
        again = replace(kept, attempts=0, cached=True, latency_ms=entry.latency_ms)
        return replace(again, tokens=entry.tokens, usd=entry.usd)

    async def _next(self, opened: Opened, attempts: Attempts) -> bytes | None:
        try:
            async with self._clock.timeout(attempts.remaining_s()):
                return await opened.next()
        except TimeoutError:
            raise DeadlinePassed("The answer was not whole in the time it had.") from None

    def _broke_off(self, failure: AttemptFailed, opened: Opened | None, attempts: Attempts) -> InferenceError:
        backend = opened.leg.backend if opened is not None else attempts.legs[0].backend
        if opened is not None and failure.speaks_against_backend:
            self.breakers[backend].failed()
            self._observer.on_attempt(backend, failure.kind)
        return call_failed(failure, backend, attempts.sent)
