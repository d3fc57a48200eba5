"""One backend with one model for one call: what fits there, and what it can cost at most."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sophia_infra.inference.catalogue import ModelCard
from sophia_infra.inference.request import CallShape
from sophia_infra.inference.usage import Price, Tokens
from sophia_infra.model.gateway import GatewayConfig, LatencyClass, Strategy

__all__ = ["DEFAULT_MAX_TOKENS", "Leg", "RouteWish", "cheaper_choices", "fits", "output_limit", "price_at"]

DEFAULT_MAX_TOKENS = 4_096
"""Output of one answer when the caller sets no limit: without one, no call could be held within a budget."""

_ROOM_WORTH_KEEPING = 256


@dataclass(frozen=True, slots=True)
class RouteWish:
    """Who asks, beside what is asked."""

    latency: LatencyClass = "standard"
    strategy: Strategy | None = None
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Leg:
    """One backend with one model.

    Attributes:
        max_tokens: output of one answer that the backend is told to stop at.
        most: tokens that the call can use here at most; its cost is set aside before anything is sent.
    """

    backend: str
    model: str
    upstream_model: str
    max_tokens: int
    most: Tokens
    price: Price

    @property
    def most_usd(self) -> Decimal:
        return self.price.usd(self.most)


def cheaper_choices(legs: tuple[Leg, ...], *, is_auto: bool) -> list[tuple[Leg, ...]]:
    """The legs; without those dearer than the first; for `auto` the cheapest alone: for a tight budget.

    Each one costs less at most than the one before.
    """
    limits = [max(leg.most_usd for leg in legs), legs[0].most_usd]
    if is_auto:
        limits.append(min(leg.most_usd for leg in legs))
    return [
        tuple(leg for leg in legs if leg.most_usd <= limit) for limit in sorted(set(limits), reverse=True)
    ]


def price_at(config: GatewayConfig, backend: str, card: ModelCard) -> Price:
    """What `backend` takes for the model: its own price, or the catalogue's."""
    own = config.backends[backend].prices.get(card.name)
    if own is None:
        return card.price()
    return Price(own.usd_per_million_input, own.usd_per_million_output)


def output_limit(call: CallShape, card: ModelCard, config: GatewayConfig) -> int:
    """Output of one answer to allow; 0 or less when the input alone fills the context."""
    if call.max_tokens is not None:
        return call.max_tokens
    most = min(DEFAULT_MAX_TOKENS, card.max_output_tokens, config.limits.max_output_tokens)
    certain = card.context_tokens - call.input.high
    return min(most, certain if certain >= _ROOM_WORTH_KEEPING else card.context_tokens - call.input.likely)


def fits(call: CallShape, card: ModelCard) -> bool:
    """Whether the model holds the likely input and the output asked for."""
    if call.max_tokens is not None and call.max_tokens > card.max_output_tokens:
        return False
    return call.input.likely + (call.max_tokens or 1) <= card.context_tokens
