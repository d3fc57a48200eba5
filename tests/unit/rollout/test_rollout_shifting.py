"""When a shift goes on, waits and goes back; whatever was seen, the weight is one of the steps or zero."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.rollout.shifting import Health, Progress, Timing, Verdict, next_progress

TIMING = Timing(bake_s=600, no_data_s=300, ready_s=900, unwatched_s=60)
WEIGHTS = (5, 25, 100)
GOOD, BAD, DARK = (Verdict(health, f"it is {health}") for health in ("healthy", "failing", "unknown"))


def waiting() -> Progress:
    return Progress("image:2", WEIGHTS, since_s=0, looked_s=0)


def watch(progress: Progress, verdict: Verdict, until_s: int, step_s: int = 30) -> Progress:
    for now_s in range(int(progress.looked_s) + step_s, until_s + 1, step_s):
        progress = next_progress(progress, verdict, now_s, TIMING)
    return progress


def test_a_healthy_side_takes_each_step_only_after_its_bake_time() -> None:
    assert watch(waiting(), GOOD, 30).weight == 5
    assert watch(waiting(), GOOD, 600).weight == 5
    assert watch(waiting(), GOOD, 630).weight == 25
    assert watch(waiting(), GOOD, 1230).weight == 100
    last = watch(waiting(), GOOD, 1800)
    assert (last.weight, last.status) == (100, "baking")
    assert watch(waiting(), GOOD, 1830).status == "passed"


def test_the_first_failure_takes_all_calls_back_for_good() -> None:
    at_half = watch(waiting(), GOOD, 700)
    gone = next_progress(at_half, BAD, 730, TIMING)
    assert (gone.weight, gone.status, gone.why) == (0, "rolled_back", "it is failing")
    assert watch(gone, GOOD, 9000) == gone


def test_no_data_stops_the_bake_and_ends_in_going_back() -> None:
    baking = watch(waiting(), GOOD, 300)
    dark = watch(baking, DARK, 570)
    assert (dark.weight, dark.status) == (5, "baking")
    assert watch(dark, GOOD, 1170).weight == 5, "the time without data and before it does not count"
    assert watch(dark, GOOD, 1200).weight == 25
    late = watch(baking, DARK, 630)
    assert (late.weight, late.why) == (0, "no data is not healthy: it is unknown")


def test_time_that_nobody_watched_is_no_bake_time() -> None:
    baking = watch(waiting(), GOOD, 60)
    back_after_an_hour = next_progress(baking, GOOD, 3660, TIMING)
    assert back_after_an_hour.weight == 5
    assert watch(back_after_an_hour, GOOD, 4230).weight == 5
    assert watch(back_after_an_hour, GOOD, 4260).weight == 25


def test_pods_that_never_become_ready_get_no_call() -> None:
    assert watch(waiting(), BAD, 870).status == "waiting"
    late = watch(waiting(), BAD, 900)
    assert (late.weight, late.status) == (0, "rolled_back")
    assert "never became ready" in late.why


looks = st.lists(
    st.tuples(st.sampled_from([GOOD, BAD, DARK]), st.integers(min_value=-50, max_value=700)), max_size=60
)


@given(looks)
def test_whatever_is_seen_the_weight_is_a_step_and_never_skips_one(seen: list[tuple[Verdict, int]]) -> None:
    progress, now_s, healthy_s = waiting(), 0, 0.0
    for verdict, wait_s in seen:
        now_s += wait_s
        before, progress = progress, next_progress(progress, verdict, now_s, TIMING)
        is_watched = 0 <= wait_s <= TIMING.unwatched_s
        counts = verdict is GOOD and is_watched and before.status == "baking" and before.unknown_s is None
        healthy_s = healthy_s + wait_s if counts else 0.0
        assert progress.weight in (0, *WEIGHTS)
        if before.is_final:
            assert progress == before
        elif verdict is BAD and before.status == "baking":
            assert progress.status == "rolled_back"
        if progress.weight > before.weight:
            assert progress.step == before.step + 1
            assert verdict is GOOD
            assert before.step == -1 or healthy_s >= TIMING.bake_s
            healthy_s = 0.0
        assert Progress.from_text(progress.as_text()) == progress


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"weight": 5}', "5"])
def test_an_annotation_that_is_no_state_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="state"):
        Progress.from_text(text)


def test_a_state_whose_weight_was_changed_by_hand_is_refused() -> None:
    text = watch(waiting(), GOOD, 60).as_text()
    with pytest.raises(ValueError, match="contradicts"):
        Progress.from_text(text.replace('"weight":5', '"weight":50'))


@pytest.mark.parametrize("health", ["healthy", "failing", "unknown"])
def test_an_abort_holds_against_every_later_look(health: Health) -> None:
    aborted = watch(waiting(), GOOD, 700).aborted("by hand", 710)
    assert aborted.weight == 0
    assert next_progress(replace(aborted), Verdict(health, ""), 740, TIMING) == aborted
