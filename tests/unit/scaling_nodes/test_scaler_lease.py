"""One acts: a Lease that is never held by two, whatever is lost, and a file that dies with its holder."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sophia_infra.kubernetes_plugin.errors import ClusterUnreachable
from sophia_infra.model.clock import VirtualClock
from sophia_infra.scaling.errors import ScalingError
from sophia_infra.scaling.nodes.errors import LeaseHeld, LeaseLost
from sophia_infra.scaling.nodes.lease import LEASE_S, FileLease, KubernetesLease, NoLease
from tests.unit.scaling_nodes.ground import Asked, FakeCluster, Ground


def lease(cluster: FakeCluster, clock: VirtualClock, identity: str) -> KubernetesLease:
    return KubernetesLease(cluster, name="l", namespace="kube-system", identity=identity, now=clock.now)


def test_the_second_waits_a_whole_duration_from_when_it_saw_the_last_renewal() -> None:
    cluster, clock = FakeCluster(), VirtualClock()
    one, two = lease(cluster, clock, "one"), lease(cluster, clock, "two")
    assert one.take()
    clock.advance(LEASE_S - 1)
    assert not two.take(), "it sees the lease for the first time, however old that is"
    clock.advance(LEASE_S - 1)
    assert not two.take()
    clock.advance(1)
    assert two.take()
    assert two.holder == "two"
    assert not one.take()
    with pytest.raises(LeaseHeld, match="two holds the lease"):
        one.ensure()


def test_the_holder_stops_before_another_may_begin() -> None:
    cluster, clock = FakeCluster(), VirtualClock()
    one = lease(cluster, clock, "one")
    assert one.take()
    cluster.is_down = True
    clock.advance(LEASE_S * 2 / 3 - 1)
    one.ensure()
    clock.advance(1)
    with pytest.raises(LeaseLost):
        one.ensure()


def test_it_is_renewed_after_a_third_and_not_before() -> None:
    cluster, clock = FakeCluster(), VirtualClock()
    one = lease(cluster, clock, "one")
    one.take()
    cluster.asked.clear()
    clock.advance(LEASE_S / 3 - 1)
    one.ensure()
    assert cluster.asked == []
    clock.advance(1)
    one.ensure()
    assert [row.split()[0] for row in cluster.asked] == ["GET", "PUT"]
    assert one.term == 1


def test_one_that_leaves_lets_the_next_in_at_once() -> None:
    cluster, clock = FakeCluster(), VirtualClock()
    one, two = lease(cluster, clock, "one"), lease(cluster, clock, "two")
    one.take()
    one.give_up()
    assert two.take()
    one.give_up()
    assert cluster.leases["l"]["spec"]["holderIdentity"] == "two"


def test_a_lost_answer_to_the_taking_is_a_new_term_all_the_same() -> None:
    cluster, clock = FakeCluster(), VirtualClock()
    one, two = lease(cluster, clock, "one"), lease(cluster, clock, "two")
    one.take()
    one.give_up()
    two.take()
    assert not one.take()
    clock.advance(LEASE_S)

    def drop(method: str, _path: str) -> None:
        if method == "PUT":
            raise ClusterUnreachable("The connection broke.")

    cluster.after = drop
    with pytest.raises(LeaseLost):
        one.take()
    cluster.after = lambda _method, _path: None
    assert one.take()
    assert one.term == 2


@pytest.mark.parametrize("write", ["PUT", "POST"])
def test_of_two_that_write_at_once_one_wins(write: str) -> None:
    cluster, clock = FakeCluster(), VirtualClock()
    one, two = lease(cluster, clock, "one"), lease(cluster, clock, "two")
    if write == "PUT":
        three = lease(cluster, clock, "three")
        three.take()
        three.give_up()
    nested = True

    def interrupt(method: str, _path: str) -> None:
        nonlocal nested
        if method == write and nested:
            nested = False
            assert two.take()

    cluster.before = interrupt
    assert not one.take()
    assert cluster.leases["l"]["spec"]["holderIdentity"] == "two"


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("advance"), st.integers(1, 40)),
            st.tuples(
                st.sampled_from(["take", "act", "leave", "drop before", "drop after", "restart"]),
                st.integers(0, 2),
            ),
        ),
        max_size=60,
    )
)
@settings(deadline=None, max_examples=200)
def test_never_two_may_act(steps: list[tuple[str, int]]) -> None:
    cluster, clock = FakeCluster(), VirtualClock()
    names = ["a", "b", "c"]
    leases = [lease(cluster, clock, name) for name in names]
    acted: list[tuple[float, str]] = []
    for what, which in steps:
        if what == "advance":
            clock.advance(which)
        elif what == "take":
            with contextlib.suppress(LeaseLost):
                leases[which].take()
        elif what == "leave":
            leases[which].give_up()
        elif what == "restart":
            names[which] += "'"
            leases[which] = lease(cluster, clock, names[which])
        elif what.startswith("drop"):

            def drop(method: str, _path: str) -> None:
                if method in ("PUT", "POST"):
                    raise ClusterUnreachable("The connection broke.")

            side = what.split()[1]
            setattr(cluster, side, drop)
            with contextlib.suppress(LeaseLost):
                leases[which].take()
            setattr(cluster, side, lambda _method, _path: None)
        else:
            with contextlib.suppress(ScalingError):
                leases[which].ensure()
                acted.append((clock.now(), names[which]))
        able = [name for name, one in zip(names, leases, strict=True) if one._is_valid()]
        assert len(able) <= 1, able


def test_a_file_is_held_by_one_and_free_when_its_holder_ends(tmp_path: Path) -> None:
    one, two = FileLease(tmp_path / "a" / "lock", "one"), FileLease(tmp_path / "a" / "lock", "two")
    assert two.holder == ""
    assert one.take()
    assert one.take()
    assert not two.take()
    assert two.holder == "one"
    one.ensure()
    with pytest.raises(LeaseLost):
        two.ensure()
    one.give_up()
    one.give_up()
    assert two.holder == ""
    assert two.take()


def test_a_dry_run_may_never_act() -> None:
    with pytest.raises(LeaseLost):
        NoLease().ensure()


# The scaler with it


def test_one_of_two_scalers_acts_and_the_other_takes_over(ground: Ground) -> None:
    one = ground.scaler(demand=Asked(2), lease=ground.kubernetes_lease("one"))
    two = ground.scaler(demand=Asked(2), lease=ground.kubernetes_lease("two"))
    for _ in range(8):
        one.look_once()
        report = two.look_once()
        assert not report.leads
        ground.pass_time(20)
    assert len(ground.rows()) == 2
    for row in ground.live():
        ground.happens_outside(row["id"], "preempted")
    ground.run(two, 4)
    assert len(ground.live()) == 2


def test_a_new_leader_launches_only_when_the_list_must_show_the_last_ones_launches(ground: Ground) -> None:
    ground.set(list_lag_s=50.0)
    one = ground.scaler(demand=Asked(1), lease=ground.kubernetes_lease("one"))
    ground.run(one, 2)
    assert len(ground.rows()) == 1
    ground.set(list_lag_s=0.0)
    [first] = ground.live()
    ground.happens_outside(first["id"], "preempted")
    ground.pass_time(120)
    ground.set(list_lag_s=50.0)
    one.look_once()
    one.close()
    ground.folder = ground.folder.with_name("another-host")
    two = ground.scaler(demand=Asked(1), lease=ground.kubernetes_lease("two"))
    report = two.look_once()
    assert report.decisions[0].limited_by == ("settling",)
    ground.run(two, 4)
    assert len(ground.rows()) == 2


def test_a_lease_that_is_lost_before_a_request_keeps_it_back(ground: Ground) -> None:
    held = ground.kubernetes_lease("one")
    scaler = ground.scaler(demand=Asked(2), lease=held)
    ground.run(scaler, 1)
    [*_] = ground.live()
    for row in ground.live():
        ground.happens_outside(row["id"], "preempted")
    ground.pass_time(70)
    launched = len(ground.rows())

    def steal(method: str, path: str) -> None:
        # While the scaler looks at the cluster, its lease runs out and goes to another one.
        if path == "/api/v1/pods":
            ground.clock.advance(LEASE_S)
            spec = ground.cluster.leases["sophia-scaler-test"]["spec"]
            spec["holderIdentity"] = "two"
            ground.cluster.leases["sophia-scaler-test"]["metadata"]["resourceVersion"] = "99999"

    ground.cluster.before = steal
    report = scaler.look_once()
    assert not report.leads
    assert any("two holds the lease" in one for one in report.problems)
    assert len(ground.rows()) == launched
