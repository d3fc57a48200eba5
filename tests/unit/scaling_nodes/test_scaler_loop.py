"""The controller against an emulated account: launching, holding, draining, ending."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sophia_infra.scaling.nodes.settings import FleetMachine
from tests.unit.scaling_nodes.ground import (
    A10,
    A10_USD,
    A100,
    EAST,
    STACK,
    WEST,
    Asked,
    Ground,
    pool,
    quota,
    settings,
)


def test_a_load_gets_its_nodes_and_each_is_told_by_its_tags(ground: Ground) -> None:
    report = ground.scaler(demand=Asked(2)).look_once()
    assert report.leads
    assert [one.action for one in report.events] == ["launch", "launch"]
    assert ground.names() == ["gpu-scaled-1", "gpu-scaled-2"]
    [first, _] = ground.live()
    assert first["tags"]["sophia-stack"] == STACK
    assert first["tags"]["sophia-scaler"].startswith("gpu/1-")
    assert abs(int(first["tags"]["sophia-launched-at"]) - first["launched_at_s"]) <= 1


def test_a_second_look_launches_nothing_more(ground: Ground) -> None:
    scaler = ground.scaler(demand=Asked(2))
    ground.run(scaler, 10)
    assert len(ground.rows()) == 2


def test_a_dry_run_sends_nothing_and_takes_no_lease(ground: Ground) -> None:
    report = ground.scaler(demand=Asked(2), apply=False).look_once()
    assert (report.leads, report.dry_run) == (False, True)
    assert report.decisions[0].launch == 2
    assert ground.rows() == []
    assert not (ground.folder / "leader.lock").exists()


def test_nodes_go_after_the_cooldown_and_only_when_they_are_empty(ground: Ground) -> None:
    asked = Asked(2)
    scaler = ground.scaler(demand=asked)
    ground.run(scaler, 10)
    ground.cluster.place("model", "gpu-scaled-1")
    ground.cluster.place("agent", "gpu-scaled-1", gpus=0, ownerReferences=[{"kind": "DaemonSet"}])
    asked.nodes = 0
    ground.run(scaler, 19)
    assert len(ground.live()) == 2, "cooling down"
    ground.run(scaler, 5)
    assert ground.live() == []
    assert ground.cluster.nodes == {}
    evicted = [one for one in ground.cluster.asked if "eviction" in one]
    assert evicted == ["POST /api/v1/namespaces/apps/pods/model/eviction"]


def test_a_pod_that_does_not_leave_keeps_its_node(ground: Ground) -> None:
    asked = Asked(1)
    scaler = ground.scaler(settings(pool(drain_timeout_s=300)), asked)
    ground.run(scaler, 10)
    ground.cluster.place("model", "gpu-scaled-1")
    ground.cluster.stuck.add("model")
    asked.nodes = 0
    ground.run(scaler, 40)
    assert ground.names() == ["gpu-scaled-1"]
    assert ground.cluster.nodes["gpu-scaled-1"]["spec"] == {}
    assert any("is kept: apps/model did not leave it within 5 min" in line for line in ground.said)


def test_a_load_that_comes_back_takes_the_node_back_instead_of_a_new_one(ground: Ground) -> None:
    asked = Asked(1)
    scaler = ground.scaler(demand=asked)
    ground.run(scaler, 10)
    ground.cluster.place("model", "gpu-scaled-1")
    ground.cluster.stuck.add("model")
    asked.nodes = 0
    while not ground.cluster.nodes["gpu-scaled-1"]["spec"]:
        ground.run(scaler, 1)
    asked.nodes = 1
    ground.run(scaler, 3)
    assert ground.cluster.nodes["gpu-scaled-1"]["spec"] == {}
    assert len(ground.rows()) == 1


def test_nothing_is_released_by_what_is_not_measured_but_the_minimum_holds(ground: Ground) -> None:
    asked = Asked(3)
    scaler = ground.scaler(settings(pool(min=1)), asked)
    ground.run(scaler, 10)
    asked.nodes = None
    ground.run(scaler, 90)
    assert len(ground.live()) == 3
    for row in ground.live():
        ground.happens_outside(row["id"], "preempted")
    ground.run(scaler, 2)
    assert len(ground.live()) == 1


def test_a_source_that_says_nothing_keeps_another_from_releasing_and_not_from_launching(
    ground: Ground,
) -> None:
    load, forecast = Asked(2), Asked(None, kind="forecast")
    scaler = ground.scaler(demand={"gpu": [load, forecast]})
    ground.run(scaler, 10)
    assert len(ground.live()) == 2
    load.nodes = 0
    ground.run(scaler, 60)
    assert len(ground.live()) == 2
    forecast.nodes = 1
    ground.run(scaler, 20)
    assert len(ground.live()) == 1


def test_a_warm_spare_is_there_beside_the_need(ground: Ground) -> None:
    ground.run(ground.scaler(settings(pool(warm_spares=1)), Asked(0)), 3)
    assert len(ground.live()) == 1


@pytest.mark.parametrize(
    ("changes", "limit", "allowed"),
    [
        ({"budget_usd_per_hour": A10_USD * 3}, "budget", 2),
        ({"max_instances": 2}, "max_instances", 2),
        ({"max_gpus": {A10: 3}}, "max_gpus", 2),
        ({"quota": quota(instances=3)}, "quota", 2),
        ({"quota": quota(gpus=3)}, "quota", 2),
        ({"quota": quota(per_type={"1xA10": 3})}, "quota", 2),
    ],
)
def test_no_limit_is_ever_exceeded_with_the_absent_fleet_counted(
    ground: Ground, changes: dict[str, object], limit: str, allowed: int
) -> None:
    whole = settings(fleet=[FleetMachine("core", A10)], **changes)
    scaler = ground.scaler(whole, Asked(4))
    report = scaler.look_once()
    assert len(ground.live()) == allowed
    assert report.decisions[0].limited_by == (limit,)
    ground.launch_outside("core", {"sophia-stack": STACK, "sophia-name": "core"})
    ground.run(scaler, 3)
    assert len(ground.live()) == allowed


def test_money_of_a_machine_that_ends_is_not_spent_twice(ground: Ground) -> None:
    ground.set(terminate_s=600.0)
    whole = settings(pool(cooldown_s=0, scale_down_after_s=0), budget_usd_per_hour=A10_USD)
    asked = Asked(1)
    scaler = ground.scaler(whole, asked)
    ground.run(scaler, 8)
    asked.nodes = 0
    ground.run(scaler, 3)
    assert [row["status"] for row in ground.rows()] == ["terminating"]
    asked.nodes = 1
    ground.run(scaler, 2)
    assert len(ground.rows()) == 1
    ground.run(scaler, 10)
    assert len(ground.live()) == 1


def test_another_type_is_taken_only_when_it_is_named_and_the_first_has_no_room(ground: Ground) -> None:
    for region in (EAST, WEST):
        ground.cloud.set_capacity(A10, region, 0)
    report = ground.scaler(settings(pool(regions=(EAST, WEST))), Asked(1)).look_once()
    assert report.decisions[0].limited_by == ("capacity",)
    assert ground.rows() == []


def test_named_fallbacks_are_tried_in_order(ground: Ground) -> None:
    ground.cloud.set_capacity(A10, EAST, 0, listed=True)
    ground.cloud.set_capacity(A10, WEST, 1)
    whole = settings(pool(regions=(EAST, WEST), types=(A10, A100)))
    ground.scaler(whole, Asked(2)).look_once()
    assert [(row["type"], row["region"]) for row in ground.live()] == [(A10, WEST), (A100, EAST)]


def test_only_machines_with_all_tags_are_touched(ground: Ground) -> None:
    strangers = [
        ground.launch_outside("gpu-scaled-1"),
        ground.launch_outside("gpu-scaled-1", {"sophia-stack": STACK, "sophia-name": "gpu-scaled-1"}),
        ground.launch_outside("x", {"sophia-scaler": "gpu/1-5", "sophia-name": "gpu-scaled-1"}),
        ground.launch_outside(
            "y",
            {"sophia-stack": "sophia-infra/other", "sophia-scaler": "gpu/1-5", "sophia-name": "gpu-scaled-1"},
        ),
        ground.launch_outside(
            "z", {"sophia-stack": STACK, "sophia-scaler": "gpu/1-5", "sophia-name": "gpu-scaled-2"}
        ),
    ]
    asked = Asked(1)
    scaler = ground.scaler(demand=asked)
    ground.run(scaler, 10)
    asked.nodes = 0
    ground.run(scaler, 60)
    assert ground.live() == []
    still = {row["id"] for row in ground.everything() if row["status"] == "active"}
    assert still == set(strangers)


def test_an_unhealthy_machine_is_replaced_after_its_grace(ground: Ground) -> None:
    scaler = ground.scaler(settings(pool(min=1)))
    ground.run(scaler, 8)
    [first] = ground.live()
    ground.happens_outside(first["id"], "unhealthy")
    ground.run(scaler, 4)
    assert [row["id"] for row in ground.live()] == [first["id"]]
    ground.run(scaler, 4)
    [second] = ground.live()
    assert second["id"] != first["id"]


def test_a_machine_that_never_becomes_a_node_is_given_up(ground: Ground) -> None:
    ground.join_s = 1e9
    scaler = ground.scaler(settings(pool(min=1)))
    ground.run(scaler, 35)
    assert [row["status"] in ("terminated", "terminating") for row in ground.rows()] == [True, False]
    assert any("no ready node 30 min after its launch" in line for line in ground.said)


def test_a_name_is_free_again_only_when_its_node_is_gone(ground: Ground) -> None:
    scaler = ground.scaler(settings(pool(min=1)))
    ground.run(scaler, 8)
    [first] = ground.live()
    ground.happens_outside(first["id"], "preempted")
    ground.pass_time(120)
    scaler.look_once()
    assert ground.names() == ["gpu-scaled-2"], "the node gpu-scaled-1 was still there"
    assert "gpu-scaled-1" not in ground.cluster.nodes


def test_a_pool_that_left_the_file_is_emptied(ground: Ground) -> None:
    first = ground.scaler(settings(pool(min=2)))
    ground.run(first, 10)
    first.close()
    whole = settings(pool(name="other"))
    ground.run(ground.scaler(whole), 5)
    assert ground.live() == []


def test_emptied_settings_end_everything_however_it_is_needed(ground: Ground) -> None:
    first = ground.scaler(settings(pool(min=2)), Asked(3))
    ground.run(first, 10)
    first.close()
    assert len(ground.live()) == 3
    ground.run(ground.scaler(settings(pool(min=2)).emptied()), 5)
    assert ground.live() == []


def test_without_a_cluster_machines_come_and_go_all_the_same(ground: Ground) -> None:
    asked = Asked(2)
    scaler = ground.scaler(demand=asked, with_cluster=False)
    ground.run(scaler, 10)
    asked.nodes = 1
    ground.run(scaler, 40)
    assert ground.names() == ["gpu-scaled-1"]


def test_a_cluster_that_does_not_answer_ends_nothing(ground: Ground) -> None:
    asked = Asked(2)
    scaler = ground.scaler(demand=asked)
    ground.run(scaler, 10)
    asked.nodes = 0
    ground.cluster.is_down = True
    ground.run(scaler, 60)
    assert len(ground.live()) == 2


def test_a_number_is_not_used_twice_before_it_is_a_node(ground: Ground) -> None:
    asked = Asked(1)
    scaler = ground.scaler(demand=asked)
    ground.run(scaler, 1)
    asked.nodes = 2
    ground.run(scaler, 1)
    assert ground.names() == ["gpu-scaled-1", "gpu-scaled-2"]


def test_each_release_begins_a_cooldown_that_a_new_scaler_keeps(ground: Ground) -> None:
    asked = Asked(3)
    scaler = ground.scaler(demand=asked)
    ground.run(scaler, 60)
    asked.nodes = 2
    ground.run(scaler, 14)
    assert len(ground.live()) == 2
    asked.nodes = 1
    scaler.close()
    ground.run(ground.scaler(demand=asked), 14)
    assert len(ground.live()) == 2, "ten minutes of fewer are over, half an hour since the release is not"
    ground.run(ground.scaler(demand=asked, lease=ground.kubernetes_lease()), 40)
    assert len(ground.live()) == 1


def test_the_budget_left_is_reported(ground: Ground) -> None:
    report = ground.scaler(
        settings(fleet=[FleetMachine("core", A10)], budget_usd_per_hour=Decimal(5))
    ).look_once()
    assert (report.usd_per_hour, report.headroom_usd_per_hour) == (A10_USD, Decimal("3.71"))
