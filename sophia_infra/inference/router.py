"""Decides which models and backends may take a call, and in which order. Pure: no clock, no network.

The asked model goes first and the configuration's fallback after it. `auto` takes every model that holds the
call: the cheapest first when a budget is nearly used up, else long-context models first for a long document,
else by the strategy. `<backend>/<model>` asks one backend by name and falls back to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from sophia_infra.inference.catalogue import AUTO, ModelCard, ModelCatalogue
from sophia_infra.inference.errors import (
    BackendEnded,
    ModelNotAllowed,
    NoBackendReady,
    OutputTooLong,
    PromptTooLong,
    UnknownModel,
)
from sophia_infra.inference.legs import Leg, RouteWish, fits, output_limit, price_at
from sophia_infra.inference.request import CallShape
from sophia_infra.inference.usage import Tokens
from sophia_infra.model.gateway import GatewayConfig

__all__ = ["plan_route", "served_models"]

_RETRY_AFTER_S = 5.0

Ready = Callable[[str], Sequence[str]]
"""Model -> backends that can take a call now, the least loaded first (`Pool.candidates`)."""


def served_models(config: GatewayConfig) -> tuple[str, ...]:
    """Models that at least one backend has, in the order of the file; those of ended backends too."""
    return tuple(dict.fromkeys(model for backend in config.backends.values() for model in backend.models))


def plan_route(
    call: CallShape,
    wish: RouteWish,
    catalogue: ModelCatalogue,
    config: GatewayConfig,
    ready: Ready,
    pressure: int,
) -> tuple[Leg, ...]:
    """Legs that can take the call now, the one to try first at the front; at least one.

    Args:
        pressure: percent used of the fullest budget window that binds the caller.

    Raises:
        UnknownModel: no backend has it.
        ModelNotAllowed: this user may not use it.
        PromptTooLong, OutputTooLong: the asked model, or each one for `auto`, cannot hold the call.
        BackendEnded: only Lambda's Inference API has it.
        NoBackendReady: those that have it cannot take a call now.
    """
    backend, name = _split(call.model, config)
    served = served_models(config)
    if name == AUTO:
        names = [model for model in served if not wish.models or model in wish.models]
        cards = _sorted_for_auto(call, wish, catalogue, config, names, pressure)
    else:
        cards = [_asked_card(name, catalogue, served, wish)]
    if not cards:
        raise ModelNotAllowed(AUTO, wish.models)
    _refuse_too_long(call, cards, catalogue, served)
    if name != AUTO and backend is None:
        _refuse_ended(cards[0], config)
        cards += [
            catalogue.find(model)
            for model in config.routing.fallback
            if model in served and model != cards[0].name and (not wish.models or model in wish.models)
        ]
    legs: list[Leg] = []
    for card in cards:
        if fits(call, card):
            legs += _legs(call, wish, card, config, ready, backend, pressure)
    if not legs:
        _refuse_without_leg(cards[0], config, backend)
    return tuple(legs)


def _split(model: str, config: GatewayConfig) -> tuple[str | None, str]:
    backend, slash, rest = model.partition("/")
    return (backend, rest) if slash and rest and backend in config.backends else (None, model)


def _asked_card(name: str, catalogue: ModelCatalogue, served: Sequence[str], wish: RouteWish) -> ModelCard:
    usable = [model for model in served if not wish.models or model in wish.models]
    try:
        card = catalogue.find(name)
    except UnknownModel:
        raise UnknownModel(name, [*usable, AUTO]) from None
    if card.name not in served:
        raise UnknownModel(name, [*usable, AUTO])
    if card.name not in usable:
        raise ModelNotAllowed(card.name, usable)
    return card


def _sorted_for_auto(
    call: CallShape,
    wish: RouteWish,
    catalogue: ModelCatalogue,
    config: GatewayConfig,
    names: Sequence[str],
    pressure: int,
) -> list[ModelCard]:
    cards = [catalogue.find(name) for name in names]
    costs = {card.name: _cheapest_usd(call, card, config) for card in cards}
    by_cost = _ranks(cards, lambda card: costs[card.name])
    by_quality = _ranks(cards, lambda card: Decimal(card.quality))
    by_latency = _ranks(cards, lambda card: Decimal(card.latency))
    strategy = wish.strategy or config.routing.strategy
    is_tight = pressure >= config.routing.budget_pressure_percent
    is_long = call.input.likely >= config.routing.long_document_tokens

    def rank(card: ModelCard) -> tuple[int, ...]:
        hurry = by_latency[card.name] if wish.latency == "interactive" else 0
        balance = by_quality[card.name] + by_cost[card.name] + hurry
        if is_tight or strategy == "cost":
            order = (by_cost[card.name], hurry, by_quality[card.name])
        elif strategy == "performance":
            order = (by_quality[card.name] + hurry, by_quality[card.name], by_cost[card.name])
        else:
            order = (balance, by_quality[card.name], by_cost[card.name])
        return (-card.context_tokens if is_long and not is_tight else 0, *order)

    return sorted(cards, key=rank)


def _ranks(cards: Sequence[ModelCard], key: Callable[[ModelCard], Decimal]) -> dict[str, int]:
    """Position of each card when sorted by `key`; equals share one."""
    values = sorted({key(card) for card in cards})
    return {card.name: values.index(key(card)) for card in cards}


def _cheapest_usd(call: CallShape, card: ModelCard, config: GatewayConfig) -> Decimal:
    output = output_limit(call, card, config) * call.answers
    tokens = Tokens(call.input.likely, max(0, output))
    return min(
        price_at(config, name, card).usd(tokens)
        for name, backend in config.backends.items()
        if card.name in backend.models
    )


def _refuse_too_long(
    call: CallShape, cards: Sequence[ModelCard], catalogue: ModelCatalogue, served: Sequence[str]
) -> None:
    if any(fits(call, card) for card in cards):
        return
    largest = max(cards, key=lambda card: (card.context_tokens, card.max_output_tokens))
    needed = call.input.likely + (call.max_tokens or 1)
    if needed > largest.context_tokens:
        holding = [card for card in map(catalogue.find, served) if fits(call, card)]
        holds = min(holding, key=lambda card: card.context_tokens).name if holding else None
        raise PromptTooLong(largest.name, needed, largest.context_tokens, holds)
    raise OutputTooLong(largest.name, call.max_tokens or 1, largest.max_output_tokens)


def _legs(
    call: CallShape,
    wish: RouteWish,
    card: ModelCard,
    config: GatewayConfig,
    ready: Ready,
    backend: str | None,
    pressure: int,
) -> list[Leg]:
    strategy = wish.strategy or config.routing.strategy
    by_price = strategy == "cost" or pressure >= config.routing.budget_pressure_percent
    max_tokens = output_limit(call, card, config)
    most = Tokens(call.input.high, max_tokens * call.answers)
    legs = [
        Leg(
            name,
            card.name,
            config.backends[name].models[card.name],
            max_tokens,
            most,
            price_at(config, name, card),
        )
        for name in ready(card.name)
        if _may_take(name, card, config, backend)
    ]

    def rank(leg: Leg) -> tuple[bool, Decimal, bool]:
        is_other_class = config.backends[leg.backend].latency != wish.latency
        cost = leg.most_usd if by_price else Decimal(0)
        return (is_other_class and wish.latency == "interactive", cost, is_other_class)

    return sorted(legs, key=rank)


def _may_take(name: str, card: ModelCard, config: GatewayConfig, asked: str | None) -> bool:
    backend = config.backends.get(name)
    if backend is None or card.name not in backend.models:
        return False
    return name == asked if asked is not None else backend.kind != "lambda"


def _refuse_without_leg(card: ModelCard, config: GatewayConfig, asked: str | None) -> None:
    having = {name: backend for name, backend in config.backends.items() if card.name in backend.models}
    if asked is not None:
        if asked not in having:
            raise UnknownModel(f"{asked}/{card.name}", [f"{name}/{card.name}" for name in having])
        having = {asked: having[asked]}
    if asked is None:
        _refuse_ended(card, config)
    elif having[asked].kind == "lambda":
        raise BackendEnded(asked)
    raise NoBackendReady(
        f"No backend of {card.name} can take a call now ({', '.join(having)}).", retry_after_s=_RETRY_AFTER_S
    )


def _refuse_ended(card: ModelCard, config: GatewayConfig) -> None:
    """A model that only Lambda's API has: its callers are told, and not given another model in silence."""
    having = [name for name, backend in config.backends.items() if card.name in backend.models]
    if all(config.backends[name].kind == "lambda" for name in having):
        raise BackendEnded(having[0])
