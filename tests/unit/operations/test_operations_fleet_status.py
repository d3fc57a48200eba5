"""The table of what runs: matched by our tags or by `adopt`, priced per started minute."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from sophia_infra.model.instance import InstanceConfig
from sophia_infra.model.scaled_tags import SCALER_TAG, ScaledName
from sophia_infra.operations.fleet_status import build_fleet_status, usd_so_far
from sophia_infra.provider.tags import NAME_TAG, STACK_TAG
from tests.unit.operations.machines import NOW_S, STACK, instance_id, launched, machine, props


def config(**changes: Any) -> InstanceConfig:
    return InstanceConfig.model_validate(
        {"type": "1xA10", "region": "us-east-1", "purpose": "primary AI core", **changes}
    )


def test_a_launched_machine_is_found_by_its_tags() -> None:
    status = build_fleet_status(STACK, {"core": config()}, [machine(2), launched(1, props())], NOW_S)
    [row] = status.rows
    assert (row.name, row.instance_id, row.status, row.in_file) == ("core", instance_id(1), "active", True)
    assert (row.address, row.region, row.instance_type) == ("192.0.2.1", "us-east-1", "gpu_1x_a10")
    assert (row.architecture, row.purpose) == ("x86_64", "primary AI core")
    assert (row.usd_per_hour, row.usd_per_month, row.usd_so_far) == (
        Decimal("1.29"),
        Decimal("928.80"),
        Decimal("1.29"),
    )
    assert (status.usd_per_hour, status.usd_per_month) == (Decimal("1.29"), Decimal("928.80"))
    assert (status.other_machines, status.other_usd_per_hour) == (1, Decimal("1.29"))


@pytest.mark.parametrize("adopt", [{"id": instance_id(1)}, {"name": "machine 1"}])
def test_an_adopted_machine_is_found_as_the_file_names_it_and_its_age_is_unknown(
    adopt: dict[str, str],
) -> None:
    status = build_fleet_status(STACK, {"core": config(adopt=adopt)}, [machine(1), machine(2)], NOW_S)
    [row] = status.rows
    assert (row.instance_id, row.usd_so_far) == (instance_id(1), None)
    assert status.other_machines == 1


def test_what_the_file_asks_for_and_does_not_run_is_absent_and_free() -> None:
    status = build_fleet_status(STACK, {"core": config()}, [launched(1, props(), status="terminated")], NOW_S)
    [row] = status.rows
    assert (row.status, row.instance_id, row.address) == ("absent", "", "")
    assert (row.instance_type, row.architecture, row.usd_so_far) == ("gpu_1x_a10", "x86_64", None)
    assert status.usd_per_hour == 0


def test_a_terminating_machine_is_shown_and_priced_until_it_has_ended() -> None:
    status = build_fleet_status(
        STACK, {"core": config()}, [launched(1, props(), status="terminating")], NOW_S
    )
    assert [(row.status, row.usd_per_hour) for row in status.rows] == [("terminating", Decimal("1.29"))]


def test_a_machine_of_this_stack_that_is_not_in_the_file_is_shown_last() -> None:
    rows = [launched(1, props("old")), launched(2, props())]
    status = build_fleet_status(STACK, {"core": config()}, rows, NOW_S)
    assert [(row.name, row.in_file) for row in status.rows] == [("core", True), ("old", False)]
    assert status.other_machines == 0


def test_two_machines_of_one_name_are_both_shown_and_priced() -> None:
    rows = [launched(1, props()), launched(2, props(generation=2))]
    status = build_fleet_status(STACK, {"core": config()}, rows, NOW_S)
    assert [row.name for row in status.rows] == ["core", "core"]
    assert status.usd_per_hour == Decimal("2.58")


def test_machines_of_other_stacks_are_counted_with_the_rest_of_the_account() -> None:
    status = build_fleet_status(STACK, {}, [launched(1, props(stack="sophia-infra/other"))], NOW_S)
    assert (status.rows, status.other_machines) == ((), 1)


@pytest.mark.parametrize(
    ("ago_s", "usd"),
    [(0, "0.00"), (1, "0.02"), (60, "0.02"), (61, "0.04"), (3600, "1.29"), (-500, "0.00")],
)
def test_a_started_minute_is_billed_whole(ago_s: float, usd: str) -> None:
    assert usd_so_far(launched(1, props(), ago_s=ago_s), NOW_S) == Decimal(usd)


@pytest.mark.parametrize("tags", [{}, {"sophia-launched-at": ""}, {"sophia-launched-at": "yesterday"}])
def test_without_a_launch_time_the_cost_so_far_is_unknown(tags: dict[str, str]) -> None:
    assert usd_so_far(machine(1, tags), NOW_S) is None


def test_a_type_that_the_catalogue_does_not_know_is_shown_all_the_same() -> None:
    new_type = {
        "name": "gpu_1x_r100",
        "description": "1x R100",
        "gpu_description": "R100 (288 GB)",
        "price_cents_per_hour": 999,
        "specs": {"vcpus": 1, "memory_gib": 1, "storage_gib": 1, "gpus": 1},
    }
    status = build_fleet_status(STACK, {}, [launched(1, props(), instance_type=new_type)], NOW_S)
    [row] = status.rows
    assert (row.gpu, row.architecture, row.usd_per_hour) == ("R100 (288 GB)", "?", Decimal("9.99"))


def test_a_row_is_plain_json_with_money_as_text() -> None:
    [row] = build_fleet_status(STACK, {"core": config()}, [launched(1, props())], NOW_S).rows
    document = json.loads(json.dumps(row.as_json()))
    assert (document["usd_per_hour"], document["usd_per_month_720h"]) == ("1.29", "928.80")
    assert document["usd_so_far"] == "1.29"


def test_a_machine_of_the_node_scaler_is_shown_as_its_and_priced() -> None:
    scaled = ScaledName("burst", 1, int(NOW_S) - 3600)
    tags = {STACK_TAG: STACK, NAME_TAG: scaled.name, SCALER_TAG: scaled.value}
    status = build_fleet_status(STACK, {}, [machine(1, tags)], NOW_S)
    [row] = status.rows
    assert (row.name, row.purpose, row.in_file) == ("burst-scaled-1", "node scaler", True)
    assert str(status.usd_per_hour) == "1.29"
