"""Dollars: exact Decimals, rates per hour, day or month, and the one way to print them.

A month is 720 h (30 d) everywhere in this project unless a name says `_730h`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from sophia_infra.model.errors import Refused

__all__ = [
    "HOURS_PER_DAY",
    "HOURS_PER_MONTH",
    "RATE_PATTERN",
    "USD_PATTERN",
    "Period",
    "Rate",
    "format_usd",
    "format_usd_exact",
    "parse_rate",
    "parse_usd",
    "usd_from_cents",
]

HOURS_PER_DAY = 24
HOURS_PER_MONTH = 720

Period = Literal["h", "day", "month"]
_HOURS: dict[Period, int] = {"h": 1, "day": HOURS_PER_DAY, "month": HOURS_PER_MONTH}
_PERIODS: dict[str, Period] = {"h": "h", "hour": "h", "day": "day", "month": "month"}

# Six decimals hold every published price per million tokens; twelve digits hold every budget.
USD_PATTERN = r"^\$(?:[0-9]{1,12}|[0-9]{1,3}(?:,[0-9]{3}){1,3})(?:\.[0-9]{1,6})?$"
RATE_PATTERN = USD_PATTERN[:-1] + r"/(?:h|hour|day|month)$"
_USD_FORMS = '"$5", "$0.08", "$1,000"'
_RATE_FORMS = '"$2.29/h", "$40/day", "$1,000/month"'


def usd_from_cents(cents: int) -> Decimal:
    """US cents, the unit of the API's prices, as dollars with two decimals: 229 -> 2.29."""
    return Decimal(cents).scaleb(-2)


def format_usd(usd: Decimal) -> str:
    """Dollars for people: `$7.35`, `$5,292.00`, `-$1.00`; rounded half up to the cent."""
    cents = usd.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    return f"-${-cents:,}" if cents < 0 else f"${abs(cents):,}"


def format_usd_exact(usd: Decimal) -> str:
    """Dollars as configuration writes them, with all their decimals: `$5`, `$0.08`, `$1,000`."""
    return f"${usd:,f}"


def parse_usd(text: str) -> Decimal:
    """An amount above zero: `$5`, `$0.08`, `$1,000`. What is printed by `format_usd_exact` reads back equal.

    The dollar sign is required, and a comma only separates thousands: `5` and `$1,50` could mean
    something else. Raises Refused, with the accepted forms.
    """
    usd = _parse_amount(text, "is not an amount in dollars", _USD_FORMS)
    if usd <= 0:
        raise Refused("is not above zero", allowed=_USD_FORMS)
    return usd


@dataclass(frozen=True, slots=True)
class Rate:
    """Dollars per period. Prints in the form it was written in: `$40/day`.

    Attributes:
        amount_usd: dollars per `period`, above zero.
        period: "h", "day" (24 h) or "month" (720 h).

    Two rates are equal when amount and period are; compare `usd_per_month` for worth.
    """

    amount_usd: Decimal
    period: Period = "h"

    @property
    def usd_per_hour(self) -> Decimal:
        return self.amount_usd / _HOURS[self.period]

    @property
    def usd_per_day(self) -> Decimal:
        return self.amount_usd * HOURS_PER_DAY / _HOURS[self.period]

    @property
    def usd_per_month(self) -> Decimal:
        """Dollars per 720 h."""
        return self.amount_usd * HOURS_PER_MONTH / _HOURS[self.period]

    def __str__(self) -> str:
        return f"{format_usd_exact(self.amount_usd)}/{self.period}"


def parse_rate(text: str) -> Rate:
    """A rate above zero: `$2.29/h` or `/hour`, `$40/day`, `$1,000/month`. Raises Refused, with the forms."""
    message = "is not a rate in dollars per time"
    amount, slash, period = text.partition("/")
    if not slash or period not in _PERIODS:
        raise Refused(message, allowed=_RATE_FORMS)
    usd = _parse_amount(amount, message, _RATE_FORMS)
    if usd <= 0:
        raise Refused("is not above zero", allowed=_RATE_FORMS)
    return Rate(usd, _PERIODS[period])


def _parse_amount(text: str, message: str, forms: str) -> Decimal:
    if not re.fullmatch(USD_PATTERN, text):
        raise Refused(message, allowed=forms)
    return Decimal(text[1:].replace(",", ""))
