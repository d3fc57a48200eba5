"""A run from its first launch to its last terminate, on a real emulator over HTTP in virtual time."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sophia_infra.lambda_cloud import QuotaExceeded
from sophia_infra.training.access import JobLook, JobStart, Node
from sophia_infra.training.errors import (
    CapReached,
    JobFailed,
    NodesLost,
    NoRoom,
    RunHeld,
    RunRefused,
    RunStopped,
    WatchdogMissing,
)
from tests.unit.training.ground import (
    EAST,
    H100,
    WEST,
    Ground,
    WatchedAccess,
    numbers_of_members,
    one_poll_usd,
)


def test_a_run_launches_all_trains_and_leaves_nothing(ground: Ground) -> None:
    folder = ground.new_run()
    state = ground.attend(folder)
    assert (state.phase, state.outcome) == ("ended", "done")
    rows = ground.rows(folder.run_id)
    assert sorted(row["tags"]["sophia-node"] for row in rows) == ["1", "2", "3"]
    assert {row["region"] for row in rows} == {EAST}
    assert ground.live() == []
    assert folder.journal.list() == []


def test_what_is_billed_is_job_and_boot_and_little_else(ground: Ground) -> None:
    folder = ground.new_run()
    began_s = ground.clock.now()
    state = ground.attend(folder, ground.access(job_s=1800, folder=folder))
    assert state.job_began_s is not None
    assert state.job_ended_s is not None
    job_s, boot_s = state.job_ended_s - state.job_began_s, state.job_began_s - began_s
    assert 1800 <= job_s <= 1800 + 2 * 40
    billed_s = sum(row["ended_at_s"] - row["launched_at_s"] for row in ground.rows(folder.run_id)) / 3
    assert billed_s <= job_s + boot_s + 90
    # Our own bill is the meter's, but for the minute in which an end is seen.
    mine, meter = state.usd(ground.clock.now()), ground.billed(folder.run_id)
    assert meter <= mine <= meter + 3 * Decimal("31.92") * 2 / 60


def test_every_machine_says_whose_it_is_and_when_it_ends(ground: Ground) -> None:
    folder = ground.new_run()
    began_s = ground.clock.now()
    ground.attend(folder)
    for row in ground.rows(folder.run_id):
        tags = row["tags"]
        assert tags["sophia-run"] == folder.run_id
        assert tags["sophia-max-usd"] == "400"
        # $400 pay for 4.18 h of three nodes, so the four hours come first.
        assert int(tags["sophia-deadline"]) == pytest.approx(began_s + 4 * 3600, abs=5)
        assert (tags["workload"], tags["ttl"], tags["max-usd"]) == ("training", "4h", "400")
        assert tags["sophia-stack"] == f"sophia-infra/test/training/{folder.run_id}"
        assert row["name"].startswith("trainer-")
        assert len(row["name"]) <= 64


def test_without_room_for_all_none_stays_and_the_next_region_gets_all(ground: Ground) -> None:
    ground.cloud.set_capacity(H100, EAST, 2)
    folder = ground.new_run()
    state = ground.attend(folder)
    assert state.outcome == "done"
    regions = [row["region"] for row in ground.rows(folder.run_id)]
    assert sorted(regions) == [EAST] * 2 + [WEST] * 3
    # The two had ended before the first of the three was launched.
    ended = max(row["ended_at_s"] for row in ground.rows(folder.run_id) if row["region"] == EAST)
    first = min(row["launched_at_s"] for row in ground.rows(folder.run_id) if row["region"] == WEST)
    assert ended <= first


def test_without_room_anywhere_nothing_stays(ground: Ground) -> None:
    ground.cloud.set_capacity(H100, EAST, 2)
    ground.cloud.set_capacity(H100, WEST, 1, listed=True)
    folder = ground.new_run()
    with pytest.raises(NoRoom, match=r"no room for node 2 of 3"):
        ground.attend(folder)
    assert folder.state().outcome == "no room"
    assert ground.live() == []


def test_a_region_that_lists_no_room_is_not_launched_into(ground: Ground) -> None:
    ground.cloud.set_capacity(H100, EAST, 0)
    folder = ground.new_run()
    ground.attend(folder)
    assert {row["region"] for row in ground.rows(folder.run_id)} == {WEST}


def test_with_leave_to_wait_what_was_launched_is_kept_until_room_comes(ground: Ground) -> None:
    ground.cloud.set_capacity(H100, EAST, 2, listed=True)
    folder = ground.new_run(wait_minutes=60.0, wait_usd=Decimal(100))
    waited = []
    list_types = ground.cloud.capacity.regions_listed

    def room_comes(*arguments: object) -> list[str]:
        waited.append(1)
        if len(waited) == 40:
            ground.cloud.set_capacity(H100, EAST, 3)
        return list_types(*arguments)  # type: ignore[arg-type]

    ground.cloud.capacity.regions_listed = room_comes  # type: ignore[assignment]
    try:
        state = ground.attend(folder)
    finally:
        del ground.cloud.capacity.regions_listed
    assert state.outcome == "done"
    assert len(ground.rows(folder.run_id)) == 3


def test_waiting_with_machines_ends_at_its_limit_in_dollars(ground: Ground) -> None:
    ground.cloud.set_capacity(H100, EAST, 2)
    ground.cloud.set_capacity(H100, WEST, 0)
    folder = ground.new_run(wait_minutes=600.0, wait_usd=Decimal(10))
    with pytest.raises(NoRoom):
        ground.attend(folder)
    assert ground.live() == []
    assert ground.billed(folder.run_id) <= Decimal(10) + 3 * Decimal("31.92") * 4 / 60


def test_a_quota_is_no_reason_to_try_another_region(ground: Ground) -> None:
    ground.set(quota_instances=2)
    folder = ground.new_run()
    with pytest.raises(QuotaExceeded):
        ground.attend(folder)
    assert {row["region"] for row in ground.rows(folder.run_id)} == {EAST}
    assert ground.live() == []
    assert folder.state().outcome == "refused"


def test_a_command_that_fails_ends_the_machines(ground: Ground) -> None:
    folder = ground.new_run()
    with pytest.raises(JobFailed, match="ended with code 3 on node 1, 3 on node 2"):
        ground.attend(folder, ground.access(job_s=60, code=3, folder=folder))
    assert ground.live() == []
    assert (folder.state().phase, folder.state().outcome) == ("ended", "failed")


@pytest.mark.parametrize("limit", [{"max_hours": 1}, {"max_usd": Decimal(110)}])
def test_the_cap_ends_a_job_that_goes_on_for_ever(ground: Ground, limit: dict[str, object]) -> None:
    ground.clock.advance(0.25)  # no service's clock stands at a whole second
    folder = ground.new_run(**limit)
    spec = folder.spec()
    began_s = ground.clock.now()
    with pytest.raises(CapReached):
        ground.attend(folder, ground.access(job_s=1e9, folder=folder))
    assert ground.live() == []
    assert ground.billed(folder.run_id) <= spec.max_usd + one_poll_usd(spec)
    last = max(row["ended_at_s"] for row in ground.rows(folder.run_id))
    assert last - began_s <= spec.max_hours * 3600 + spec.poll_s
    assert "nothing-to-copy.txt" in [path.name for path in folder.results.iterdir()]


def lose_node_2(ground: Ground, folder_id: str, status: str) -> object:
    def on_look(job: JobStart, node: Node) -> None:
        if job.incarnation == 1 and node.number == 2:
            for row in (row for row in ground.live(folder_id) if row["tags"]["sophia-node"] == "2"):
                ground.happens_outside(row["id"], status)

    return on_look


@pytest.mark.parametrize("status", ["terminated", "preempted", "terminating", "unhealthy"])
def test_an_elastic_run_goes_on_with_fewer_nodes(ground: Ground, status: str) -> None:
    folder = ground.new_run(min_nodes=2)
    access = WatchedAccess(ground.access(folder=folder), lose_node_2(ground, folder.run_id, status))  # type: ignore[arg-type]
    state = ground.attend(folder, access)
    assert state.outcome == "done"
    assert state.incarnation == 2
    assert numbers_of_members(state) == [1, 3]
    assert sorted(set(access.started)) == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 3)]
    assert ground.live() == []
    lost = [record for record in state.machines.values() if record.lost_because]
    assert [record.number for record in lost] == [2]


def test_a_gang_ends_with_its_first_lost_node(ground: Ground) -> None:
    folder = ground.new_run()
    access = WatchedAccess(ground.access(folder=folder), lose_node_2(ground, folder.run_id, "preempted"))  # type: ignore[arg-type]
    with pytest.raises(NodesLost, match="node 2: its machine is gone"):
        ground.attend(folder, access)
    assert ground.live() == []
    assert folder.state().outcome == "lost"


def test_a_job_that_fails_because_a_node_died_is_no_failed_job(ground: Ground) -> None:
    """The others lose their peer and end with an error before the list knows."""
    folder = ground.new_run(min_nodes=2)
    inner = ground.access(folder=folder)
    looks = []

    class Broken(WatchedAccess):
        def look(self, job: JobStart, node: Node) -> JobLook:
            looks.append(node.number)
            if job.incarnation == 1 and node.number != 2 and len(looks) > 3:
                if len(looks) > 8:
                    [gone] = [row for row in ground.rows(folder.run_id) if row["tags"]["sophia-node"] == "2"]
                    if gone["status"] in ("active", "booting"):
                        ground.happens_outside(gone["id"], "preempted")
                return JobLook("ended", 1)
            return inner.look(job, node)

    state = ground.attend(folder, Broken(inner, lambda _job, _node: None))
    assert (state.outcome, state.incarnation) == ("done", 2)


def test_a_node_that_takes_no_commands_for_long_is_lost_and_ended(ground: Ground) -> None:
    folder = ground.new_run(min_nodes=2)
    inner = ground.access(folder=folder)

    class Silent(WatchedAccess):
        def look(self, job: JobStart, node: Node) -> JobLook:
            return JobLook("silent", words="timed out") if node.number == 3 else inner.look(job, node)

    state = ground.attend(folder, Silent(inner, lambda _job, _node: None))
    assert state.outcome == "done"
    assert numbers_of_members(state) == [1, 2]
    assert ground.live() == []
    [lost] = [row for row in ground.rows(folder.run_id) if row["tags"]["sophia-node"] == "3"]
    assert state.job_ended_s is not None
    assert lost["ended_at_s"] < state.job_ended_s - 900, "it was billed while the others went on"


def test_a_machine_that_comes_up_unhealthy_ends_the_gang_and_is_remembered(ground: Ground) -> None:
    ground.set(unhealthy_boot_share=1.0)
    folder = ground.new_run()
    with pytest.raises(NodesLost, match="unhealthy for 5 min"):
        ground.attend(folder)
    assert ground.live() == []
    [launch] = ground.means().history.read()
    assert (launch.fate, launch.region, launch.nodes) == ("unhealthy", EAST, 3)


def test_a_request_to_stop_ends_it_at_the_next_look(ground: Ground) -> None:
    folder = ground.new_run()
    access = WatchedAccess(ground.access(folder=folder), lambda _job, _node: folder.ask_to_stop())
    with pytest.raises(RunStopped):
        ground.attend(folder, access)
    assert ground.live() == []
    assert folder.state().outcome == "stopped"
    assert folder.state().results


def test_ctrl_c_stops_and_ends_the_machines(ground: Ground) -> None:
    def interrupt(_job: JobStart, _node: Node) -> None:
        raise KeyboardInterrupt

    folder = ground.new_run()
    with pytest.raises(RunStopped, match="Ctrl-C"):
        ground.attend(folder, WatchedAccess(ground.access(folder=folder), interrupt))
    assert ground.live() == []
    assert folder.stop_asked


def test_an_ended_run_is_not_run_again(ground: Ground) -> None:
    folder = ground.new_run()
    ground.attend(folder)
    before = ground.last_request()
    assert ground.attend(folder).outcome == "done"
    assert ground.operations(before) == []


def test_two_do_not_attend_one_run(ground: Ground) -> None:
    folder = ground.new_run()
    with folder.held("starter"), pytest.raises(RunHeld, match=folder.run_id):
        ground.attend(folder)
    assert ground.rows() == []


def test_without_a_watchdog_nothing_is_launched(ground: Ground) -> None:
    def missing() -> None:
        raise WatchdogMissing("No watchdog.", next_step="none.")

    folder = ground.new_run()
    with pytest.raises(WatchdogMissing):
        ground.attend(folder, ensure_watchdog=missing)
    assert ground.rows() == []
    assert folder.state().phase == "ended"


def test_a_variable_that_is_not_set_is_refused_before_anything(ground: Ground) -> None:
    folder = ground.new_run(env=("WANDB_API_KEY",))
    with pytest.raises(RunRefused, match="WANDB_API_KEY"):
        ground.attend(folder)
    assert ground.rows() == []
    assert folder.state().phase == "planned"
    assert ground.attend(folder, variables={"WANDB_API_KEY": "x"}).outcome == "done"


def test_a_service_that_fails_for_a_while_ends_no_run(ground: Ground) -> None:
    folder = ground.new_run()
    began: list[int] = []

    def fails(_job: JobStart, _node: Node) -> None:
        if not began:
            began.append(1)
            ground.fault("listInstances", "before", "status", status=503, times=12)

    state = ground.attend(folder, WatchedAccess(ground.access(folder=folder), fails))
    assert state.outcome == "done"
