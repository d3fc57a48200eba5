"""Whose a machine is, what it costs, and that lost ones are seen: the account's list sorted by owner."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from sophia_infra.lambda_cloud import Instance
from sophia_infra.model.instance import InstanceConfig
from sophia_infra.provider.instance_spec import InstanceSpec
from sophia_infra.provider.tags import NAME_TAG, STACK_TAG
from sophia_infra.reports.fleet import Fleet, read_fleet
from tests.unit.operations.machines import NOW_S, STACK, instance_id, launched, machine, props

TYPE = {"type": "1xA10", "region": "us-east-1", "purpose": "core"}
WANTED = {"core": InstanceConfig.model_validate(TYPE)}
MONTH_BEGAN_S = 1_788_220_800  # 2026-09-01; NOW_S is 2026-09-21 14:13:20


def read(*machines: Instance, wanted: Any = None, launches: frozenset[str] = frozenset()) -> Fleet:
    return read_fleet(STACK, WANTED if wanted is None else wanted, machines, NOW_S, launches=launches)


def owners(fleet: Fleet) -> dict[str, str]:
    return {row.instance_id: row.owner for row in fleet.machines}


def test_each_owner_is_told_from_the_others() -> None:
    fleet = read(
        machine(4),
        machine(3, {STACK_TAG: "sophia-infra/other", NAME_TAG: "x"}),
        launched(2, props("gone")),
        launched(1, props("core")),
    )
    assert [(row.owner, row.name) for row in fleet.machines] == [
        ("stack", "core"),
        ("orphan", "gone"),
        ("other", "x"),
        ("unknown", "machine 4"),
    ]
    assert [row.name for row in fleet.strays] == ["gone", "machine 4"]
    assert fleet.usd_per_hour() == Decimal("5.16")
    assert fleet.usd_per_hour("stack", "orphan") == Decimal("2.58")
    assert fleet.missing == ()


def test_what_the_file_asks_for_and_does_not_run_is_missing() -> None:
    fleet = read(machine(1))
    assert (fleet.missing, owners(fleet)) == (("core",), {instance_id(1): "unknown"})


def test_of_two_for_one_name_the_one_of_the_files_launch_is_meant() -> None:
    old, new = props("core", generation=1), props("core", generation=2)
    machines = (launched(1, old, ago_s=7200), launched(2, new, ago_s=60))
    key = str(InstanceSpec.of(old).launch_key)
    assert owners(read(*machines, launches=frozenset({key}))) == {
        instance_id(1): "stack",
        instance_id(2): "orphan",
    }
    assert owners(read(*machines)) == {instance_id(2): "stack", instance_id(1): "orphan"}


def test_a_machine_that_ends_is_not_the_one_that_is_meant_and_costs_until_it_has_ended() -> None:
    ending = launched(2, props("core"), ago_s=60, status="terminating")
    fleet = read(launched(1, props("core"), ago_s=7200), ending)
    assert owners(fleet)[instance_id(1)] == "stack"
    (orphan,) = fleet.of("orphan")
    assert (str(orphan.usd_per_hour), str(orphan.usd_so_far)) == ("1.29", "0.02")


@pytest.mark.parametrize("status", ["terminated", "preempted"])
def test_what_has_ended_is_not_shown(status: str) -> None:
    assert read(launched(1, props("core"), status=status)).machines == ()


@pytest.mark.parametrize("adopt", [{"name": "machine 7"}, {"id": instance_id(7)}])
def test_adopted_machines_are_the_stacks_and_their_start_is_not_known(adopt: dict[str, str]) -> None:
    fleet = read(machine(7), wanted={"core": InstanceConfig.model_validate({**TYPE, "adopt": adopt})})
    (row,) = fleet.machines
    assert (row.owner, row.name, row.usd_so_far) == ("stack", "core", None)
    assert fleet.unrecorded == ("core",)
    minutes = -(-(int(NOW_S) - MONTH_BEGAN_S) // 60)
    assert fleet.month_usd["stack"] == (Decimal("1.29") * minutes / 60).quantize(Decimal("0.01"))


def test_dollars_of_the_month_are_added_up_by_owner() -> None:
    fleet = read(launched(1, props("core"), ago_s=7200), launched(2, props("gone"), ago_s=3600))
    assert {owner: str(usd) for owner, usd in fleet.month_usd.items()} == {
        "stack": "2.58",
        "training": "0.00",
        "orphan": "1.29",
        "other": "0.00",
        "unknown": "0.00",
    }


def test_names_cannot_steer_a_terminal() -> None:
    evil = machine(1, name="\x1b[2Jred\u202e\nalert")
    (row,) = read(evil).machines
    assert row.name == "\N{REPLACEMENT CHARACTER}[2Jred\N{REPLACEMENT CHARACTER} alert"
