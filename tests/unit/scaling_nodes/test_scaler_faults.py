"""Every fault at every moment of a scaler's passes: nothing is doubled, lost, or ended under pods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sophia_infra.scaling.nodes.lease import KubernetesLease
from sophia_infra.scaling.nodes.scaler import NodeScaler
from tests.faults.kinds import FAULTS, Fault, ProcessClock, Strike
from tests.faults.surroundings import Surroundings
from tests.faults.trials import TRIALS, RecordProperty, moments_of
from tests.unit.provider.simulated_engine import Doom, Killed
from tests.unit.scaling_nodes.ground import (
    INTERVAL_S,
    KEY_NAME,
    PUBLIC_KEY,
    Asked,
    FakeCluster,
    Ground,
    WatchingClient,
    pool,
    settings,
)

WHOLE = settings(pool(max=2, cooldown_s=0.0, scale_down_after_s=0.0, ready_timeout_s=480.0))
ACCOUNT = {"boot_ranges_s": ((0, 30.0, 30.0),), "list_lag_s": 40.0}
UP_AND_DOWN = [2] * 5 + [0] * 4
PASSES_AT_MOST = 25
"""A lease, its settling time, a drain and a clock that is right again may take that many."""


class FaultyGround(Ground):
    """A ground whose account, clock and disk can be spoiled. The cluster's own time is always right."""

    def __init__(self, folder: Path) -> None:
        self.surroundings = Surroundings(folder, wrap=lambda client: WatchingClient(client, self))
        emulator = self.surroundings.emulator
        super().__init__(emulator.url, emulator.cloud, self.surroundings.true_clock, folder)

    def begin(self) -> None:
        self.surroundings.begin(**ACCOUNT)
        self.cloud = self.surroundings.emulator.cloud
        with self.cloud.lock:
            self.cloud.ssh_keys.add(KEY_NAME, PUBLIC_KEY)
        self.cluster = FakeCluster()
        self.joined, self.join_s = set(), 30.0
        for note in self.folder.glob("launches/*"):
            note.unlink()

    def new_process(self, asked: Asked, identity: str, fault: Fault | None = None, at: int = 0) -> Process:
        means = self.surroundings.means(self.folder / "launches", fault, at)
        session = self.session(means.client, means.journal)
        session.clock = ProcessClock(self.surroundings.clock)
        lease = self.kubernetes_lease(identity)
        return Process(
            self, self.scaler(WHOLE, asked, lease=lease, session=session), lease, means.whole, means.strike
        )

    def heal(self) -> None:
        self.surroundings.heal()
        self.cloud = self.surroundings.emulator.cloud

    def end(self) -> None:
        super().close()
        self.surroundings.close()


class Process:
    """One start of the program."""

    def __init__(
        self, ground: FaultyGround, scaler: NodeScaler, lease: KubernetesLease, whole: Doom, strike: Strike
    ) -> None:
        self._ground, self._scaler, self.lease, self._whole, self.strike = (
            ground,
            scaler,
            lease,
            whole,
            strike,
        )

    def look(self) -> bool:
        """One pass; False: it was killed in it."""
        cluster = self._ground.cluster
        cluster.before = cluster.after = lambda _method, _path: self._whole.moment()
        try:
            self._scaler.look_once()
        except Killed:
            return False
        finally:
            cluster.before = cluster.after = lambda _method, _path: None
            self._ground.heal()
        return True


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyGround]:
    made = FaultyGround(tmp_path_factory.mktemp("scaler-faults"))
    yield made
    made.end()


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_fails_at_any_moment_of_a_pass_the_scaler_goes_on_and_doubles_nothing(
    ground: FaultyGround, record_property: RecordProperty, fault: str
) -> None:
    """Buys each fault at each moment of nine passes up and down, with a list that lags; takes seconds."""
    trials = 0
    for at in moments_of(f"scaler {fault}"):
        ground.begin()
        asked = Asked(0)
        process = ground.new_process(asked, f"first-{at}", FAULTS[fault], at)
        alive = all(_pass(ground, process, asked, nodes) for nodes in UP_AND_DOWN)
        if not process.strike.was_reached:
            assert ground.live() == []
            break
        trials += 1
        if not alive or at % 2:
            process = ground.new_process(asked, f"second-{at}")
        asked.nodes = 0
        for _ in range(PASSES_AT_MOST):
            _pass(ground, process, asked, 0)
            if not ground.live() and not ground.cluster.nodes:
                break
        assert ground.live() == [], f"machines are left, moment {at}"
        assert ground.cluster.nodes == {}, f"nodes are left, moment {at}"
    record_property(TRIALS, trials)


def _pass(ground: FaultyGround, process: Process, asked: Asked, nodes: int) -> bool:
    asked.nodes = nodes
    alive = process.look()
    counts = Counter(row["tags"]["sophia-name"] for row in ground.live())
    assert all(count == 1 for count in counts.values()), f"double launches: {counts}"
    assert len(counts) <= 2, f"more than may be: {counts}"
    assert ground.violations == []
    ground.pass_time(INTERVAL_S)
    return alive
