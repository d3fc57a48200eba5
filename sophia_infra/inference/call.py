"""One call on its way through the dispatcher: what is sent, what it used, and the line for the ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sophia_infra.inference.answers import Answer, usage_tokens
from sophia_infra.inference.attempt_parts import Upstream
from sophia_infra.inference.attempts import Attempts
from sophia_infra.inference.budgets import ALL_SCOPE, BudgetScope, user_scope
from sophia_infra.inference.clock import Clock
from sophia_infra.inference.legs import Leg
from sophia_infra.inference.request import CallShape, InferenceCall
from sophia_infra.inference.tokens import likely_text_tokens
from sophia_infra.inference.usage import Outcome, Reservation, Tokens, UsageEntry
from sophia_infra.model.gateway import InferenceBudget

__all__ = ["LOST_TRY", "RunningCall"]

LOST_TRY = ":lost"
"""Between the id of a call and the number of a lost try, in the ledger's lines of such tries."""

_EXPIRY_MARGIN_S = 60.0  # settling, and clocks of two gateways that differ


@dataclass(slots=True)
class RunningCall:
    """The facts of one call; decides nothing and sends nothing."""

    call: InferenceCall
    shape: CallShape
    clock: Clock
    timeout_s: float
    started_s: float = field(init=False)
    first_token_ms: int | None = None
    lost_tries: int = 0

    def __post_init__(self) -> None:
        self.started_s = self.clock.monotonic()

    @property
    def deadline_s(self) -> float:
        """On the clock's monotonic time."""
        return self.started_s + self.timeout_s

    def elapsed_ms(self) -> int:
        return round((self.clock.monotonic() - self.started_s) * 1_000)

    def upstream(self, book_lost: Callable[[Leg, Tokens], Awaitable[bool]]) -> Upstream:
        """What is sent to whichever leg is tried."""
        return Upstream(
            endpoint=self.call.endpoint,
            body=self._body_for,
            request_id=self.call.request_id,
            stream=self.shape.stream,
            lost=self.lost_tokens,
            book_lost=book_lost,
        )

    def _body_for(self, leg: Leg) -> dict[str, Any]:
        body = {**self.call.body, "model": leg.upstream_model}
        if self.shape.max_tokens is None:
            body["max_tokens"] = leg.max_tokens
        for name in ("stream", "stream_options"):
            body.pop(name, None)
        if self.shape.stream:
            body["stream"] = True
            body["stream_options"] = {**(self.call.body.get("stream_options") or {}), "include_usage": True}
        return body

    def lost_tokens(self, leg: Leg) -> Tokens:
        """For a try that was given up before a token came: a stream's input, or all that could have come."""
        return Tokens(self.shape.input.likely, 0) if self.shape.stream else leg.most

    def seen_tokens(self, leg: Leg, payloads: int) -> Tokens:
        """For a stream that broke off: the likely input, and a token for each payload."""
        return Tokens(self.shape.input.likely, min(payloads, leg.most.output))

    def answer_tokens(self, parsed: Mapping[str, Any], leg: Leg) -> Tokens:
        """For a whole answer: the backend's count, or the likely figure when it gives none."""
        counted = usage_tokens(parsed)
        if counted is not None:
            return counted
        text = "".join(_choice_text(choice) for choice in parsed["choices"])
        return Tokens(self.shape.input.likely, min(likely_text_tokens(text), leg.most.output))

    def scopes(self, for_all: InferenceBudget) -> tuple[BudgetScope, ...]:
        """The budgets that bind this call."""
        own = self.call.budgets
        everybody = BudgetScope(ALL_SCOPE, for_all)
        return (everybody,) if own is None else (everybody, BudgetScope(user_scope(self.call.user), own))

    def reservation(self, leg: Leg, times: int) -> Reservation:
        """The most that `times` tries at `leg`, the costliest one, can cost."""
        most = Tokens(leg.most.input * times, leg.most.output * times)
        return self._reservation(self.call.request_id, leg, most)

    def lost_try(self, leg: Leg, tokens: Tokens) -> tuple[Reservation, UsageEntry]:
        """A lost try as a line of its own: what has to fit into the budgets, and what is written."""
        self.lost_tries += 1
        request_id = f"{self.call.request_id}{LOST_TRY}{self.lost_tries}"
        reservation = self._reservation(request_id, leg, tokens)
        entry = UsageEntry(
            request_id=request_id,
            at=reservation.at,
            user=self.call.user,
            model=leg.model,
            backend=leg.backend,
            tokens=tokens,
            input_usd=reservation.input_usd,
            output_usd=reservation.output_usd,
            outcome="unknown",
            latency_ms=self.elapsed_ms(),
            session_id=self.call.session_id,
        )
        return reservation, entry

    def _reservation(self, request_id: str, leg: Leg, tokens: Tokens) -> Reservation:
        now = self.clock.now()
        left_s = max(0.0, self.deadline_s - self.clock.monotonic())
        return Reservation(
            request_id=request_id,
            user=self.call.user,
            model=leg.model,
            backend=leg.backend,
            tokens=tokens,
            input_usd=leg.price.input_usd(tokens),
            output_usd=leg.price.output_usd(tokens),
            at=now,
            expires_at=now + timedelta(seconds=left_s + _EXPIRY_MARGIN_S),
        )

    def entry(
        self,
        *,
        answered: tuple[Leg, Tokens] | None,
        given_up: list[tuple[Leg, Tokens]],
        attempts: int,
        outcome: Outcome,
        asked: Leg,
    ) -> UsageEntry:
        """The ledger's line: all paid tries together, under the leg that answered, or else the one asked."""
        paid = given_up if answered is None else [answered, *given_up]
        leg = paid[0][0] if paid else asked
        zero = Decimal(0)
        return UsageEntry(
            request_id=self.call.request_id,
            at=self.clock.now(),
            user=self.call.user,
            model=leg.model,
            backend=leg.backend,
            tokens=sum((tokens for _, tokens in paid), Tokens(0, 0)),
            input_usd=sum((leg.price.input_usd(tokens) for leg, tokens in paid), zero),
            output_usd=sum((leg.price.output_usd(tokens) for leg, tokens in paid), zero),
            outcome=outcome,
            attempts=attempts,
            latency_ms=self.elapsed_ms(),
            first_token_ms=self.first_token_ms,
            session_id=self.call.session_id,
        )

    def cached_entry(self, kept: Answer) -> UsageEntry:
        """The ledger's line of an answer from the cache: no tokens, no cost."""
        zero = Decimal(0)
        return UsageEntry(
            request_id=self.call.request_id,
            at=self.clock.now(),
            user=self.call.user,
            model=kept.model,
            backend=kept.backend,
            tokens=Tokens(0, 0),
            input_usd=zero,
            output_usd=zero,
            attempts=0,
            latency_ms=self.elapsed_ms(),
            session_id=self.call.session_id,
            cached=True,
        )

    def answer(
        self, entry: UsageEntry, attempts: Attempts, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        """What the caller gets, with the bill as it was written down."""
        return Answer(
            body=body,
            status=200,
            tokens=entry.tokens,
            usd=entry.usd,
            model=entry.model,
            backend=entry.backend,
            attempts=attempts.sent,
            cached=False,
            latency_ms=entry.latency_ms,
            first_token_ms=entry.first_token_ms,
            headers=headers,
        )


def _choice_text(choice: object) -> str:
    if not isinstance(choice, dict):
        return ""
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    return text if isinstance(text, str) else ""
