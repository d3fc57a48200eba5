"""Lost nodes that are launched again: with room, without, at the limits, and killed at every moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from sophia_infra.lambda_cloud import LambdaCloud
from sophia_infra.training.access import JobStart, Node
from sophia_infra.training.attending import attend
from sophia_infra.training.errors import CapReached, NodesLost, TrainingError
from sophia_infra.training.reporting import report_run
from sophia_infra.training.run_folder import RunFolder
from sophia_infra.training.ssh import SshAccess
from tests.effort import FULL
from tests.unit.provider.simulated_engine import Doom, DoomedClient, Killed
from tests.unit.training.ground import (
    EAST,
    H100,
    Ground,
    WatchedAccess,
    numbers_of_members,
    one_poll_usd,
)
from tests.unit.training.test_training_kills import DoomedFolder, check_never_two

QUICK: dict[str, Any] = {"boot_ranges_s": ((0, 40.0, 70.0),), "ip_after_s": 5.0}


def loses(
    ground: Ground, folder: RunFolder, times: int = 1, status: str = "preempted", **room: int
) -> WatchedAccess:
    """The first `times` machines of node 2 die at the job's looks; then `room` is what the region has."""

    def on_look(_job: JobStart, _node: Node) -> None:
        rows = [row for row in ground.rows(folder.run_id) if row["tags"]["sophia-node"] == "2"]
        alive = [row for row in rows if row["status"] == "active"]
        if alive and len(rows) <= times:
            ground.happens_outside(alive[0]["id"], status)
            if room:
                ground.cloud.set_capacity(H100, EAST, room["room"])

    return WatchedAccess(ground.access(job_s=900, folder=folder), on_look)


def test_a_lost_node_is_launched_again_and_the_job_begun_with_all(ground: Ground) -> None:
    """Meanwhile the others go on, since enough are left."""
    ground.set(**QUICK)
    folder = ground.new_run(min_nodes=2, replace_lost=True)
    access = loses(ground, folder)
    state = ground.attend(folder, access)
    assert (state.outcome, state.incarnation) == ("done", 3)
    assert numbers_of_members(state) == [1, 2, 3]
    starts: dict[int, set[int]] = {}
    for incarnation, number in access.started:
        starts.setdefault(incarnation, set()).add(number)
    assert starts == {1: {1, 2, 3}, 2: {1, 3}, 3: {1, 2, 3}}
    assert len(ground.rows(folder.run_id)) == 4
    [second] = [one for one in state.machines.values() if one.number == 2 and not one.lost_because]
    boot_s = cast(float, second.ready_at_s) - second.launched_at_s
    first_boots_s = 3 * (cast(float, state.job_began_s) - cast(float, state.first_launch_s))
    boot = report_run(folder, ground.clock.now()).minutes.boot
    assert Decimal(boot_s / 60 - 0.1) < boot <= Decimal((first_boots_s + boot_s) / 60 + 0.1)
    assert {row["tags"]["sophia-deadline"] for row in ground.rows(folder.run_id)} == {str(state.deadline_s)}
    assert ground.live() == []


@pytest.mark.parametrize("status", ["preempted", "terminating", "unhealthy"])
def test_a_gang_waits_for_its_replacement_and_never_has_more_machines_than_planned(
    ground: Ground, status: str
) -> None:
    ground.set(**QUICK)
    folder = ground.new_run(replace_lost=True)
    state = ground.attend(folder, loses(ground, folder, status=status))
    assert (state.outcome, state.incarnation) == ("done", 2)
    first, second = (row for row in ground.rows(folder.run_id) if row["tags"]["sophia-node"] == "2")
    assert first["ended_at_s"] <= second["launched_at_s"]


def test_without_the_key_nothing_is_launched_in_the_middle_of_a_run(ground: Ground) -> None:
    ground.set(**QUICK)
    folder = ground.new_run()
    with pytest.raises(NodesLost, match="needs 3"):
        ground.attend(folder, loses(ground, folder))
    assert len(ground.rows(folder.run_id)) == 3


def test_too_few_nodes_without_room_end_at_once_and_what_there_is_is_copied_back(ground: Ground) -> None:
    ground.set(**QUICK)
    folder = ground.new_run(replace_lost=True)
    with pytest.raises(NodesLost, match="cannot replace them: no capacity is listed"):
        ground.attend(folder, loses(ground, folder, room=0))
    assert ground.live() == []
    assert (folder.state().outcome, folder.state().results) == (
        "lost",
        "the emulator's machines hold nothing to copy",
    )
    assert {row["ended_at_s"] is None for row in ground.rows(folder.run_id)} == {False}


def test_enough_nodes_without_room_go_on_to_the_end(ground: Ground) -> None:
    ground.set(**QUICK)
    folder = ground.new_run(min_nodes=2, replace_lost=True)
    state = ground.attend(folder, loses(ground, folder, room=0))
    assert (state.outcome, numbers_of_members(state)) == ("done", [1, 3])
    assert any("node 2 is not replaced yet: no capacity is listed" in line for line in ground.said)


@pytest.mark.parametrize(("minutes", "usd"), [(20.0, Decimal(1000)), (1000.0, Decimal(20))])
def test_too_few_nodes_wait_for_room_within_both_limits(ground: Ground, minutes: float, usd: Decimal) -> None:
    ground.set(**QUICK)
    folder = ground.new_run(replace_lost=True, wait_minutes=minutes, wait_usd=usd)
    with pytest.raises(NodesLost):
        ground.attend(folder, loses(ground, folder, room=0))
    state = folder.state()
    lost = next(one for one in state.machines.values() if one.lost_because)
    left = [one for one in state.machines.values() if one is not lost]
    waited_s = max(cast(float, one.ended_at_s) for one in left) - cast(float, state.short_since_s)
    wanted_s = min(minutes * 60, float(usd / (Decimal("31.92") * 2) * 3600))
    assert wanted_s <= waited_s <= wanted_s + 180
    assert ground.live() == []


def test_room_that_comes_while_too_few_wait_is_taken(ground: Ground) -> None:
    ground.set(**QUICK)
    folder = ground.new_run(replace_lost=True, wait_minutes=60.0, wait_usd=Decimal(100))
    means = ground.means(loses(ground, folder, room=0))
    until_s = ground.clock.now() + 900

    def make_room() -> None:
        if ground.clock.now() > until_s:
            ground.cloud.set_capacity(H100, EAST, None)

    means = ground.means(means.access, ensure_watchdog=make_room)
    assert attend(folder, means).outcome == "done"
    assert folder.state().short_since_s is None
    assert len(ground.rows(folder.run_id)) == 4


def test_nodes_that_die_again_and_again_cost_no_more_than_the_cap(ground: Ground) -> None:
    ground.set(**QUICK)
    folder = ground.new_run(replace_lost=True, max_usd=Decimal(110))
    spec = folder.spec()
    with pytest.raises((CapReached, NodesLost)):
        ground.attend(folder, loses(ground, folder, times=1000))
    assert len(ground.rows(folder.run_id)) > 5
    assert ground.billed(folder.run_id) <= spec.max_usd + one_poll_usd(spec)
    assert ground.live() == []


def test_near_the_end_of_the_limits_nothing_is_launched_any_more(ground: Ground) -> None:
    ground.set(**QUICK)
    folder = ground.new_run(replace_lost=True, max_hours=1)
    late_s = ground.clock.now() + 2000

    def on_look(_job: JobStart, node: Node) -> None:
        rows = [row for row in ground.live(folder.run_id) if row["tags"]["sophia-node"] == "2"]
        if ground.clock.now() > late_s and rows:
            ground.happens_outside(rows[0]["id"], "preempted")

    with pytest.raises(NodesLost, match="less than half an hour"):
        ground.attend(folder, WatchedAccess(ground.access(job_s=1e9, folder=folder), on_look))
    assert len(ground.rows(folder.run_id)) == 3


def at_every_moment(ground: Ground, begin: Callable[[], RunFolder], step: int) -> int:
    """Kill a new run, which loses a node, at one moment after the other; go on with it each time."""
    for kill_at in range(1, 2000, step):
        folder = begin()
        ended = _attend_until(ground, folder, kill_at)
        check_never_two(ground, folder)
        if ended != "killed":
            assert ended == "done"
            return kill_at - 1
        assert _attend_until(ground, folder, None) == "done", kill_at
        numbers = Counter(row["tags"]["sophia-node"] for row in ground.rows(folder.run_id))
        assert numbers["1"] == numbers["3"] == 1, (kill_at, numbers)
        assert numbers["2"] in (1, 2), (kill_at, numbers)
        assert ground.live(folder.run_id) == [], kill_at
        spec = folder.spec()
        assert ground.billed(folder.run_id) <= spec.max_usd + one_poll_usd(spec)
    raise AssertionError("a run has no end")


def _attend_until(ground: Ground, folder: RunFolder, kill_at: int | None) -> str:
    doom = Doom(kill_at)
    client = cast(LambdaCloud, DoomedClient(ground.client(), doom, reads=FULL))
    access = loses(ground, folder)
    try:
        return str(attend(DoomedFolder(folder.path, doom), ground.means(access, client=client)).outcome)
    except Killed:
        return "killed"
    except TrainingError as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.slow
@pytest.mark.parametrize(("min_nodes", "list_lag_s", "step"), [(3, 0, 1), (2, 40, 4)])
def test_a_run_killed_anywhere_while_it_replaces_a_node_launches_it_again_once(
    ground: Ground, min_nodes: int, list_lag_s: int, step: int
) -> None:
    """Buys certainty about every moment between the loss and the new start; seconds of processor time."""

    def begin() -> RunFolder:
        ground.begin_anew(**QUICK, list_lag_s=list_lag_s)
        return ground.new_run(min_nodes=min_nodes, replace_lost=True, poll_s=120.0)

    assert at_every_moment(ground, begin, step) > 80


def test_an_address_that_comes_back_with_another_machine_is_no_other_hosts_key(tmp_path: Path) -> None:
    hosts = tmp_path / "known_hosts"
    access = SshAccess("ubuntu", hosts)
    access.forget(Node(1, "a", "192.0.2.1"))
    hosts.write_text("192.0.2.1 ssh-ed25519 AAAA\n192.0.2.11 ssh-ed25519 BBBB\nx,192.0.2.1 ssh-rsa CCCC\n")
    access.forget(Node(1, "a", "192.0.2.1"))
    assert hosts.read_text() == "192.0.2.11 ssh-ed25519 BBBB\n"
