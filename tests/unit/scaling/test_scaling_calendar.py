"""The local clock: weekdays, holidays as Sundays, and the two days on which clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.scaling.errors import LibraryMissing, SettingsRefused
from sophia_infra.scaling.holidays import SUNDAY, WorkCalendar, _public_holidays

PLAIN = WorkCalendar(country=None)


@given(
    st.integers(0, 2_500_000_000),
    st.sampled_from(["America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC", "Europe/Berlin"]),
    st.sampled_from([60, 300, 3600]),
)
def test_each_step_has_the_weekday_and_time_that_a_clock_there_shows(
    start_s: int, zone: str, step_s: int
) -> None:
    start_s -= start_s % step_s
    local = WorkCalendar(zone, None).local_steps(start_s, step_s, 400)
    for place in range(0, 400, 37):
        shown = datetime.fromtimestamp(start_s + place * step_s, tz=ZoneInfo(zone))
        assert local.weekday[place] == shown.weekday()
        assert local.second_of_day[place] == shown.hour * 3600 + shown.minute * 60 + shown.second


def test_nine_in_the_morning_stays_nine_when_the_clocks_change() -> None:
    """2026-11-01 in New York: UTC-4 becomes UTC-5."""
    for day, hour_utc in ((30, 13), (2, 14)):
        month = 10 if day == 30 else 11
        start_s = int(datetime(2026, month, day, hour_utc, tzinfo=UTC).timestamp())
        assert PLAIN.local_steps(start_s, 300, 1).second_of_day.tolist() == [9 * 3600]


def test_a_day_of_25_hours_has_one_hour_twice() -> None:
    start_s = int(datetime(2026, 11, 1, 4, tzinfo=UTC).timestamp())
    hours = (PLAIN.local_steps(start_s, 3600, 25).second_of_day // 3600).tolist()
    assert hours == [0, 1, 1, *range(2, 24)]


def test_public_holidays_and_own_days_off_are_sundays() -> None:
    thanksgiving = int(datetime(2026, 11, 26, 17, tzinfo=UTC).timestamp())
    own = date(2026, 11, 27)
    calendar = WorkCalendar(days_off=frozenset({own}))
    weekdays = calendar.local_steps(thanksgiving, 86_400, 3).weekday.tolist()
    assert weekdays == [SUNDAY, SUNDAY, 5]
    assert PLAIN.local_steps(thanksgiving, 86_400, 3).weekday.tolist() == [3, 4, 5]


def test_what_is_not_known_is_refused_in_words() -> None:
    with pytest.raises(SettingsRefused, match=r"no IANA time zone\. Next: name one such as America/New_York"):
        WorkCalendar(zone="Mars/Olympus")
    with pytest.raises(SettingsRefused, match="country is 'XX', whose holidays are not known"):
        WorkCalendar(country="XX").is_day_off(date(2026, 1, 1))


def test_without_the_package_the_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "holidays", None)
    _public_holidays.cache_clear()
    with pytest.raises(
        LibraryMissing, match=r"needs the package holidays, which is not installed\. Next: install"
    ):
        WorkCalendar().is_day_off(date(2026, 1, 1))
    assert not PLAIN.is_day_off(date(2026, 1, 1))
