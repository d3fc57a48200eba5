"""What the month will have cost when it ends, with intervals from how much the days differ.

The rate of spending is taken for a random walk: its best forecast is what it is now, and it strays with the
square root of time. The sum of a walk of variance v per day over T days has the variance v T^3 / 3; averages
of two neighbouring days differ by 2/3 v (integrals of Brownian motion), which is how v is estimated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import NormalDist, fmean
from typing import Final

__all__ = ["MIN_CHANGES", "DayCost", "ForecastDay", "Interval", "MonthForecast", "forecast_month"]

MIN_CHANGES: Final = 6
"""Changes from one day to the next below which no interval is given: those of one week."""

_MAX_CHANGES: Final = 60
_CENT: Final = Decimal("0.01")
_DAY: Final = timedelta(days=1)
_HOURS: Final = Decimal(24)
_AVERAGES: Final = 1.5  # v from the variance of differences of daily averages


@dataclass(frozen=True, slots=True)
class DayCost:
    """Dollars of one day (UTC).

    Attributes:
        usd: what was seen of it, 0 or more.
        is_whole: whether the whole day was watched. Only such days say how much days differ.
    """

    day: date
    usd: Decimal
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Interval:
    """Dollars between which the truth lies with a chance of `percent`."""

    percent: int
    low_usd: Decimal
    high_usd: Decimal


@dataclass(frozen=True, slots=True)
class ForecastDay:
    """One day of the month.

    Attributes:
        usd: what it cost; of today what it will have cost; of later days what is expected.
        is_ahead: today and later.
        interval_80: of a day ahead; None where there is no interval.
    """

    day: date
    usd: Decimal
    is_ahead: bool
    interval_80: Interval | None = None


@dataclass(frozen=True, slots=True)
class MonthForecast:
    """The month's dollars at its end.

    Attributes:
        spent_usd: so far.
        expected_usd: spent, and the present rate for what is left.
        interval_80, interval_95: None where the history cannot tell, and then `method` says why.
        days: of the month, those without a figure left out.
        method: one or two sentences on how the figures came about.
    """

    spent_usd: Decimal
    expected_usd: Decimal
    interval_80: Interval | None
    interval_95: Interval | None
    days: tuple[ForecastDay, ...]
    method: str


def forecast_month(
    days: Sequence[DayCost],
    now: datetime,
    run_rate_usd_per_hour: Decimal,
    *,
    spent_usd: Decimal | None = None,
) -> MonthForecast:
    """Forecast the dollars of the month (UTC) that `now` lies in.

    Args:
        days: history in any order, of this month and before; today's is what it has cost so far.
        now: with a time zone.
        run_rate_usd_per_hour: of all that runs now.
        spent_usd: since the first of the month where it is known better than by adding up `days`.

    Raises:
        ValueError: no time zone, two figures for one day, a day after today, or dollars below 0.
    """
    if now.tzinfo is None or now.utcoffset() != timedelta(0):
        raise ValueError("now is to be in UTC")
    _check(days, now.date(), run_rate_usd_per_hour, spent_usd)
    first = now.date().replace(day=1)
    months_days = {row.day: row.usd for row in days if row.day >= first}
    added_up = sum(months_days.values(), Decimal(0))
    spent = (added_up if spent_usd is None else spent_usd).quantize(_CENT)
    left = _days_left(now)
    expected = max(spent, (spent + run_rate_usd_per_hour * _HOURS * left).quantize(_CENT))
    changes = tuple(_changes(days, now.date()))
    variance, no_spread = _variance(changes)
    rows = tuple(_rows(months_days, now, run_rate_usd_per_hour, variance, len(changes)))
    said = f"Spent so far, and the present ${run_rate_usd_per_hour:,.2f}/h for the rest of the month"
    if variance is None:
        return MonthForecast(spent, expected, None, None, rows, f"{said}. No interval: {no_spread}.")
    deviation = math.sqrt(variance * float(left) ** 3 / 3)
    interval_80, interval_95 = (
        _interval(percent, expected, deviation, len(changes), floor=spent) for percent in (80, 95)
    )
    how = f"{said}; the intervals take the rate for a random walk that strays as {len(changes)} changes from"
    return MonthForecast(
        spent, expected, interval_80, interval_95, rows, f"{how} one whole day to the next did."
    )


def _check(days: Sequence[DayCost], today: date, rate: Decimal, spent_usd: Decimal | None) -> None:
    seen = [row.day for row in days]
    if len(set(seen)) != len(seen):
        raise ValueError("two figures for one day")
    if any(day > today for day in seen):
        raise ValueError(f"a day of the history is after {today}")
    if min([rate, spent_usd or Decimal(0), *(row.usd for row in days)]) < 0:
        raise ValueError("dollars below 0")


def _days_left(now: datetime) -> Decimal:
    """Days until the month ends, with their fraction."""
    end = datetime.combine(_next_month(now.date()), time(), tzinfo=now.tzinfo)
    return Decimal(str((end - now).total_seconds())) / 86_400


def _next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def _changes(days: Sequence[DayCost], today: date) -> Iterator[float]:
    """Differences of whole neighbouring days before today, the newest ones."""
    whole = sorted((row.day, float(row.usd)) for row in days if row.is_whole and row.day < today)
    for (before, usd_before), (after, usd_after) in list(pairwise(whole))[-_MAX_CHANGES:]:
        if after - before == _DAY:
            yield usd_after - usd_before


def _variance(changes: Sequence[float]) -> tuple[float | None, str]:
    """Of the rate in dollars per day, per day; None with the reason where the changes do not tell it."""
    if len(changes) < MIN_CHANGES:
        return None, (
            f"the history has {len(changes) or 'no'} changes from one whole day to the next, and "
            f"{MIN_CHANGES} are needed to say how much days differ"
        )
    if not any(abs(change) >= float(_CENT) for change in changes):
        return None, f"all {len(changes) + 1} whole days cost the same, so nothing says how far it may stray"
    return _AVERAGES * fmean(change**2 for change in changes), ""


def _rows(
    months_days: dict[date, Decimal], now: datetime, rate: Decimal, variance: float | None, changes: int
) -> Iterator[ForecastDay]:
    today = now.date()
    yield from (
        ForecastDay(day, usd, is_ahead=False) for day, usd in sorted(months_days.items()) if day < today
    )
    left_today = (
        Decimal(86_400 - (now - now.replace(hour=0, minute=0, second=0, microsecond=0)).seconds) / 86_400
    )
    day, starts_in = today, -(1 - left_today)
    while day < _next_month(today):
        # What is left of today, and each whole day after it.
        length = 1 + min(starts_in, Decimal(0))
        begun = months_days.get(day, Decimal(0))
        usd = (begun + rate * _HOURS * length).quantize(_CENT)
        interval = None
        if variance is not None:
            away = float(max(starts_in, Decimal(0)))
            deviation = float(length) * math.sqrt(variance * (away + float(length) / 3))
            interval = _interval(80, usd, deviation, changes, floor=begun.quantize(_CENT))
        yield ForecastDay(day, usd, is_ahead=True, interval_80=interval)
        day, starts_in = day + _DAY, starts_in + 1


def _interval(percent: int, expected: Decimal, deviation: float, changes: int, *, floor: Decimal) -> Interval:
    half = Decimal(str(_student_t(percent, changes) * deviation)).quantize(_CENT)
    return Interval(percent, max(floor, expected - half), expected + half)


def _student_t(percent: int, degrees: int) -> float:
    """Quantile of Student's distribution: a spread that was estimated from few changes is itself unsure.

    The expansion in 1/degrees (Abramowitz and Stegun 26.7.5), within 0.5 % of the truth from 6 degrees on.
    """
    z = NormalDist().inv_cdf(0.5 + percent / 200)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3
