"""Local time of the people who cause the load: hour, weekday, and holidays, which count as Sundays."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from sophia_infra.scaling.errors import LibraryMissing, SettingsRefused
from sophia_infra.scaling.series import DAY_S

__all__ = ["SUNDAY", "WORK_CALENDAR", "LocalSteps", "WorkCalendar"]

SUNDAY: Final = 6
_QUARTER_S: Final = 900
"""No zone changes its offset between two quarters of an hour."""

_FIRST_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday; Monday is 0."""


@dataclass(frozen=True, slots=True)
class LocalSteps:
    """The steps of a series on the local clock, one row each.

    Attributes:
        weekday: 0 (Monday) to 6; a holiday is 6.
        second_of_day: seconds since local midnight as the clock on the wall shows them, 0 to 86,399.
    """

    weekday: npt.NDArray[np.int64]
    second_of_day: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """Which days are worked where the load comes from.

    Attributes:
        zone: IANA name. Default US Eastern, the zone of the plan's office hours.
        country: ISO 3166 code whose public holidays count, by the package `holidays`; None: none do.
        days_off: further days that are like Sundays, such as a company's own.
    """

    zone: str = "America/New_York"
    country: str | None = "US"
    days_off: frozenset[date] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise SettingsRefused(
                f"zone is {self.zone!r}, which is no IANA time zone.",
                next_step="name one such as America/New_York.",
            ) from None

    def is_day_off(self, day: date) -> bool:
        """Whether `day` is a holiday or one of `days_off`. Raises SettingsRefused, LibraryMissing."""
        if day in self.days_off:
            return True
        return self.country is not None and day in _public_holidays(self.country, day.year)

    def local_steps(self, start_s: int, step_s: int, count: int) -> LocalSteps:
        """Weekday and local second of the beginning of each of `count` steps.

        Raises:
            SettingsRefused: `country` is not known. LibraryMissing: `holidays` is not installed.
        """
        starts = start_s + step_s * np.arange(count, dtype=np.int64)
        quarters, place = np.unique(starts // _QUARTER_S, return_inverse=True)
        zone = ZoneInfo(self.zone)
        offsets = np.array([_offset_s(zone, int(one) * _QUARTER_S) for one in quarters], dtype=np.int64)
        local = starts + offsets[place]
        days = local // DAY_S
        weekday = (days + _FIRST_WEEKDAY) % 7
        for day in np.unique(days):
            if self.is_day_off(date(1970, 1, 1) + timedelta(days=int(day))):
                weekday[days == day] = SUNDAY
        return LocalSteps(weekday, local % DAY_S)


WORK_CALENDAR: Final = WorkCalendar()
"""The plan's: US Eastern, federal holidays."""


@lru_cache(maxsize=8192)
def _offset_s(zone: ZoneInfo, at_s: int) -> int:
    offset = datetime.fromtimestamp(at_s, tz=UTC).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


@lru_cache(maxsize=64)
def _public_holidays(country: str, year: int) -> frozenset[date]:
    try:
        from holidays import country_holidays
    except ImportError:
        raise LibraryMissing("holidays", f"the public holidays of {country}") from None
    try:
        return frozenset(country_holidays(country, years=year))
    except NotImplementedError:
        raise SettingsRefused(
            f"country is {country!r}, whose holidays are not known.",
            next_step="name an ISO 3166 code such as US, or none and list days_off yourself.",
        ) from None
