"""A clock that is wrong at any set: the latest one stays the one that was made last, and prune keeps it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.backup.creating import PlannedPart
from sophia_infra.backup.errors import StoreUnavailable
from sophia_infra.backup.manifest import new_set_id
from sophia_infra.backup.retention import plan_prune
from sophia_infra.model.backup import RetentionConfig
from tests.faults.trials import TRIALS, RecordProperty
from tests.unit.backup.material import KEY, NOON, make_set, sets_in, text_part

SETS = 6
YEARS = (datetime.fromisoformat("1000-01-01"), datetime.fromisoformat("9999-12-31 23:59:59"))
EVERY = timedelta(minutes=10)
LEAST = RetentionConfig.model_validate({"daily": 1, "weekly": 0, "monthly": 0})


@pytest.mark.parametrize(
    "wrong",
    [timedelta(days=2), timedelta(days=-2), datetime(1970, 1, 1, tzinfo=UTC) - NOON],
    ids=["forward", "back", "never set"],
)
def test_the_latest_set_is_the_one_made_last_though_the_clock_was_wrong_at_one_of_them(
    tmp_path: Path, record_property: RecordProperty, wrong: timedelta
) -> None:
    trials = 0
    for spoiled in range(SETS):
        sets = sets_in(tmp_path / str(spoiled))
        made = []
        for number in range(SETS):
            at = NOON + EVERY * number + (wrong if number == spoiled else timedelta())
            made.append(make_set(sets.store, [text_part("images", "[]")], at=at).set_id)
            assert sets.open("latest", KEY).set_id == made[-1]
            found = sets.listing()
            plan = plan_prune(found.sets, {}, LEAST, at.timestamp(), sets.is_good)
            assert made[-1] in plan.keep
        assert [one.set_id for one in sets.listing().sets] == made[::-1]
        trials += 1
    record_property(TRIALS, trials)


def test_a_set_says_what_the_clock_said_whatever_it_is_called(tmp_path: Path) -> None:
    sets = sets_in(tmp_path)
    make_set(sets.store, at=NOON + timedelta(days=2))
    second = make_set(sets.store, at=NOON)
    assert second.made_at == "2026-08-20T12:00:00+00:00"
    assert second.set_id.startswith("20260822-120001-")


@given(st.lists(st.datetimes(YEARS[0], YEARS[1], timezones=st.just(UTC)), max_size=12))
def test_names_sort_as_the_sets_were_made_whatever_the_clock_says(clock: list[datetime]) -> None:
    made: list[str] = []
    for now in clock:
        made.append(new_set_id(now, [*made, "20269999-000000-abcdef", "no set"]))
        assert re.fullmatch(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}", made[-1])
        # Behind the last second of the calendar no name is left.
        assert made[-1] == max(made) or made[-1].startswith("99991231-235959-")


def test_a_folder_whose_name_is_no_time_is_no_set(tmp_path: Path) -> None:
    sets = sets_in(tmp_path)
    (tmp_path / "staging" / "20269999-000000-abcdef").mkdir(parents=True)
    (tmp_path / "staging" / "20269999-000000-abcdef" / "images").touch()
    assert (sets.listing().sets, sets.listing().unfinished) == ((), {})
    assert sets.open(make_set(sets.store).set_id, KEY) == sets.open("latest", KEY)


def test_a_set_that_a_prune_of_another_day_takes_away_while_it_is_made_is_refused(tmp_path: Path) -> None:
    sets = sets_in(tmp_path)

    def prune_and_read() -> Iterable[bytes]:
        unfinished = sets.listing().unfinished
        in_two_days_s = (NOON + timedelta(days=2)).timestamp()
        for set_id in plan_prune((), unfinished, LEAST, in_two_days_s, sets.is_good).abandoned:
            sets.remove(set_id)
        return [b"{}"]

    parts = [text_part("images", "[]"), PlannedPart("state", "state", prune_and_read)]
    with pytest.raises(StoreUnavailable, match="images is gone") as refused:
        make_set(sets.store, parts)
    assert "clocks" in refused.value.next_step
    assert sets.listing().sets == ()
