"""Whose every machine of the account is, what each costs, and what is missing: against a real emulator."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from sophia_infra.exporter.machines import see_fleet
from sophia_infra.model.scaled_tags import SCALER_TAG, ScaledName
from sophia_infra.provider.run_tags import RunTags, node_owner
from sophia_infra.provider.tags import NAME_TAG, STACK_TAG
from tests.unit.exporter.conftest import MakeStage
from tests.unit.exporter.stage import OTHER_STACK, OWNERS, STACK, Stage, machine, settings_of
from tests.unit.operations import machines as answers

STATUSES = ("booting", "active", "unhealthy", "terminating", "terminated", "preempted")


def test_a_machine_is_billed_to_the_cent_from_launch_to_end(stage: Stage) -> None:
    core = stage.launch("core")
    for seconds in (0, 1, 59, 60, 3_600, 86_400):
        stage.pass_time(seconds, polls=False)
        stage.poller.poll()
        cost = stage.show().one("lambda_cloud_instance_cost_usd_total", instance_id=core)
        assert round(cost, 6) == float(stage.billed_usd(core))  # its meter has six places, ours is exact
    stage.api.terminate(core)
    stage.pass_time(30)  # the emulator ends it at this very moment
    shown = stage.show()
    assert round(shown.one("lambda_cloud_instance_cost_usd_total"), 6) == float(stage.billed_usd(core))
    assert shown.one("lambda_cloud_instance_status", status="terminated") == 1
    assert shown.one("lambda_cloud_instance_usd_per_hour") == 0
    assert shown.by_owner("lambda_cloud_usd_per_hour")["stack"] == 0
    stage.pass_time(120)
    shown = stage.show()
    assert shown.all("lambda_cloud_instance_info") == []
    assert round(shown.by_owner("lambda_cloud_month_spent_usd")["stack"], 6) == float(stage.billed_usd(core))


def test_everything_about_one_machine(stage: Stage) -> None:
    core = stage.launch("core")
    stage.poller.poll()
    stage.pass_time(600)
    shown = stage.show()
    own = {"instance_id": core, "name": "core"}
    kind = {"instance_type": "gpu_1x_gh200", "gpu_model": "GH200", "region": "us-east-3"}
    assert shown.all("lambda_cloud_instance_info") == [
        ({**own, **kind, "stack": STACK, "owner": "stack", "node": ""}, 1)
    ]
    assert {labels["status"]: value for labels, value in shown.all("lambda_cloud_instance_status")} == {
        status: float(status == "active") for status in STATUSES
    }
    assert shown.all("lambda_cloud_instance_usd_per_hour") == [({**own, **kind, "owner": "stack"}, 2.29)]
    assert shown.all("lambda_cloud_instance_age_seconds") == [(own, 600)]
    assert shown.all("lambda_cloud_gpus") == [({"gpu_model": "GH200", "owner": "stack"}, 1)]
    assert shown.by_owner("lambda_cloud_machines") == {**dict.fromkeys(OWNERS, 0), "stack": 1}
    assert shown.one("lambda_cloud_budget_usd_per_month") == 6_000
    assert shown.one("lambda_cloud_budget_alert_ratio") == 0.8
    assert shown.one("lambda_cloud_type_usd_per_hour", instance_type="gpu_1x_gh200") == 2.29
    assert shown.all("lambda_cloud_type_planned_usd_per_hour") == [({"instance_type": "gpu_1x_gh200"}, 2.29)]


def test_an_age_grows_between_two_lists(stage: Stage) -> None:
    stage.launch("core")
    stage.poller.poll()
    stage.advance(20)
    shown = stage.show()
    assert shown.one("lambda_cloud_instance_age_seconds") == 20
    assert shown.one("lambda_cloud_data_age_seconds") == 20


def test_every_machine_of_the_account_has_an_owner(stage: Stage) -> None:
    first = stage.launch("core")
    stage.advance(60)
    second = stage.launch("core")  # a second machine for one name: the one that was launched later stays
    lost = stage.launch("training-3", instance_type_name="gpu_8x_h100_sxm5")
    other = stage.launch("core", stack=OTHER_STACK, instance_type_name="gpu_1x_a10")
    by_hand = stage.launch("try", stack=None, instance_type_name="gpu_1x_a6000")
    stage.pass_time(3_600)
    shown = stage.show()
    owners = {labels["instance_id"]: labels["owner"] for labels, _ in shown.all("lambda_cloud_instance_info")}
    assert owners == {second: "stack", first: "orphan", lost: "orphan", other: "other", by_hand: "unknown"}
    assert shown.by_owner("lambda_cloud_usd_per_hour") == pytest.approx(
        {"stack": 2.29, "training": 0, "orphan": 2.29 + 31.92, "other": 1.29, "unknown": 1.09}
    )
    total_usd = sum(shown.by_owner("lambda_cloud_usd_per_hour").values())
    assert total_usd == pytest.approx(float(stage.cloud.meter.totals()["usd_per_hour"]))
    counts = {"stack": 1, "training": 0, "orphan": 2, "other": 1, "unknown": 1}
    assert shown.by_owner("lambda_cloud_machines") == counts
    assert shown.one("lambda_cloud_gpus", owner="orphan", gpu_model="H100") == 8
    names = {labels["instance_id"]: labels["name"] for labels, _ in shown.all("lambda_cloud_instance_info")}
    assert (names[lost], names[by_hand]) == ("training-3", "try")
    stacks = {labels["instance_id"]: labels["stack"] for labels, _ in shown.all("lambda_cloud_instance_info")}
    assert (stacks[first], stacks[other], stacks[by_hand]) == (STACK, OTHER_STACK, "")
    # An orphan's cost is known by its own tag; what was launched by hand counts from when it was seen.
    assert shown.one("lambda_cloud_instance_cost_usd_total", instance_id=lost) == 31.92
    assert shown.one("lambda_cloud_instance_cost_usd_total", instance_id=by_hand) == 1.09
    assert shown.all("lambda_cloud_instance_age_seconds", instance_id=by_hand) == []


def test_machines_of_a_training_run_are_counted_as_training_and_never_as_lost(stage: Stage) -> None:
    run = RunTags(STACK, "20260820-101112-3fa9c1", 1, int(stage.cloud.now()) + 7_200, Decimal(400))
    owner = node_owner(STACK, run.run_id, 1)
    tags = {**run.build(2), STACK_TAG: owner.stack, NAME_TAG: owner.name}
    listed = [{"key": key, "value": value} for key, value in tags.items()]
    node = stage.launch("a", stack=None, tags=listed, instance_type_name="gpu_8x_h100_sxm5")
    stage.pass_time(3_600)
    shown = stage.show()
    assert shown.by_owner("lambda_cloud_machines") == {**dict.fromkeys(OWNERS, 0), "training": 1}
    assert shown.by_owner("lambda_cloud_usd_per_hour")["training"] == 31.92
    [(labels, _)] = shown.all("lambda_cloud_instance_info", instance_id=node)
    assert (labels["owner"], labels["stack"]) == ("training", STACK)


@pytest.mark.parametrize("by", ["id", "name"])
def test_an_adopted_machine_is_the_stacks(make_stage: MakeStage, by: str) -> None:
    stage = make_stage()
    found = stage.launch("sophia-core", stack=None)
    adopted = machine(adopt_id=found) if by == "id" else machine(adopt_name="sophia-core")
    stage.settings = settings_of({"core": adopted})
    stage.start()
    stage.pass_time(60)
    [(labels, _)] = stage.show().all("lambda_cloud_instance_info")
    assert (labels["owner"], labels["name"], labels["stack"]) == ("stack", "core", STACK)
    assert stage.show().one("lambda_cloud_machine_missing", name="core") == 0


def test_one_machine_stands_for_one_name_only(make_stage: MakeStage) -> None:
    stage = make_stage()
    found = stage.launch("core")
    stage.settings = settings_of({"taken": machine(adopt_id=found), "core": machine()})
    stage.start()
    stage.poller.poll()
    shown = stage.show()
    [(labels, _)] = shown.all("lambda_cloud_instance_info")
    assert (labels["name"], labels["owner"]) == ("taken", "stack")
    missing = {own["name"]: value for own, value in shown.all("lambda_cloud_machine_missing")}
    assert missing == {"taken": 0, "core": 1}


def test_a_newer_generation_is_the_one_that_stays(stage: Stage) -> None:
    new = stage.launch("core", generation=2)
    stage.advance(60)
    old = stage.launch("core", generation=1)
    stage.poller.poll()
    owners = {
        labels["instance_id"]: labels["owner"] for labels, _ in stage.show().all("lambda_cloud_instance_info")
    }
    assert owners == {new: "stack", old: "orphan"}


def test_a_machine_of_the_file_is_missing_until_one_runs_and_once_none_does(stage: Stage) -> None:
    def is_missing() -> float:
        stage.poller.poll()
        return stage.show().one("lambda_cloud_machine_missing", name="core")

    assert is_missing() == 1
    core = stage.launch("core")
    assert is_missing() == 0
    stage.api.control("POST", f"/instances/{core}/status", {"status": "unhealthy"})
    assert is_missing() == 0
    stage.api.terminate(core)
    assert is_missing() == 1
    shown = stage.show()
    assert shown.one("lambda_cloud_instance_status", status="terminating") == 1
    assert shown.by_owner("lambda_cloud_usd_per_hour")["stack"] == 2.29  # billed until it is gone


def test_a_node_has_its_price_and_how_it_is_split(make_stage: MakeStage) -> None:
    stage = make_stage(
        settings_of({"core": machine(node="core-2", generation=2), "alone": machine("gpu_1x_a10")})
    )
    stage.launch("core", generation=1)
    stage.launch("alone", instance_type_name="gpu_1x_a10")
    stage.poller.poll()
    assert stage.show().all("lambda_node_usd_per_hour") == []  # the machine of before is another node
    core = stage.launch("core", generation=2)
    stage.poller.poll()
    shown = stage.show()
    labels = {"node": "core-2", "instance_id": core, "instance_type": "gpu_1x_gh200", "gpu_model": "GH200"}
    assert shown.all("lambda_node_usd_per_hour") == [({**labels, "region": "us-east-3"}, 2.29)]
    weights = {own["resource"]: value for own, value in shown.all("lambda_node_cost_weight", node="core-2")}
    assert weights == {"gpu": 0.5, "cpu": 0.186047, "memory": 0.313953}
    assert shown.one("lambda_cloud_instance_info", node="core-2") == 1


def test_capacity_is_shown_for_the_types_of_the_file_in_every_region_that_was_ever_named(
    make_stage: MakeStage,
) -> None:
    wanted = replace(machine(), types=("gpu_1x_gh200", "gpu_1x_a10"), regions=("us-east-3", "us-nowhere-1"))
    stage = make_stage(settings_of({"core": wanted}), account={"default_capacity": 0})
    stage.cloud.set_capacity("gpu_1x_gh200", "us-east-3", 1)
    stage.cloud.set_capacity("gpu_8x_h100_sxm5", "us-west-1", 1)
    stage.poller.poll()
    first = stage.show()

    def capacity_of(instance_type: str) -> dict[str, float]:
        rows = stage.show().all("lambda_cloud_capacity", instance_type=instance_type)
        return {labels["region"]: value for labels, value in rows}

    assert capacity_of("gpu_1x_gh200") == {"us-east-3": 1, "us-nowhere-1": 0, "us-west-1": 0}
    assert capacity_of("gpu_1x_a10") == {"us-east-3": 0, "us-nowhere-1": 0, "us-west-1": 0}
    assert first.all("lambda_cloud_capacity", instance_type="gpu_8x_h100_sxm5") == []
    assert first.one("lambda_cloud_prices_timestamp_seconds") == stage.clock.now()
    stage.cloud.set_capacity("gpu_8x_h100_sxm5", "us-west-1", 0)
    stage.cloud.set_capacity("gpu_1x_gh200", "us-east-3", 0)
    stage.pass_time(300)
    assert capacity_of("gpu_1x_gh200") == {"us-east-3": 0, "us-nowhere-1": 0, "us-west-1": 0}


def test_filesystems_have_their_bytes_and_dollars(stage: Stage) -> None:
    disk = stage.api.data("POST", "/filesystems", {"name": "models", "region": "us-east-3"})
    stage.api.control("POST", f"/filesystems/{disk['id']}/bytes", {"bytes_used": 500 * 1024**3})
    stage.pass_time(60)
    shown = stage.show()
    labels = {"name": "models", "region": "us-east-3"}
    assert shown.all("lambda_cloud_filesystem_used_bytes") == [(labels, 500 * 1024**3)]
    assert shown.all("lambda_cloud_filesystem_usd_per_month") == [(labels, 100)]


def test_a_price_that_changes_counts_from_then_on(stage: Stage) -> None:
    core = stage.launch("core")
    stage.pass_time(3_600)
    record = stage.cloud.core.state.instances[core]
    record.cents_per_hour = 100
    assert stage.show().one("lambda_cloud_instance_cost_usd_total") == 2.29
    stage.poller.poll()
    stage.pass_time(3_600)
    shown = stage.show()
    assert shown.one("lambda_cloud_instance_cost_usd_total") == pytest.approx(3.29)
    assert shown.one("lambda_cloud_instance_usd_per_hour") == 1


def test_what_came_later_than_this_program_is_shown_and_billed() -> None:
    kind: dict[str, Any] = {
        "name": "gpu_1x_h300",
        "description": "1x H300 (200 GB)",
        "gpu_description": "H300 (200 GB)",
        "price_cents_per_hour": 999,
        "specs": {"vcpus": 30, "memory_gib": 222, "storage_gib": 1400, "gpus": 1},
    }
    cpu = {**kind, "name": "cpu_8x", "gpu_description": "N/A", "specs": {**kind["specs"], "gpus": 0}}
    listed = [
        answers.machine(1, status="hibernated", instance_type=kind),
        answers.machine(2, instance_type=cpu),
    ]
    new, plain = see_fleet(settings_of({}), listed).machines
    assert (new.gpu_model, new.is_billed, new.status) == ("H300", True, "hibernated")
    assert plain.gpu_model == "none"


def test_all_four_owners_are_always_there(stage: Stage) -> None:
    stage.poller.poll()
    shown = stage.show()
    for name in ("usd_per_hour", "machines", "month_spent_usd", "month_forecast_usd"):
        assert shown.by_owner(f"lambda_cloud_{name}") == dict.fromkeys(OWNERS, 0.0)


def test_a_machine_of_the_node_scaler_is_the_stacks_and_a_node() -> None:
    scaled = ScaledName("burst", 1, 1_790_000_000)
    tags = {STACK_TAG: STACK, NAME_TAG: scaled.name, SCALER_TAG: scaled.value}
    [seen] = see_fleet(settings_of({}), [answers.machine(1, tags)]).machines
    assert (seen.owner, seen.name, seen.node) == ("stack", "burst-scaled-1", "burst-scaled-1")
    [theirs] = see_fleet(settings_of({}), [answers.machine(1, {**tags, STACK_TAG: OTHER_STACK})]).machines
    assert (theirs.owner, theirs.node) == ("other", "")
