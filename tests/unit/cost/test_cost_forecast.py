"""The month's end: what always holds, how often the intervals are right, and when there is none."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sophia_infra.cost.forecast import MIN_CHANGES, DayCost, Interval, MonthForecast, forecast_month
from tests.effort import examples

NOV = date(2026, 11, 1)
MONTH_HOURS = 30 * 24


def at(day: int, hour: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def days_before(today: date, *usd: str) -> list[DayCost]:
    """Whole days that end yesterday."""
    start = today - timedelta(days=len(usd))
    return [DayCost(start + timedelta(days=place), Decimal(text)) for place, text in enumerate(usd)]


def interval(forecast: MonthForecast, percent: int) -> Interval:
    found = {80: forecast.interval_80, 95: forecast.interval_95}[percent]
    assert found is not None
    return found


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[DayCost], datetime, Decimal, Decimal | None]:
    now = at(draw(st.integers(1, 28)), draw(st.integers(0, 23)), draw(st.integers(1, 12)))
    usd = st.decimals(0, 5_000, places=2)
    count = draw(st.integers(0, 30))
    # Mostly whole days without holes: only those give intervals.
    holes, parts = (draw(st.sets(st.integers(0, count), max_size=2)) for _ in range(2))
    days = [
        DayCost(now.date() - timedelta(days=ago), draw(usd), ago not in parts)
        for ago in range(count)
        if ago not in holes
    ]
    return days, now, draw(st.decimals(0, 300, places=2)), draw(st.none() | usd)


@given(histories())
@settings(max_examples=examples(200))
def test_what_holds_for_every_history(
    case: tuple[list[DayCost], datetime, Decimal, Decimal | None],
) -> None:
    days, now, rate, spent = case
    found = forecast_month(days, now, rate, spent_usd=spent)
    assert forecast_month(days[::-1], now, rate, spent_usd=spent) == found
    assert found.expected_usd >= found.spent_usd
    assert (found.interval_80 is None) == (found.interval_95 is None) == ("No interval" in found.method)
    if found.interval_80 is not None and found.interval_95 is not None:
        narrow, wide = found.interval_80, found.interval_95
        assert found.spent_usd <= wide.low_usd <= narrow.low_usd <= found.expected_usd
        assert found.expected_usd < narrow.high_usd < wide.high_usd
    month = [row.day for row in found.days]
    assert month == sorted(set(month))
    assert all((row.day.year, row.day.month) == (now.year, now.month) for row in found.days)
    assert all(row.is_ahead == (row.day >= now.date()) for row in found.days)
    assert (month[-1] + timedelta(days=1)).day == 1
    for row in found.days:
        if row.interval_80 is not None:
            assert row.interval_80.low_usd <= row.usd <= row.interval_80.high_usd
        assert row.usd == row.usd.quantize(Decimal("0.01")) or not row.is_ahead


@given(histories())
@settings(max_examples=examples(60))
def test_a_dearer_rate_never_makes_a_cheaper_month(
    case: tuple[list[DayCost], datetime, Decimal, Decimal | None],
) -> None:
    days, now, rate, spent = case
    dearer = forecast_month(days, now, rate + 1, spent_usd=spent)
    assert dearer.expected_usd > forecast_month(days, now, rate, spent_usd=spent).expected_usd


def test_the_expectation_is_what_is_spent_and_the_rate_for_the_rest() -> None:
    found = forecast_month(days_before(date(2026, 11, 11), *["176.40"] * 10), at(11, 12), Decimal("7.35"))
    assert (str(found.spent_usd), str(found.expected_usd)) == ("1764.00", "5203.80")
    assert [str(row.usd) for row in found.days[9:12]] == ["176.40", "88.20", "176.40"]


def test_todays_part_is_spent_and_belongs_to_today() -> None:
    days = [*days_before(date(2026, 11, 11), "100"), DayCost(date(2026, 11, 11), Decimal(40), is_whole=False)]
    found = forecast_month(days, at(11, 12), Decimal(2))
    assert str(found.spent_usd) == "140.00"
    assert [(row.day.day, str(row.usd)) for row in found.days[:3]] == [
        (10, "100"),
        (11, "64.00"),
        (12, "48.00"),
    ]


def test_what_is_spent_can_be_known_better_than_by_the_days() -> None:
    found = forecast_month([], at(30, 12), Decimal(1), spent_usd=Decimal("999.999"))
    assert (str(found.spent_usd), str(found.expected_usd)) == ("1000.00", "1012.00")


def test_nearer_to_the_end_the_interval_is_narrower() -> None:
    usd = [str(100 + 7 * (place % 3)) for place in range(30)]
    widths = []
    for day in (1, 10, 20, 29):
        found = interval(forecast_month(days_before(date(2026, 11, day), *usd), at(day), Decimal(4)), 80)
        widths.append(found.high_usd - found.low_usd)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < widths[0] / 20


@pytest.mark.parametrize(
    ("usd", "says"),
    [
        ((), "the history has no changes from one whole day to the next, and 6 are needed"),
        (("100",), "the history has no changes"),
        (("100", "120"), "the history has 1 changes"),
        (("1", "2", "3", "4", "5", "6"), "the history has 5 changes"),
        (("176.40",) * 20, "all 20 whole days cost the same"),
    ],
)
def test_a_history_that_cannot_tell_gives_words_and_no_interval(usd: tuple[str, ...], says: str) -> None:
    found = forecast_month(days_before(date(2026, 11, 21), *usd), at(21), Decimal("7.35"))
    assert (found.interval_80, found.interval_95) == (None, None)
    assert says in found.method
    assert all(row.interval_80 is None for row in found.days)


def test_the_width_is_that_of_a_walk_and_of_students_distribution() -> None:
    """Six changes of $10: v is 1.5 x 100, over ten days the sum strays by sqrt(v x 1000 / 3)."""
    days = days_before(date(2026, 11, 21), *["100", "110"] * 3, "100")
    found = forecast_month(days, at(21), Decimal(100), spent_usd=Decimal(0))
    deviation = (150 * 1000 / 3) ** 0.5
    for percent, quantile in ((80, 1.4398), (95, 2.4469)):
        one = interval(found, percent)
        assert float(one.high_usd - found.expected_usd) == pytest.approx(quantile * deviation, rel=0.005)
        assert one.high_usd - found.expected_usd == found.expected_usd - one.low_usd


def test_no_interval_reaches_below_what_is_spent() -> None:
    days = days_before(date(2026, 11, 21), *["0", "4000"] * 6)
    found = forecast_month(days, at(21), Decimal(1))
    assert interval(found, 95).low_usd == interval(found, 80).low_usd == found.spent_usd
    assert found.days[-1].interval_80 is not None
    assert found.days[-1].interval_80.low_usd == 0


def test_only_changes_between_whole_neighbouring_days_count() -> None:
    days = days_before(date(2026, 11, 21), *["10", "20"] * 7)
    assert forecast_month(days, at(21), Decimal(1)).interval_80 is not None
    with_holes = [row for place, row in enumerate(days) if place % 2]
    assert "no changes" in forecast_month(with_holes, at(21), Decimal(1)).method
    in_part = [DayCost(row.day, row.usd, is_whole=bool(place % 2)) for place, row in enumerate(days)]
    assert "no changes" in forecast_month(in_part, at(21), Decimal(1)).method


@pytest.mark.parametrize(
    ("days", "now", "rate", "spent"),
    [
        ((), datetime(2026, 11, 5), "1", None),  # noqa: DTZ001 (that is the mistake)
        ((DayCost(date(2026, 11, 6), Decimal(1)),), at(5), "1", None),
        ((DayCost(NOV, Decimal(1)), DayCost(NOV, Decimal(2))), at(5), "1", None),
        ((DayCost(NOV, Decimal(-1)),), at(5), "1", None),
        ((), at(5), "-1", None),
        ((), at(5), "1", "-1"),
    ],
)
def test_what_makes_no_sense_is_refused(
    days: Sequence[DayCost], now: datetime, rate: str, spent: str | None
) -> None:
    with pytest.raises(ValueError, match=r"UTC|after|two figures|below 0"):
        forecast_month(days, now, Decimal(rate), spent_usd=None if spent is None else Decimal(spent))


@pytest.mark.parametrize("walk", ["hourly", "daily"])
@pytest.mark.parametrize("history_days", [7, 30])
def test_the_intervals_hold_what_they_promise_on_random_walks(walk: str, history_days: int) -> None:
    """400 seeded walks: of the 80 % intervals 70 to 90 % hold the truth, of the 95 % ones over 90 %."""
    hits = [_is_held(walk, history_days, seed) for seed in range(400)]
    held_80, held_95 = (sum(found) / len(hits) for found in zip(*hits, strict=True))
    assert 0.70 <= held_80 <= 0.90
    assert 0.90 <= held_95 <= 1


def test_intervals_of_a_history_of_minimal_length_exist() -> None:
    usd = [str(100 + place % 2) for place in range(MIN_CHANGES + 1)]
    assert forecast_month(days_before(date(2026, 11, 21), *usd), at(21), Decimal(4)).interval_80 is not None


def _is_held(walk: str, history_days: int, seed: int) -> tuple[bool, bool]:
    chance = random.Random(seed)
    start, today = NOV - timedelta(days=history_days), NOV + timedelta(days=chance.randint(1, 24))
    rates = list(_rates(chance, walk, history_days * 24 + MONTH_HOURS))
    now_hour = (today - start).days * 24 + chance.randint(0, 23)
    whole = [
        DayCost(start + timedelta(days=place), _usd(rates[place * 24 : place * 24 + 24]))
        for place in range((today - start).days)
    ]
    part = DayCost(today, _usd(rates[len(whole) * 24 : now_hour]), is_whole=False)
    now = at(1) + timedelta(hours=now_hour - history_days * 24)
    found = forecast_month([*whole, part], now, Decimal(str(rates[now_hour])))
    truth = _usd(rates[history_days * 24 :])
    held = [interval(found, percent) for percent in (80, 95)]
    return tuple(one.low_usd <= truth <= one.high_usd for one in held)  # type: ignore[return-value]


def _rates(chance: random.Random, walk: str, hours: int) -> Iterator[float]:
    """Dollars per hour of each hour, far above 0, so that nothing is cut off there."""
    rate = 50.0
    for hour in range(hours):
        if walk == "hourly":
            rate += chance.gauss(0, 0.1)
        elif hour % 24 == 0:
            rate += chance.gauss(0, 0.5)
        yield rate


def _usd(rates: Sequence[float]) -> Decimal:
    return Decimal(str(round(sum(rates), 4)))
