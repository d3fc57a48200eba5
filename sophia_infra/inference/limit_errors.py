"""The errors of calls that pass a limit: of a model, of a user's rights, of a budget. Part of `errors.py`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from sophia_infra.inference.error_base import InferenceError
from sophia_infra.model.errors import did_you_mean

__all__ = ["ModelNotAllowed", "OutputTooLong", "OverBudget", "PromptTooLong", "UnknownModel"]


class PromptTooLong(InferenceError):
    """Input and output together do not fit. `holds` names a model that takes them; None when none does."""

    code = "context_length_exceeded"

    def __init__(self, model: str, tokens: int, limit_tokens: int, holds: str | None = None) -> None:
        self.model = model
        self.tokens = tokens
        self.limit_tokens = limit_tokens
        self.holds = holds
        instead = f"Shorten the messages, or use {holds}." if holds else "Shorten the messages."
        super().__init__(
            f"The call needs about {tokens} tokens, input and output together; {model} holds {limit_tokens}.",
            next_step=instead,
            param="messages",
        )


class OutputTooLong(InferenceError):
    """max_tokens is above what the model, or this gateway, gives in one answer."""

    code = "context_length_exceeded"

    def __init__(self, model: str, asked_tokens: int, limit_tokens: int) -> None:
        self.model = model
        self.asked_tokens = asked_tokens
        self.limit_tokens = limit_tokens
        super().__init__(
            f"max_tokens is {asked_tokens}; {model} gives at most {limit_tokens} here.",
            next_step=f"Ask for {limit_tokens} or fewer.",
            param="max_tokens",
        )


class ModelNotAllowed(InferenceError):
    """The model is there, and not for this user."""

    status = 403
    code = "model_not_allowed"

    def __init__(self, model: str, allowed: Iterable[str]) -> None:
        self.model = model
        self.allowed = tuple(allowed)
        super().__init__(
            f"This key may not use the model {model}.",
            next_step=f"Use one of: {', '.join(self.allowed)}." if self.allowed else "Ask for the right.",
            param="model",
        )


class UnknownModel(InferenceError):
    """Neither a model nor an alias. The message names the closest one."""

    status = 404
    code = "model_not_found"

    def __init__(self, model: str, known: Iterable[str]) -> None:
        self.model = model
        self.known = tuple(sorted(known))
        shown = model if len(model) <= 80 else f"{model[:77]}..."
        super().__init__(
            f"There is no model {shown!r}{did_you_mean(model, self.known)}.".replace("?.", "?"),
            next_step=f"Use one of: {', '.join(self.known)}.",
            param="model",
        )


class OverBudget(InferenceError):
    """The call could cost more than what is left of a hard limit. Nothing was sent.

    Attributes:
        scope: `all` or `user:<name>`.
        window: `request`, `hour`, `day` or `month`.
        spent_usd: spent and set aside in this window so far.
        resets_at: start of the next window (UTC); None for `request`.
    """

    status = 429
    code = "insufficient_quota"

    def __init__(
        self,
        *,
        scope: str,
        window: str,
        limit_usd: Decimal,
        spent_usd: Decimal,
        asked_usd: Decimal,
        resets_at: datetime | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.scope = scope
        self.window = window
        self.limit_usd = limit_usd
        self.spent_usd = spent_usd
        self.asked_usd = asked_usd
        self.resets_at = resets_at
        cheaper = "lower max_tokens, shorten the messages or take a cheaper model"
        if resets_at is None:
            next_step = f"{cheaper[0].upper()}{cheaper[1:]}."
        else:
            next_step = f"Wait until {resets_at:%Y-%m-%dT%H:%M:%SZ}, or {cheaper}."
        super().__init__(
            f"The call can cost up to ${asked_usd:f}; of the ${limit_usd:f} per {window} for {scope}, "
            f"${spent_usd:f} are spent or set aside.",
            next_step=next_step,
            retry_after_s=retry_after_s,
        )
