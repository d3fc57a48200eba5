"""kill -9 at every moment of a run, by exhaustion: nothing after it doubles or leaves a machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from sophia_infra.lambda_cloud import LambdaCloud
from sophia_infra.provider.journal import Journal
from sophia_infra.training.attending import attend
from sophia_infra.training.closing import close_dead_run
from sophia_infra.training.errors import NoRoom, TrainingError
from sophia_infra.training.run_folder import RunFolder
from sophia_infra.training.run_state import RunState
from tests.effort import FULL
from tests.unit.provider.simulated_engine import Doom, DoomedClient, DoomedJournal, Killed
from tests.unit.training.ground import EAST, H100, WEST, Ground, one_poll_usd

QUICK: dict[str, Any] = {"boot_ranges_s": ((0, 40.0, 70.0),), "ip_after_s": 5.0}


@dataclass(frozen=True, slots=True)
class DoomedFolder(RunFolder):
    """The real files; the process can die before and after each note and each state."""

    doom: Doom = field(default_factory=lambda: Doom(None))

    @property
    def journal(self) -> Journal:
        journal = DoomedJournal(self.path / "launches")
        journal.doom = self.doom
        return journal

    def write_state(self, state: RunState) -> None:
        self.doom.moment()
        super(DoomedFolder, self).write_state(state)
        self.doom.moment()


def attend_until(ground: Ground, folder: RunFolder, kill_at: int | None, **more: Any) -> str:
    """One process; "killed", or how it ended."""
    doom = Doom(kill_at)
    client = cast(LambdaCloud, DoomedClient(ground.client(), doom, reads=FULL))
    means = ground.means(ground.access(job_s=45, folder=folder), client=client, **more)
    try:
        return str(attend(DoomedFolder(folder.path, doom), means).outcome)
    except Killed:
        return "killed"
    except TrainingError as error:
        return type(error).__name__


def check_never_two(ground: Ground, folder: RunFolder) -> None:
    numbers = Counter(row["tags"]["sophia-node"] for row in ground.live(folder.run_id))
    assert all(count == 1 for count in numbers.values()), numbers


def at_every_moment(ground: Ground, begin: Callable[[], RunFolder], then: Callable[[RunFolder], None]) -> int:
    """Kill a new run at its first moment, at its second, ... until one is not reached any more."""
    for kill_at in range(1, 2000):
        folder = begin()
        ended = attend_until(ground, folder, kill_at)
        check_never_two(ground, folder)
        if ended != "killed":
            return kill_at - 1
        then(folder)
        check_never_two(ground, folder)
        assert ground.live(folder.run_id) == [], kill_at
    raise AssertionError("a run has no end")


@pytest.mark.slow
@pytest.mark.parametrize("list_lag_s", [0, 40])
def test_a_run_that_is_killed_anywhere_goes_on_and_launches_each_node_once(
    ground: Ground, list_lag_s: float
) -> None:
    """Buys certainty about every one of some hundred moments; takes seconds of processor time."""

    def begin() -> RunFolder:
        ground.begin_anew(**QUICK, list_lag_s=list_lag_s)
        return ground.new_run()

    def resume(folder: RunFolder) -> None:
        assert attend_until(ground, folder, None) == "done"
        rows = ground.rows(folder.run_id)
        assert sorted(row["tags"]["sophia-node"] for row in rows) == ["1", "2", "3"]

    assert at_every_moment(ground, begin, resume) > 40


@pytest.mark.slow
def test_a_run_that_is_killed_while_it_gives_a_region_up_leaves_no_half(ground: Ground) -> None:
    """Buys the same for the way back: launched, no room for the last, ended, the other region."""

    def begin() -> RunFolder:
        ground.begin_anew(**QUICK)
        ground.cloud.set_capacity(H100, EAST, 2)
        return ground.new_run()

    def resume(folder: RunFolder) -> None:
        assert attend_until(ground, folder, None) == "done"
        rows = ground.rows(folder.run_id)
        assert sum(row["region"] == WEST for row in rows) == 3
        overlap = [row for row in rows if row["region"] == EAST]
        first_west = min(row["launched_at_s"] for row in rows if row["region"] == WEST)
        assert all(row["ended_at_s"] <= first_west for row in overlap)

    assert at_every_moment(ground, begin, resume) > 60


@pytest.mark.slow
def test_the_watchdog_ends_what_a_starter_killed_anywhere_left(ground: Ground) -> None:
    """Buys the cap for every moment at which nobody goes on with the run."""

    def begin() -> RunFolder:
        ground.begin_anew(**QUICK)
        return ground.new_run(max_hours=1)

    def only_the_watchdog(folder: RunFolder) -> None:
        spec = folder.spec()
        ground.watch(folder)
        assert ground.billed(folder.run_id) <= spec.max_usd + one_poll_usd(spec)
        for row in ground.rows(folder.run_id):
            assert row["ended_at_s"] <= int(row["tags"]["sophia-deadline"]) + spec.poll_s + 60

    assert at_every_moment(ground, begin, only_the_watchdog) > 40


def test_a_run_that_is_killed_again_and_again_comes_to_its_end(ground: Ground) -> None:
    ground.set(**QUICK)
    folder = ground.new_run()
    ended = [attend_until(ground, folder, kill_at) for kill_at in (3, 5, 8, 7, 12, 9, 16, 11)]
    assert ended[:4] == ["killed"] * 4
    assert attend_until(ground, folder, None) == "done"
    assert len(ground.rows(folder.run_id)) == 3


def test_a_lost_answer_to_a_launch_doubles_nothing(ground: Ground) -> None:
    ground.set(**QUICK)
    ground.fault("launchInstance", "after", "drop", times=2)
    folder = ground.new_run()
    assert attend_until(ground, folder, None) == "done"
    assert len(ground.rows(folder.run_id)) == 3


def test_a_launch_that_nobody_heard_of_is_ended_with_the_rest(ground: Ground) -> None:
    """The machine turns up only after the run was given up, and is ended all the same."""
    ground.set(**QUICK, list_lag_s=40)
    ground.fault("launchInstance", "after", "drop", times=1)
    folder = ground.new_run()
    doom = Doom(None)
    client = cast(LambdaCloud, DoomedClient(ground.client(), doom))

    class StopsAfterTheLaunch(DoomedFolder):
        @property
        def stop_asked(self) -> bool:
            return len(ground.rows(folder.run_id)) == 1

    with pytest.raises(TrainingError):
        attend(StopsAfterTheLaunch(folder.path, doom), ground.means(client=client))
    assert len(ground.rows(folder.run_id)) == 1
    assert ground.live() == []


def test_what_a_killed_launch_made_is_waited_for_before_a_run_is_closed(ground: Ground) -> None:
    """The list shows the machine 40 s late; whoever closes the run at once has to know of it."""
    ground.set(**QUICK, list_lag_s=40)
    folder = ground.new_run()

    class DiesOnceItIsLaunched(DoomedFolder):
        @property
        def stop_asked(self) -> bool:
            if ground.rows(folder.run_id):
                raise Killed
            return False

    with pytest.raises(Killed):
        attend(DiesOnceItIsLaunched(folder.path), ground.means())
    assert len(ground.live(folder.run_id)) == 1
    assert close_dead_run(folder, ground.means(), "stopped", "Ended by hand.").phase == "ended"
    assert ground.live() == []


def test_a_dead_run_is_closed_by_others(ground: Ground) -> None:
    ground.set(**QUICK)
    folder = ground.new_run()
    assert attend_until(ground, folder, 30) == "killed"
    assert ground.live(folder.run_id)
    state = close_dead_run(folder, ground.means(), "stopped", "Ended by hand.")
    assert (state.phase, state.outcome, state.message) == ("ended", "stopped", "Ended by hand.")
    assert ground.live() == []


def test_a_resumed_run_past_its_deadline_only_ends(ground: Ground) -> None:
    ground.set(**QUICK)
    folder = ground.new_run(max_hours=1)
    assert attend_until(ground, folder, 30) == "killed"
    ground.clock.advance(2 * 3600)
    assert attend_until(ground, folder, None) == "CapReached"
    assert len(ground.rows(folder.run_id)) <= 3
    assert ground.live() == []


def test_no_room_is_not_forgotten_by_a_kill(ground: Ground) -> None:
    ground.set(**QUICK)
    ground.cloud.set_capacity(H100, EAST, 0)
    ground.cloud.set_capacity(H100, WEST, 0)
    folder = ground.new_run()
    with pytest.raises(NoRoom):
        ground.attend(folder)
    assert folder.state().phase == "ended"
