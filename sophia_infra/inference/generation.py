"""What `LambdaServerlessService` gives back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from sophia_infra.inference.answers import Answer
from sophia_infra.inference.errors import BackendFailed, RequestRefused
from sophia_infra.inference.usage import Tokens

__all__ = [
    "COST_HEADER",
    "Generation",
    "ServiceHealth",
    "TokenUsage",
    "chat_body",
    "delta_text",
    "first_text",
    "generation_of",
]

COST_HEADER = "x-sophia-cost-usd"
"""With what our gateway tells the cost of an answer."""


class TokenUsage(Tokens):
    """Tokens under OpenAI's names too."""

    __slots__ = ()

    @property
    def prompt_tokens(self) -> int:
        return self.input

    @property
    def completion_tokens(self) -> int:
        return self.output

    @property
    def total_tokens(self) -> int:
        return self.total


@dataclass(frozen=True, slots=True)
class Generation:
    """A text, and what it took.

    Attributes:
        model: that answered; a fallback's name when the asked one could not.
        cost: dollars, exact; the gateway's figure where it told one.
        raw: the whole answer in OpenAI's form; empty for a stream.
    """

    text: str
    model: str
    backend: str
    usage: TokenUsage
    cost: Decimal
    request_id: str
    finish_reason: str | None
    attempts: int
    cached: bool
    latency_ms: int
    first_token_ms: int | None
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """Which backends answer. `ok` when at least one does."""

    backends: Mapping[str, bool]

    @property
    def ok(self) -> bool:
        return any(self.backends.values())


def generation_of(
    answer: Answer,
    text: str,
    finish_reason: str | None,
    request_id: str,
    raw: Mapping[str, Any],
    behind_gateway: bool,
) -> Generation:
    """The result of one call, at the gateway's cost where it tells one. BackendFailed: it is no number."""
    return Generation(
        text=text,
        model=answer.model,
        backend=answer.backend,
        usage=TokenUsage(answer.tokens.input, answer.tokens.output),
        cost=_told_cost(answer) if behind_gateway else answer.usd,
        request_id=request_id,
        finish_reason=finish_reason,
        attempts=answer.attempts,
        cached=answer.cached,
        latency_ms=answer.latency_ms,
        first_token_ms=answer.first_token_ms,
        raw=raw,
    )


def _told_cost(answer: Answer) -> Decimal:
    told = answer.headers.get(COST_HEADER)
    if told is None:
        return answer.usd
    try:
        return Decimal(told)
    except InvalidOperation:
        raise BackendFailed(f"The gateway's {COST_HEADER} is no number.", backend=answer.backend) from None


def first_text(answer: Mapping[str, Any]) -> tuple[str, str | None]:
    """Text and finish reason of the first choice; an answer that only calls tools has no text."""
    choices = answer.get("choices") or [{}]
    choice = choices[0] if isinstance(choices[0], dict) else {}
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    reason = choice.get("finish_reason")
    return (text if isinstance(text, str) else "", reason if isinstance(reason, str) else None)


def delta_text(payload: bytes) -> str:
    """Text that one streamed piece adds to the first choice; "" for a piece that adds none."""
    try:
        choices = json.loads(payload).get("choices") or [{}]
        added = choices[0].get("delta", {}).get("content")
    except (ValueError, AttributeError, TypeError, KeyError):
        return ""
    return added if isinstance(added, str) else ""


def chat_body(
    prompt: str | None,
    messages: Sequence[Mapping[str, Any]] | None,
    model: str,
    max_tokens: int | None,
    temperature: float | None,
    fields: Mapping[str, Any],
) -> dict[str, Any]:
    """OpenAI's body for chat completions. RequestRefused when not exactly one of the first two is given."""
    if (prompt is None) == (messages is None):
        raise RequestRefused("Give prompt or messages, one of the two.", param="messages")
    asked = (
        [{"role": "user", "content": prompt}] if messages is None else [dict(message) for message in messages]
    )
    body: dict[str, Any] = {**fields, "model": model, "messages": asked}
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    if temperature is not None:
        body["temperature"] = temperature
    return body
