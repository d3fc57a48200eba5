"""Gets one call answered: tries legs in order within one deadline, with waits, rests and a hedge if wanted.

- Each leg is tried twice at most. A failed leg waits before its second try (1-2 s, then 2-4, then 4-8, or as
  Retry-After says); the next leg of the same model goes at once. Other models come only after that.
- A request that is at fault ends it at once; so does the deadline.
- A try that we give up while it runs, or whose answer is lost on its way, may have cost something and is
  booked (`given_up`). One that the backend ends with an error costs nothing: answers are billed, errors not.
- The money set aside is for one try. So a lost one is written down on its own before the next one goes, and
  when no budget has the room for that, no next one goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from sophia_infra.inference.answers import parse_answer, usage_tokens
from sophia_infra.inference.attempt_parts import AttemptsTools, Opened, Upstream
from sophia_infra.inference.booking import uninterrupted
from sophia_infra.inference.errors import DeadlinePassed, InferenceError, NoBackendReady, QueueFull
from sophia_infra.inference.failures import call_failed
from sophia_infra.inference.legs import Leg
from sophia_infra.inference.upstream import AttemptFailed, RawAnswer
from sophia_infra.inference.usage import Tokens

__all__ = ["Attempts"]

_TRIES_PER_LEG = 2
_MAX_BACKOFF_S = 8.0


@dataclass(slots=True)
class _LegState:
    tries: int = 0
    not_before_s: float = 0.0


@dataclass(slots=True)
class Attempts:
    """The tries of one call.

    Attributes:
        sent: tries that reached a backend.
        given_up: legs of tries that were stopped while they ran or lost, with what they may have cost, as far
            as they are not written down.
        booked: tries that are written down on their own.
    """

    tools: AttemptsTools
    upstream: Upstream
    legs: Sequence[Leg]
    limit: int
    deadline_s: float
    hedge_after_s: float | None = None
    sent: int = 0
    given_up: list[tuple[Leg, Tokens]] = field(default_factory=list)
    booked: int = 0
    _states: dict[tuple[str, str], _LegState] = field(default_factory=dict)

    def remaining_s(self) -> float:
        """Seconds until the deadline; may be negative."""
        return self.deadline_s - self.tools.clock.monotonic()

    async def run(self) -> Opened:
        """The first try that works.

        Raises:
            InferenceError: none did. `sent` and `given_up` say what may have cost something.
        """
        last: AttemptFailed | InferenceError | None = None
        last_leg = self.legs[0]
        while self.sent < self.limit:
            if self.remaining_s() <= 0:
                raise DeadlinePassed("The call took longer than it may.")
            chosen = self._next_leg()
            if chosen is None:
                break
            leg, wait_s = chosen
            if wait_s > 0:
                await self.tools.clock.sleep(wait_s)
            if not await self._book_lost():
                break
            last_leg = leg
            try:
                return await self._hedged(leg) if self.hedge_after_s is not None else await self._try(leg)
            except AttemptFailed as failure:
                if failure.kind == "refused":
                    raise call_failed(failure, leg.backend, self.sent) from None
                last = failure
            except (QueueFull, NoBackendReady) as refusal:
                self._state(leg).tries = _TRIES_PER_LEG
                last = last or refusal
        if isinstance(last, InferenceError):
            raise last
        if last is None:
            raise NoBackendReady("All backends rest after failures.", retry_after_s=self._rest_s())
        raise call_failed(last, last_leg.backend, self.sent)

    async def _book_lost(self) -> bool:
        while self.given_up:
            if not await self.upstream.book_lost(*self.given_up[-1]):
                return False
            self.given_up.pop()
            self.booked += 1
        return True

    def _state(self, leg: Leg) -> _LegState:
        return self._states.setdefault((leg.backend, leg.model), _LegState())

    def _next_leg(self) -> tuple[Leg, float] | None:
        """The leg to try next and the seconds to wait before; None when there is none in time."""
        now_s = self.tools.clock.monotonic()
        later: tuple[Leg, float] | None = None
        for model in dict.fromkeys(leg.model for leg in self.legs):
            usable = [
                (leg, max(0.0, self._state(leg).not_before_s - now_s))
                for leg in self.legs
                if leg.model == model and self._may_try(leg)
            ]
            if not usable:
                continue
            best = min(usable, key=lambda choice: choice[1])
            if best[1] <= _MAX_BACKOFF_S and best[1] < self.deadline_s - now_s:
                return best
            if later is None or best[1] < later[1]:
                later = best
        return later if later is not None and later[1] < self.deadline_s - now_s else None

    def _may_try(self, leg: Leg) -> bool:
        return self._state(leg).tries < _TRIES_PER_LEG and self.tools.breakers[leg.backend].allows()

    def _rest_s(self) -> float:
        return min(self.tools.breakers[leg.backend].retry_after_s() for leg in self.legs)

    async def _try(self, leg: Leg) -> Opened:
        """One try. The breaker hears of it once; the place is given back, or passed on with the result."""
        breaker = self.tools.breakers[leg.backend]
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.tools.pool.slot(leg.backend, self.remaining_s()))
            if not breaker.acquire():
                raise NoBackendReady(
                    f"The backend {leg.backend} rests after failures.", retry_after_s=breaker.retry_after_s()
                )
            self.sent += 1
            try:
                async with self.tools.clock.timeout(self.remaining_s()):
                    opened = await self._send(leg, stack)
            except AttemptFailed as failure:
                breaker.failed() if failure.speaks_against_backend else breaker.abandoned()
                self._after_failure(leg, failure)
                if failure.may_have_cost:
                    self.given_up.append((leg, self.upstream.lost(leg)))
                self.tools.observer.on_attempt(leg.backend, failure.kind)
                raise
            except TimeoutError:
                breaker.failed()
                self.given_up.append((leg, self.upstream.lost(leg)))
                self.tools.observer.on_attempt(leg.backend, "timeout")
                raise DeadlinePassed(f"{leg.backend} did not answer in the time that was left.") from None
            except BaseException as stopped:
                breaker.abandoned()
                if isinstance(stopped, asyncio.CancelledError):
                    self.given_up.append((leg, self.upstream.lost(leg)))
                    self.tools.observer.on_attempt(leg.backend, "cancelled")
                raise
            breaker.succeeded()
            self.tools.observer.on_attempt(leg.backend, "ok")
            opened.stack = stack.pop_all()
            return opened

    async def _send(self, leg: Leg, stack: AsyncExitStack) -> Opened:
        transport = self.tools.transports[leg.backend]
        upstream = self.upstream
        body = upstream.body(leg)
        if not upstream.stream:
            answer = await transport.complete(
                upstream.endpoint, body, request_id=upstream.request_id, timeout_s=self.remaining_s()
            )
            return Opened(leg, answer, parse_answer(answer.body), stack)
        stream = await transport.open_stream(
            upstream.endpoint, body, request_id=upstream.request_id, timeout_s=self.remaining_s()
        )
        stack.push_async_callback(stream.aclose)
        first = await stream.next()
        if first is None:
            raise AttemptFailed("malformed", status=200)
        if first.lstrip().startswith(b'{"error"'):
            raise AttemptFailed("server", status=200)
        return Opened(leg, RawAnswer(200, b""), {}, stack, stream, first)

    def _after_failure(self, leg: Leg, failure: AttemptFailed) -> None:
        state = self._state(leg)
        state.tries += 1
        if not failure.same_backend_may_help:
            state.tries = _TRIES_PER_LEG
        longest_s = min(_MAX_BACKOFF_S, 2.0 ** max(1, self.sent))
        wait_s = self.tools.random.uniform(longest_s / 2, longest_s)
        state.not_before_s = self.tools.clock.monotonic() + max(wait_s, failure.retry_after_s or 0.0)

    async def _hedged(self, leg: Leg) -> Opened:
        """One try; after `hedge_after_s` without an answer a second one beside it. The first answer wins."""
        running = {asyncio.ensure_future(self._try(leg))}
        alarm = asyncio.ensure_future(self.tools.clock.sleep(self.hedge_after_s or 0.0))
        try:
            await asyncio.wait({*running, alarm}, return_when=asyncio.FIRST_COMPLETED)
            second = self._hedge_leg(leg)
            if not any(task.done() for task in running) and second is not None and self.sent < self.limit:
                running.add(asyncio.ensure_future(self._try(second)))
            waiting = set(running)
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if task.exception() is None:
                        running.discard(task)
                        return task.result()
            return next(iter(running)).result()  # raises: all failed
        finally:
            alarm.cancel()
            await uninterrupted(self._stop(running))

    def _hedge_leg(self, leg: Leg) -> Leg | None:
        others = [other for other in self.legs if other.backend != leg.backend and self._may_try(other)]
        same_model = [other for other in others if other.model == leg.model]
        return next(iter([*same_model, *others]), None)

    async def _stop(self, tasks: set[asyncio.Task[Opened]]) -> None:
        """Stop tries that nobody waits for any more; what one of them opened in its last moment was paid."""
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Opened):
                used = usage_tokens(outcome.parsed) or self.upstream.lost(outcome.leg)
                self.given_up.append((outcome.leg, used))
                await outcome.aclose()
