"""The models that a call may name: how much they hold, what they cost, what they are good for.

Prices are dated data (`data/models.json`). A backend of the configuration may have its own price, which goes
first; the catalogue's is the price of a backend that states none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from importlib.resources import files
from pathlib import Path
from typing import Any

from sophia_infra.inference.errors import SettingsRefused, UnknownModel
from sophia_infra.inference.usage import Price

__all__ = ["AUTO", "DatedPrice", "ModelCard", "ModelCatalogue", "load_catalogue"]

AUTO = "auto"
"""The model name that leaves the choice to the router."""

_MAX_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class DatedPrice:
    """A price, the name of its set, and the day from which it held."""

    set_name: str
    since: date
    price: Price


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model.

    Attributes:
        context_tokens: input and output together that it holds.
        max_output_tokens: of one answer.
        quality, latency: rank among the catalogue's models; 1 answers best, or first.
        prices: oldest first.
    """

    name: str
    aliases: tuple[str, ...]
    vendor: str
    use: str
    context_tokens: int
    max_output_tokens: int
    quality: int
    latency: int
    prices: tuple[DatedPrice, ...]
    default_set: str

    def price(self, on: date | None = None) -> Price:
        """What it costs.

        Args:
            on: the newest price that held on that day; the oldest one for a day before all of them. None:
                the default set's, or the newest where the default set has none.
        """
        if on is None:
            for dated in self.prices:
                if dated.set_name == self.default_set:
                    return dated.price
            return self.prices[-1].price
        held = [dated for dated in self.prices if dated.since <= on]
        return (held[-1] if held else self.prices[0]).price


class ModelCatalogue:
    """All models, by name and alias."""

    def __init__(self, cards: Iterable[ModelCard]) -> None:
        self._cards = {card.name: card for card in cards}
        self._names = {alias: card.name for card in self._cards.values() for alias in card.aliases}

    def __iter__(self) -> Iterator[ModelCard]:
        return iter(self._cards.values())

    def __contains__(self, name: object) -> bool:
        return name in self._cards

    def get(self, name_or_alias: str) -> ModelCard | None:
        """The model of that name or alias, capitals aside, or None."""
        wanted = name_or_alias.casefold()
        return self._cards.get(self._names.get(wanted, wanted))

    def find(self, name_or_alias: str) -> ModelCard:
        """As `get`. UnknownModel names the closest one."""
        card = self.get(name_or_alias)
        if card is None:
            raise UnknownModel(name_or_alias, self._cards)
        return card

    def cards(self, names: Iterable[str]) -> dict[str, ModelCard]:
        """Cards of models that a configuration serves.

        Raises:
            SettingsRefused: one is not a model of the catalogue, or is an alias.
        """
        served = {}
        for name in names:
            try:
                card = self.find(name)
            except UnknownModel as unknown:
                raise SettingsRefused(
                    f"sophia:gateway serves {name}, not in the catalogue. {unknown}"
                ) from None
            if card.name != name:
                raise SettingsRefused(
                    f"sophia:gateway names the model {name} by an alias; write {card.name}."
                )
            served[name] = card
        return served


def load_catalogue(path: Path | None = None) -> ModelCatalogue:
    """Read the models that come with this package, and further ones.

    Args:
        path: a file of the same form whose models are added, or replace ours of the same name.

    Raises:
        SettingsRefused: names file, model and field.
    """
    own = json.loads(files("sophia_infra.inference").joinpath("data/models.json").read_text("utf-8"))
    cards = {card.name: card for card in _parse(own, "models.json")}
    if path is not None:
        try:
            further = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise SettingsRefused(f"{path} cannot be read as JSON ({type(error).__name__}).") from None
        cards.update({card.name: card for card in _parse(further, str(path))})
    _refuse_double_names(cards.values(), str(path or "models.json"))
    return ModelCatalogue(cards.values())


def _parse(document: object, file: str) -> list[ModelCard]:
    root = _mapping(document, file, "document")
    default_set = str(root.get("default_set", ""))
    sets = {}
    for name, about in _mapping(root.get("sets"), file, "sets").items():
        since = _mapping(about, file, f"sets.{name}").get("from")
        try:
            sets[name] = date.fromisoformat(str(since))
        except ValueError:
            raise _refused(file, f"sets.{name}.from", since, "a date such as 2025-07-09") from None
    if default_set not in sets:
        raise _refused(file, "default_set", default_set, f"one of {', '.join(sets)}")
    models = _mapping(root.get("models"), file, "models")
    return [_card(name, fields, sets, default_set, file) for name, fields in models.items()]


def _card(name: str, fields: object, sets: Mapping[str, date], default_set: str, file: str) -> ModelCard:
    place = f"models.{name}"
    field = _mapping(fields, file, place)
    if name != name.casefold() or name == AUTO:
        raise _refused(file, place, name, f"a name in small letters other than {AUTO}")
    whole = {
        key: _whole(field.get(key), file, f"{place}.{key}")
        for key in ("context_tokens", "max_output_tokens", "quality", "latency")
    }
    if whole["max_output_tokens"] > whole["context_tokens"]:
        raise _refused(
            file, f"{place}.max_output_tokens", whole["max_output_tokens"], "context_tokens at most"
        )
    priced = _mapping(field.get("prices"), file, f"{place}.prices")
    prices = []
    for set_name, figures in priced.items():
        if set_name not in sets:
            raise _refused(file, f"{place}.prices", set_name, f"one of {', '.join(sets)}")
        price = _price(
            _mapping(figures, file, f"{place}.prices.{set_name}"), file, f"{place}.prices.{set_name}"
        )
        prices.append(DatedPrice(set_name, sets[set_name], price))
    if not prices:
        raise _refused(file, f"{place}.prices", {}, "at least one")
    return ModelCard(
        name=name,
        aliases=tuple(str(alias).casefold() for alias in field.get("aliases", ())),
        vendor=str(field.get("vendor", "")),
        use=str(field.get("use", "")),
        prices=tuple(sorted(prices, key=lambda dated: dated.since)),
        default_set=default_set,
        **whole,
    )


def _price(figures: Mapping[str, Any], file: str, place: str) -> Price:
    if "blended" in figures:
        both = _dollars(figures["blended"], file, f"{place}.blended")
        return Price(both, both)
    return Price(
        _dollars(figures.get("input"), file, f"{place}.input"),
        _dollars(figures.get("output"), file, f"{place}.output"),
    )


def _dollars(value: object, file: str, place: str) -> Decimal:
    try:
        amount = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        amount = None
    if (
        amount is None
        or not amount.is_finite()
        or amount < 0
        or -int(amount.as_tuple().exponent) > _MAX_DECIMALS
    ):
        raise _refused(
            file, place, value, f'dollars as text, such as "0.08", {_MAX_DECIMALS} decimals at most'
        )
    return amount


def _whole(value: object, file: str, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _refused(file, place, value, "a whole number from 1")
    return value


def _mapping(value: object, file: str, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _refused(file, place, value, "an object")
    return value


def _refuse_double_names(cards: Iterable[ModelCard], file: str) -> None:
    seen: dict[str, str] = {}
    for card in cards:
        for name in (card.name, *card.aliases):
            if name in seen:
                raise _refused(file, f"models.{card.name}", name, f"a name that {seen[name]} does not have")
            seen[name] = card.name


def _refused(file: str, place: str, value: object, allowed: str) -> SettingsRefused:
    return SettingsRefused(f"{file}: {place} is {str(value)[:80]!r}; it must be {allowed}.")
