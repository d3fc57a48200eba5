"""Watchdog and sweep: the limits hold when the starter is dead, and nothing of others is touched."""

from __future__ import annotations

import shutil
from decimal import Decimal
from typing import Any

import pytest

from sophia_infra.lambda_cloud import LambdaCloudError
from sophia_infra.training.access import JobStart, Node
from sophia_infra.training.errors import RunHeld, RunMissing
from sophia_infra.training.opening import sweeping_means
from sophia_infra.training.reporting import report_run
from sophia_infra.training.run_folder import RunFolder, find_run, list_runs
from sophia_infra.training.sweeping import SweepReport, sweep
from sophia_infra.training.watchdog import watch
from tests.unit.provider.simulated_engine import Killed
from tests.unit.training.ground import STACK, Ground, WatchedAccess, one_poll_usd
from tests.unit.training.test_training_kills import QUICK, attend_until


def killed_run(ground: Ground, **changes: Any) -> RunFolder:
    """A run whose starter died while its three machines train."""

    def die(_job: JobStart, _node: Node) -> None:
        raise Killed

    ground.set(**QUICK)
    folder = ground.new_run(**changes)
    with pytest.raises(Killed):
        ground.attend(folder, WatchedAccess(ground.access(folder=folder), die))
    assert len(ground.live(folder.run_id)) == 3
    return folder


def swept(ground: Ground, runs: list[RunFolder] | None = None, **more: Any) -> SweepReport:
    session = ground.session()
    means = sweeping_means(session, ground.home, ground.said.append)
    return sweep(session, STACK, list_runs(ground.home) if runs is None else runs, means, **more)


@pytest.mark.parametrize("limit", [{"max_hours": 1}, {"max_usd": Decimal(120)}])
def test_the_watchdog_holds_the_cap_of_a_run_whose_starter_is_dead(
    ground: Ground, limit: dict[str, Any]
) -> None:
    folder = killed_run(ground, **limit)
    spec = folder.spec()
    ground.watch(folder)
    assert ground.live() == []
    assert ground.billed(folder.run_id) <= spec.max_usd + one_poll_usd(spec)
    deadline_s = folder.state().deadline_s
    assert deadline_s is not None
    assert all(row["ended_at_s"] <= deadline_s + spec.poll_s + 60 for row in ground.rows(folder.run_id))
    state = folder.state()
    assert (state.phase, state.outcome) == ("ended", "cap")
    assert "watchdog" in state.message


def test_the_watchdog_leaves_a_run_alone_that_may_go_on(ground: Ground) -> None:
    folder = killed_run(ground)
    dog = ground.watchdog(folder)
    for _ in range(10):
        assert not dog.look()
        ground.clock.sleep(dog.poll_s)
    assert len(ground.live()) == 3
    assert attend_until(ground, folder, None) == "done"
    assert dog.look()


def test_the_watchdog_ends_what_a_stopped_starter_left(ground: Ground) -> None:
    folder = killed_run(ground)
    folder.ask_to_stop()
    ground.watch(folder, looks=5)
    assert ground.live() == []
    assert folder.state().outcome == "stopped"


def test_the_watchdog_needs_no_record_only_the_tags(ground: Ground) -> None:
    folder = killed_run(ground, max_hours=1)
    dog = ground.watchdog(folder)
    shutil.rmtree(folder.path)
    ground.clock.advance(3600)
    for _ in range(3):
        dog.look()
    assert ground.live() == []


def test_the_watchdog_goes_on_when_the_service_does_not_answer(ground: Ground) -> None:
    folder = killed_run(ground, max_hours=1)
    ground.fault("listInstances", "before", "status", status=500, times=40)
    watch(folder, ground.means())
    assert ground.live() == []
    assert any("500" in line for line in ground.said)


def test_one_run_has_one_watchdog(ground: Ground) -> None:
    folder = ground.new_run()
    with folder.held("watchdog"), pytest.raises(RunHeld):
        watch(folder, ground.means())
    assert not folder.is_held("watchdog")


def test_the_watchdog_counts_the_dollars_of_machines_that_nobody_recorded(ground: Ground) -> None:
    """The price rises behind our back: the deadline would come too late, the bill does not."""
    ground.set(price_overrides_cents_per_hour={"gpu_8x_h100_sxm5": 6384})
    folder = killed_run(ground, max_usd=Decimal(200))
    spec = folder.spec()
    ground.watch(folder)
    assert ground.live() == []
    assert ground.billed(folder.run_id) <= spec.max_usd + 2 * one_poll_usd(spec)


def test_a_sweep_ends_what_is_past_its_deadline_wherever_it_was_begun(ground: Ground) -> None:
    folder = killed_run(ground, max_hours=1)
    assert swept(ground, runs=[]).kept == 3
    ground.clock.advance(3600)
    dry = swept(ground, runs=[], dry_run=True)
    assert [one.number for one in dry.ended] == [1, 2, 3]
    assert len(ground.live()) == 3
    report = swept(ground, runs=[])
    assert [(one.run_id, one.why) for one in report.ended] == [(folder.run_id, "its deadline has passed")] * 3
    assert ground.live() == []
    assert swept(ground, runs=[]).ended == []


def test_a_sweep_ends_a_run_that_nobody_attends(ground: Ground) -> None:
    folder = killed_run(ground)
    started: list[RunFolder] = []
    report = swept(ground, start_watchdog=started.append)
    assert (report.kept, report.watchdogs_started, started) == (3, 1, [folder])
    ground.clock.advance(1801)
    with folder.held("watchdog"):
        assert swept(ground).kept == 3
    assert len(swept(ground).ended) == 3
    assert ground.live() == []
    assert folder.state().outcome == "stopped"


def test_a_sweep_leaves_a_living_run_to_its_starter(ground: Ground) -> None:
    folder = killed_run(ground)
    ground.clock.advance(2 * 3600)
    with folder.held("starter"):
        assert swept(ground).ended == []
    assert len(ground.live()) == 3


def test_a_sweep_ends_nothing_of_others(ground: Ground) -> None:
    other = {
        "sophia-stack": "sophia-infra/other/training/r1",
        "sophia-name": "node-1",
        "sophia-run": "r1",
        "sophia-node": "1",
        "sophia-deadline": "1",
        "sophia-max-usd": "1",
    }
    strangers = {
        ground.launch_outside("plain"),
        ground.launch_outside("of another stack", other),
        ground.launch_outside("a tag alone", {"sophia-run": "r1", "sophia-deadline": "1"}),
        ground.launch_outside("of the fleet", {"sophia-stack": STACK, "sophia-name": "core"}),
    }
    assert swept(ground, grace_s=0) == SweepReport()
    assert strangers == {row["id"] for row in ground.cloud.dump()["instances"] if row["status"] == "booting"}


def test_a_sweep_says_what_it_could_not_end(ground: Ground) -> None:
    killed_run(ground, max_hours=1)
    ground.clock.advance(3600)
    ground.fault(
        "terminateInstance", "before", "status", status=400, code="global/invalid-parameters", times=None
    )
    report = swept(ground, runs=[])
    assert report.ended == []
    [problem] = report.problems
    assert "3 of 3 machines may still be billed" in problem


def test_a_sweep_that_cannot_read_the_list_touches_nothing(ground: Ground) -> None:
    killed_run(ground)
    ground.fault("listInstances", "before", "status", status=401, code="global/invalid-api-key", times=None)
    with pytest.raises(LambdaCloudError):
        swept(ground)


def test_a_report_says_who_looks_after_a_run_and_what_it_has_cost(ground: Ground) -> None:
    folder = killed_run(ground)
    report = report_run(folder, ground.clock.now())
    assert (report.attended, report.watched) == (False, False)
    assert "not attended" in report.word
    assert report.usd_per_hour == 3 * Decimal("31.92")
    with folder.held("starter"), folder.held("watchdog"):
        assert report_run(folder, ground.clock.now()).as_json()["attended"]
    assert attend_until(ground, folder, None) == "done"
    ended = report_run(folder, ground.clock.now() + 10**6)
    assert (ended.word, ended.usd_per_hour, ended.ends_at) == ("done", Decimal(0), None)
    minutes = ended.minutes
    assert minutes.boot + minutes.job + minutes.ending <= minutes.billed + Decimal("0.3")
    assert minutes.billed <= minutes.boot + minutes.job + minutes.ending + 3
    assert ended.usd == minutes.billed * Decimal("31.92") / 60


def test_a_run_is_found_by_part_of_its_id(ground: Ground) -> None:
    first, second = ground.new_run(), ground.new_run()
    assert find_run(ground.home, first.run_id[-6:]) == first
    with pytest.raises(RunMissing, match="fits 2 runs"):
        find_run(ground.home, second.run_id[:8])
    with pytest.raises(RunMissing, match="No run 'nothing'"):
        find_run(ground.home, "nothing")


def test_a_folder_that_cannot_be_written_launches_nothing(ground: Ground) -> None:
    ground.home.root.mkdir(parents=True)
    (ground.home.root / "training").write_text("a file where the folder should be")
    with pytest.raises(Exception, match="Nothing was launched"):
        ground.new_run()
    assert ground.rows() == []
