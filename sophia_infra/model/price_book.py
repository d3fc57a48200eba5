"""List prices by instance type, dated and with their source. Prices are data, never code.

Three books: live (from the API, wins), fallback (2026-08-20, where no account can be asked) and the
plan's of 2025-07 (to compare with what the plan promised).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from types import MappingProxyType

from sophia_infra.model.catalogue import load_json
from sophia_infra.model.errors import UnknownPrice
from sophia_infra.model.money import usd_from_cents

__all__ = ["PriceBook", "file_storage_usd_per_gib_month"]

_FALLBACK = "prices-2026-08-20.json"
_PLAN = "prices-plan-2025-07.json"
_log = logging.getLogger(__name__)


def file_storage_usd_per_gib_month() -> Decimal:
    """Dollars for one GiB kept in a filesystem for a month, attached or not; the API has no such price.

    Source: an example on Lambda's billing page, billed hourly on what is used.
    """
    return Decimal(load_json(_FALLBACK)["file_storage_usd_per_gib_month"])


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Dollars per hour for one whole instance, by API type name, as of one day.

    Attributes:
        as_of: the day the prices were read (UTC).
        source: where from, one sentence.
        usd_per_hour: type name -> dollars, all above zero; ValueError otherwise.
        file_storage_usd_per_gib_month: dollars per GiB and month of a filesystem.
    """

    as_of: date
    source: str
    usd_per_hour: Mapping[str, Decimal]
    file_storage_usd_per_gib_month: Decimal = field(default_factory=file_storage_usd_per_gib_month)

    def __post_init__(self) -> None:
        for name, usd in self.usd_per_hour.items():
            if usd <= 0:
                raise ValueError(f"price of {name} is {usd}; a price is above zero")
        object.__setattr__(self, "usd_per_hour", MappingProxyType(dict(self.usd_per_hour)))

    def get(self, instance_type: str) -> Decimal:
        """Dollars per hour of one instance. Raises UnknownPrice: a price is never guessed."""
        try:
            return self.usd_per_hour[instance_type]
        except KeyError:
            raise UnknownPrice(instance_type, self.as_of, self.source) from None

    @staticmethod
    @cache
    def fallback() -> PriceBook:
        """The list prices of 2026-08-20, for every type of the catalogue."""
        return _load(_FALLBACK)

    @staticmethod
    @cache
    def plan() -> PriceBook:
        """The prices of the plan of 2025-07: its five types and gpu_1x_a100_sxm4, no others."""
        return _load(_PLAN)

    @classmethod
    def live(cls, cents_per_hour: Mapping[str, int], now: float) -> PriceBook:
        """Prices of a GET /instance-types answer: type -> cents per hour, read at `now` (seconds since 1970).

        A type without a price above zero is left out and logged, so that asking for it raises UnknownPrice.
        """
        sold = {name: cents for name, cents in cents_per_hour.items() if cents > 0}
        for name in cents_per_hour.keys() - sold.keys():
            _log.warning("no usable price for %s: %s cents per hour", name, cents_per_hour[name])
        return cls(
            as_of=datetime.fromtimestamp(now, tz=UTC).date(),
            source="Lambda Cloud API, GET /instance-types",
            usd_per_hour={name: usd_from_cents(cents) for name, cents in sold.items()},
        )


def _load(name: str) -> PriceBook:
    document = load_json(name)
    return PriceBook(
        as_of=date.fromisoformat(document["as_of"]),
        source=document["source"],
        usd_per_hour={key: usd_from_cents(cents) for key, cents in document["cents_per_hour"].items()},
        file_storage_usd_per_gib_month=Decimal(document["file_storage_usd_per_gib_month"]),
    )
