"""What `prune` removes: never what the retention names, and never the newest good set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.backup.manifest import Manifest
from sophia_infra.backup.retention import ABANDONED_AFTER_S, PrunePlan, plan_prune
from sophia_infra.model.backup import RetentionConfig

START = datetime(2026, 1, 1, 2, tzinfo=UTC)
NOW_S = datetime(2026, 12, 31, tzinfo=UTC).timestamp()


def made(hours: int) -> Manifest:
    at = START + timedelta(hours=hours)
    return Manifest(f"{at:%Y%m%d-%H%M%S}-000000", "s", at.isoformat(), 1.0, "key", {}, ())


def plan(sets: Sequence[Manifest], damaged: Sequence[str] = (), **counts: int) -> PrunePlan:
    retention = RetentionConfig.model_validate(counts)
    return plan_prune(sets, {}, retention, NOW_S, lambda one: one.set_id not in damaged)


def days(count: int) -> list[Manifest]:
    return [made(24 * day) for day in range(count)]


def test_a_year_of_nights_becomes_days_weeks_and_months() -> None:
    kept = plan(days(365), daily=7, weekly=4, monthly=6).keep
    words = [reason.split()[2] for reason in kept.values()]
    # Of 365 nights: the last seven; of the four last weeks two ends are among those; and so are two months.
    assert words.count("day") == 7
    assert words.count("week") == 2
    assert words.count("month") == 5
    assert len(kept) == 14


def test_a_month_without_sets_uses_up_no_day() -> None:
    sets = [*days(10), made(24 * 60)]
    kept = plan(sets, daily=7, weekly=0, monthly=0).keep
    assert len(kept) == 7
    assert made(24 * 60).set_id in kept


def test_of_one_day_only_the_newest_stays() -> None:
    sets = [made(hour) for hour in range(0, 20, 5)]
    assert list(plan(sets, daily=7, weekly=0, monthly=0).keep) == [made(15).set_id]


@given(
    hours=st.sets(st.integers(0, 24 * 300), max_size=40),
    damaged=st.sets(st.integers(0, 40)),
    daily=st.integers(1, 10),
    weekly=st.integers(0, 5),
    monthly=st.integers(0, 5),
)
def test_the_newest_and_the_newest_good_set_always_stay(
    hours: set[int], damaged: set[int], daily: int, weekly: int, monthly: int
) -> None:
    sets = [made(hour) for hour in sorted(hours)]
    bad = [one.set_id for number, one in enumerate(sets) if number in damaged]
    found = plan(sets, bad, daily=daily, weekly=weekly, monthly=monthly)
    good = [one.set_id for one in sets if one.set_id not in bad]
    assert sorted([*found.keep, *found.remove]) == sorted(one.set_id for one in sets)
    if good:
        assert good[-1] in found.keep
        assert sets[-1].set_id in found.keep
        assert len(found.keep) <= daily + weekly + monthly + 1
    else:
        assert found.remove == ()


def test_the_newest_good_set_stays_though_no_rule_names_it() -> None:
    sets = days(3)
    found = plan(sets, [sets[1].set_id, sets[2].set_id], daily=1, weekly=0, monthly=0)
    assert found.keep == {
        sets[2].set_id: "newest of day 2026-01-03",
        sets[0].set_id: "newest good one",
    }


def test_pruning_again_removes_nothing_more() -> None:
    sets = days(200)
    first = plan(sets)
    rest = [one for one in sets if one.set_id in first.keep]
    assert plan(rest).remove == ()


def test_an_unfinished_set_is_left_alone_for_a_day() -> None:
    unfinished = {"young": NOW_S - ABANDONED_AFTER_S + 1, "old": NOW_S - ABANDONED_AFTER_S - 1}
    found = plan_prune([], unfinished, RetentionConfig(), NOW_S, lambda _one: True)
    assert found.abandoned == ("old",)
