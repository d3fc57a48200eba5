"""kill -9 at every moment of a scaler's work: nothing is doubled, lost, or ended under pods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from sophia_infra.scaling.nodes.demand import DemandSource
from tests.unit.scaling_nodes.dying import Process
from tests.unit.scaling_nodes.ground import INTERVAL_S, LIVE, Asked, Ground, pool, settings

WHOLE = settings(pool(max=2, cooldown_s=0.0, scale_down_after_s=0.0, ready_timeout_s=480.0))


def life(ground: Ground, process: Process, asked: Asked, passes: Sequence[int]) -> bool:
    """Up by the first demand, down by the second; False: killed."""
    for at, nodes in enumerate(passes):
        asked.nodes = nodes
        if at == 4 and "gpu-scaled-1" in ground.cluster.nodes:
            ground.cluster.place("model", "gpu-scaled-1")
        if not process.look():
            return False
        ground.pass_time(INTERVAL_S)
    return True


def check_never_two(ground: Ground) -> None:
    counts = Counter(row["tags"]["sophia-name"] for row in ground.live())
    assert all(count == 1 for count in counts.values()), counts
    assert len(ground.live()) <= 2


@pytest.mark.slow
@pytest.mark.parametrize(("host", "list_lag_s"), [("host", 0.0), ("host", 40.0), ("another", 40.0)])
def test_one_that_is_killed_anywhere_is_followed_by_one_that_goes_on(
    ground: Ground, host: str, list_lag_s: float
) -> None:
    """Buys certainty about each of some hundred moments, on the same host and on another; takes seconds."""
    passes = [2] * 5 + [0] * 4
    moments = 0
    for kill_at in range(1, 2000):
        ground.begin_anew(boot_ranges_s=((0, 30.0, 30.0),), list_lag_s=list_lag_s)
        ground.join_s = 30.0
        asked = Asked(0)
        demand: dict[str, Sequence[DemandSource]] = {"gpu": [asked]}
        first = Process(ground, WHOLE, demand, f"first-{kill_at}", f"host-{kill_at}", kill_at, paced=False)
        if life(ground, first, asked, passes):
            break
        moments += 1
        check_never_two(ground)
        follower = f"{host}-{kill_at}"
        second = Process(ground, WHOLE, demand, f"second-{kill_at}", follower, paced=False)
        # As many looks as a lease and its settling time may take; the demand is what it was.
        for _ in range(4):
            assert second.look()
            ground.pass_time(INTERVAL_S)
            check_never_two(ground)
        assert asked.nodes in (0, len(ground.live()))
        asked.nodes = 0
        for _ in range(20):
            assert second.look()
            ground.pass_time(INTERVAL_S)
            if not ground.live() and not ground.cluster.nodes:
                break
        assert ground.live() == [], kill_at
        assert ground.cluster.nodes == {}, kill_at
        assert all(row["status"] not in LIVE for row in ground.rows())
    assert moments > 80
