"""Which price a machine has, where that price comes from, and of which day it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sophia_infra.model.errors import UnknownPrice
from sophia_infra.model.price_book import PriceBook

__all__ = ["Price", "Prices"]


@dataclass(frozen=True, slots=True)
class Price:
    """List price of one instance: dollars per hour, of a day, from a source."""

    usd_per_hour: Decimal
    as_of: date
    source: str


@dataclass(frozen=True, slots=True)
class Prices:
    """Price books in the order in which they are asked; the first that has the type wins.

    A live book comes before the dated one, because an account's list may lack a type that still runs. Each
    price keeps its own book's day and source, so a mixture shows.
    """

    books: Sequence[PriceBook]

    def __post_init__(self) -> None:
        if not self.books:
            raise ValueError("there is no price book")

    def get(self, instance_type: str, resource: str) -> Price:
        """The price; `resource` is only named in the error. Raises UnknownPrice: none is guessed."""
        for book in self.books:
            try:
                return Price(book.get(instance_type), book.as_of, book.source)
            except UnknownPrice:
                continue
        first = self.books[0]
        raise UnknownPrice(instance_type, first.as_of, first.source, resource=resource)
