"""The plan: where, how dear, how long; and what is refused before anything is sent."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.model.training import ClusterConfig
from sophia_infra.provider.run_tags import RunTags, node_owner
from sophia_infra.training.caps import Billed, billed_usd, ending_reserve_s, latest_end
from sophia_infra.training.errors import CapRefused, NoRoom, RunMissing, RunRefused
from sophia_infra.training.history import Launch, LaunchHistory, odds
from sophia_infra.training.plan_checks import Limits
from sophia_infra.training.planning import cluster_of_workload
from tests.unit.model.test_model_training import cluster
from tests.unit.training.ground import EAST, H100, KEY_NAME, PUBLIC_KEY, WEST, Ground


def config(**changes: Any) -> ClusterConfig:
    return cluster(ssh_key=KEY_NAME, **changes)


def test_the_plans_eight_nodes_cost_what_the_checklist_says(ground: Ground) -> None:
    plan = ground.plan(config())
    assert plan.usd_per_hour == Decimal("255.36")
    assert plan.usd_per_hour * 24 == Decimal("6128.64")
    assert plan.best.usd_worst == Decimal("6128.64")
    assert (plan.best.runs_s, plan.best.ended_by) == (24 * 3600, "max_hours")
    assert plan.launch_floor_s == 7 * 12
    assert plan.nodes * 8 == 64


def test_a_cap_in_dollars_shortens_the_run_and_says_so(ground: Ground) -> None:
    plan = ground.plan(config(), Limits(max_usd=Decimal(1000)))
    assert plan.best.ended_by == "max_usd"
    assert plan.best.runs_s == int(1000 * 3600 / Decimal("255.36")) - int(ending_reserve_s(8, 30))
    [note] = plan.notes
    assert note.startswith("$1,000.00 last 3 h 52 min at $255.36/h")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(max_usd=Decimal(7000)), "--max-usd \\$7,000.00 is above the cluster's \\$6,500.00"),
        (Limits(max_hours=25), "--max-hours 25 is above the cluster's 24"),
        (Limits(max_usd=Decimal(200)), "less than an hour"),
        (Limits(max_usd=Decimal(260)), "less than an hour"),
    ],
)
def test_caps_are_refused_that_are_higher_or_pay_for_no_hour(
    ground: Ground, limits: Limits, words: str
) -> None:
    with pytest.raises(CapRefused, match=words):
        ground.plan(config(), limits)


@pytest.mark.parametrize(
    ("limits", "changes", "words"),
    [
        (Limits(nodes=9), {}, "9 nodes are asked for"),
        (Limits(nodes=1), {"min_nodes": 2}, "1 nodes are asked for"),
        (Limits(instance_type="gpu_1x_a10"), {}, "is not one of the cluster's"),
        (Limits(region="us-south-1"), {}, "region us-south-1 is not allowed"),
        (Limits(), {"checkpoints": "runs"}, "has no filesystem runs"),
        (Limits(), {"ssh_key": "nobodys"}, "has no key named nobodys"),
    ],
)
def test_what_is_not_there_or_not_allowed_is_refused(
    ground: Ground, limits: Limits, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(RunRefused, match=words):
        ground.plan(cluster(**{"ssh_key": KEY_NAME, **changes}), limits)
    assert ground.rows() == []


def test_two_keys_of_one_name_are_refused(ground: Ground) -> None:
    with ground.cloud.lock:
        ground.cloud.ssh_keys.add(KEY_NAME, PUBLIC_KEY)
    with pytest.raises(RunRefused, match="has 2 keys named"):
        ground.plan(config())


def test_no_key_at_all_is_refused(ground: Ground) -> None:
    from sophia_infra.training.planning import plan_run

    with pytest.raises(RunRefused, match="no SSH key is named"):
        plan_run("a", cluster(), Limits(), ground.market(), ssh_key=None, poll_s=30)


def test_a_filesystem_fixes_the_region_and_a_wrong_one_is_refused(ground: Ground) -> None:
    with ground.cloud.lock:
        ground.cloud.filesystems.create("runs", WEST)
        ground.cloud.filesystems.create("texas", "us-south-1")
    assert {one.choice.region for one in ground.plan(config(checkpoints="runs")).ranked} == {WEST}
    with pytest.raises(RunRefused, match="filesystem texas is in us-south-1"):
        ground.plan(config(checkpoints="texas"))
    with pytest.raises(RunRefused, match="filesystem runs is in us-west-3"):
        ground.plan(config(checkpoints="runs"), Limits(region=EAST))


def test_without_listed_capacity_it_is_refused_unless_it_may_wait(ground: Ground) -> None:
    for region in (EAST, WEST):
        ground.cloud.set_capacity(H100, region, 0)
    with pytest.raises(NoRoom, match="no capacity is listed"):
        ground.plan(config())
    waiting = config(wait_for_capacity={"max_minutes": 30, "max_usd": "$5"})
    assert [one.has_room for one in ground.plan(waiting).ranked] == [False, False]


def test_a_region_without_capacity_is_not_in_the_plan(ground: Ground) -> None:
    ground.cloud.set_capacity(H100, EAST, 0)
    assert [one.choice.region for one in ground.plan(config()).ranked] == [WEST]


def test_without_history_the_files_order_decides_and_with_it_the_dollars_do(ground: Ground) -> None:
    assert [one.choice.region for one in ground.plan(config()).ranked] == [EAST, WEST]
    history = LaunchHistory.of(ground.home)
    for _ in range(3):
        history.add(Launch(ground.clock.now(), H100, EAST, 8, "no capacity"))
    first, second = ground.plan(config()).ranked
    assert (first.choice.region, second.choice.region) == (WEST, EAST)
    assert first.odds > second.odds
    # Half a year later it is nearly forgotten, and the order is within rounding of the file's.
    ground.clock.advance(180 * 86_400)
    assert abs(odds(history.read(), H100, EAST, ground.clock.now()) - 11 / 16) < 0.01


def test_a_fallback_comes_last_however_cheap_it_is(ground: Ground) -> None:
    ranked = ground.plan(config(fallbacks=["8xV100"]), Limits(nodes=2)).ranked
    assert [one.choice.instance_type for one in ranked] == [H100, H100, "gpu_8x_v100", "gpu_8x_v100"]
    ground.cloud.set_capacity(H100, EAST, 0)
    ground.cloud.set_capacity(H100, WEST, 0)
    ranked = ground.plan(config(fallbacks=["8xV100"]), Limits(nodes=2)).ranked
    assert {one.choice.instance_type for one in ranked} == {"gpu_8x_v100"}


def test_a_broken_history_is_no_history(ground: Ground) -> None:
    path = ground.home.root / "training-history.json"
    path.parent.mkdir(parents=True)
    path.write_text('[{"at_s": "NaN"}, 3, {"at_s": 1, "instance_type": "a", "region": "b", "nodes": 1, ')
    assert LaunchHistory.of(ground.home).read() == []
    assert ground.plan(config()).best.odds == pytest.approx(11 / 16)


def test_an_unknown_workload_names_all() -> None:
    clusters = {"a": cluster(workload="large"), "b": cluster(workload="small")}
    assert cluster_of_workload(clusters, "small") == "b"
    with pytest.raises(RunMissing, match=r"did you mean large.*use one of: large, small"):
        cluster_of_workload(clusters, "larg")
    with pytest.raises(RunMissing, match="no training clusters"):
        cluster_of_workload({}, "larg")


@given(
    usd=st.decimals(60, 5000, places=2),
    rate=st.sampled_from([Decimal("1.29"), Decimal("31.92"), Decimal("53.52")]),
    nodes=st.integers(1, 8),
    hours=st.integers(1, 100),
    spent=st.decimals(0, 50, places=2),
    poll_s=st.sampled_from([5.0, 30.0, 300.0]),
    late_s=st.floats(0, 1),
)
def test_machines_that_end_a_poll_after_their_deadline_stay_within_the_cap(
    usd: Decimal, rate: Decimal, nodes: int, hours: int, spent: Decimal, poll_s: float, late_s: float
) -> None:
    began_s = 1_790_000_000.25
    end = latest_end(
        began_s=began_s,
        now_s=began_s,
        max_hours=hours,
        max_usd=usd,
        spent_usd=spent,
        nodes=nodes,
        usd_per_hour=rate,
        poll_s=poll_s,
    )
    assert end.at_s <= began_s + hours * 3600
    if end.at_s > began_s:
        gone_s = end.at_s + poll_s * late_s + nodes + 60
        bill = billed_usd([Billed(rate, began_s, gone_s)] * nodes, gone_s)
        assert spent + bill <= usd


@given(st.floats(0, 1e6))
def test_a_started_minute_is_a_whole_one(duration_s: float) -> None:
    minutes = Billed(Decimal(6), 1000.0, 1000.0 + duration_s).minutes(0)
    assert 60 * (minutes - 1) <= duration_s + 1e-6
    assert duration_s <= 60 * minutes + 1e-6


def test_tags_say_what_they_say_and_nothing_of_others_is_taken_for_ours() -> None:
    tags = RunTags("p/s", "r1", 2, 1_800_000_000, Decimal("6500.5"))
    owner = node_owner("p/s", "r1", 2)
    whole = {**tags.build(24), "sophia-stack": owner.stack, "sophia-name": owner.name}
    assert RunTags.of(whole) == tags
    launched = {**whole, "sophia-launched-at": "1790000000"}
    assert RunTags.of(launched) == dataclasses.replace(tags, launched_at_s=1_790_000_000)
    for name in (
        "sophia-run",
        "sophia-node",
        "sophia-deadline",
        "sophia-max-usd",
        "sophia-stack",
        "sophia-name",
    ):
        assert RunTags.of({key: value for key, value in whole.items() if key != name}) is None
    for name, value in [
        ("sophia-run", "r2"),
        ("sophia-node", "3"),
        ("sophia-node", "x"),
        ("sophia-deadline", "-1"),
        ("sophia-deadline", "soon"),
        ("sophia-max-usd", "NaN"),
        ("sophia-max-usd", "much"),
        ("sophia-max-usd", "0"),
        ("sophia-stack", "p/s"),
        ("sophia-name", "node-3"),
    ]:
        assert RunTags.of({**whole, name: value}) is None, (name, value)
