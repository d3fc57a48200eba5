"""Every fault at every moment of a training run: it doubles nothing, stays within its cap, leaves nothing."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.lambda_cloud import LambdaCloudError
from sophia_infra.provider.errors import ProviderError
from sophia_infra.provider.journal import Journal
from sophia_infra.training.attending import attend
from sophia_infra.training.errors import TrainingError
from sophia_infra.training.run_folder import RunFolder
from sophia_infra.training.run_state import RunState
from sophia_infra.training.stand_in import StandInAccess
from tests.faults.kinds import FAULTS, Fault, ProcessClock
from tests.faults.surroundings import Means, Surroundings
from tests.faults.trials import TRIALS, RecordProperty, moments_of
from tests.unit.provider.simulated_engine import Killed
from tests.unit.training.ground import KEY_NAME, PUBLIC_KEY, Ground, one_poll_usd
from tests.unit.training.test_training_kills import check_never_two

ACCOUNT: dict[str, Any] = {"boot_ranges_s": ((0, 40.0, 70.0),), "ip_after_s": 5.0, "list_lag_s": 40.0}
FOR_EVER_S = 1e9


@dataclass(frozen=True, slots=True)
class FaultyFolder(RunFolder):
    """The real files, on the disk of `means`."""

    means: Means

    @property
    def journal(self) -> Journal:
        return self.means.journal

    def write_state(self, state: RunState) -> None:
        self.means.noting.moment()
        error = self.means.journal.error
        if error:
            raise self._unusable("written", OSError(error, os.strerror(error)))
        super(FaultyFolder, self).write_state(state)
        self.means.whole.moment()


class FaultyGround(Ground):
    """A ground whose account, clock and disk can be spoiled. What runs on the machines is not."""

    def __init__(self, folder: Path) -> None:
        self.surroundings = Surroundings(folder)
        emulator = self.surroundings.emulator
        super().__init__(emulator.url, emulator.cloud, self.surroundings.true_clock, folder)

    def begin(self) -> None:
        self.surroundings.begin(**ACCOUNT)
        self.cloud = self.surroundings.emulator.cloud
        with self.cloud.lock:
            self.cloud.ssh_keys.add(KEY_NAME, PUBLIC_KEY)

    def attend_once(
        self, folder: RunFolder, fault: Fault | None = None, at: int = 0, job_s: float = 45.0
    ) -> tuple[str, bool]:
        """One process: how it ended, and whether the fault struck."""
        given = self.surroundings.means(folder.path / "launches", fault, at)
        access = StandInAccess(self.clock, folder.path / "stand-in.json", job_s, 0)
        means = dataclasses.replace(
            self.means(access, client=given.client), clock=ProcessClock(self.surroundings.clock)
        )
        try:
            ended = str(attend(FaultyFolder(folder.path, given), means).outcome)
        except Killed:
            ended = "killed"
        except (TrainingError, ProviderError, LambdaCloudError) as error:
            ended = type(error).__name__
        self.surroundings.heal()
        self.cloud = self.surroundings.emulator.cloud
        return ended, given.strike.was_reached

    def end(self) -> None:
        super().close()
        self.surroundings.close()


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyGround]:
    made = FaultyGround(tmp_path_factory.mktemp("training-faults"))
    yield made
    made.end()


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_fails_at_any_moment_of_a_run_it_ends_within_its_cap_and_leaves_nothing(
    ground: FaultyGround, record_property: RecordProperty, fault: str
) -> None:
    """Buys each fault at each moment of a run of three nodes, with a list that lags; takes seconds."""
    trials = 0
    for at in moments_of(f"training {fault}"):
        ground.begin()
        folder = ground.new_run()
        ended, was_struck = ground.attend_once(folder, FAULTS[fault], at)
        if not was_struck:
            assert ended == "done"
            break
        trials += 1
        label = f"moment {at}, {ended}"
        check_never_two(ground, folder)
        again, _ = ground.attend_once(folder)
        check_never_two(ground, folder)
        assert folder.state().phase == "ended", (label, again)
        assert ground.live() == [], (label, again)
        assert ground.billed(folder.run_id) <= folder.spec().max_usd + one_poll_usd(folder.spec()), label
    record_property(TRIALS, trials)


@pytest.mark.parametrize("fault", ["clock forward", "clock back"])
def test_the_cap_of_a_run_holds_though_the_clock_is_set_under_it(
    ground: FaultyGround, record_property: RecordProperty, fault: str
) -> None:
    trials = 0
    for at in (1, 20, 40, 60):
        ground.begin()
        folder = ground.new_run(max_hours=1)
        ended, was_struck = ground.attend_once(folder, FAULTS[fault], at, FOR_EVER_S)
        assert was_struck
        assert ended != "done"
        trials += 1
        spec = folder.spec()
        assert ground.live() == []
        ground.cloud.advance(120)
        assert ground.billed(folder.run_id) <= spec.max_usd + one_poll_usd(spec)
        for row in ground.rows(folder.run_id):
            assert row["ended_at_s"] - row["launched_at_s"] <= 3600 + spec.poll_s + 60
    record_property(TRIALS, trials)
