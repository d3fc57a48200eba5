"""Machines of a 1-Click Cluster of the file have no tag of ours, and are no strangers all the same."""

from __future__ import annotations

from decimal import Decimal

from sophia_infra.lambda_cloud import Instance
from sophia_infra.operations.fleet_status import build_fleet_status
from sophia_infra.provider.tags import STACK_TAG
from sophia_infra.reports.fleet import read_fleet
from tests.unit.operations.machines import NOW_S, STACK, instance_id, machine

CLUSTERED = frozenset({instance_id(1), instance_id(3)})


def account() -> list[Instance]:
    """One of the cluster, one by hand, and one of the cluster's that another stack has tagged as its own."""
    return [machine(1), machine(2), machine(3, {STACK_TAG: "sophia-infra/other"})]


def test_status_counts_them_as_training() -> None:
    status = build_fleet_status(STACK, {}, account(), NOW_S, clustered=CLUSTERED)
    assert (status.training_machines, status.training_usd_per_hour) == (1, Decimal("1.29"))
    assert status.other_machines == 2


def test_monitor_and_report_call_them_training_and_say_of_what() -> None:
    fleet = read_fleet(STACK, {}, account(), NOW_S, clustered=CLUSTERED)
    assert {row.name: (row.owner, row.purpose) for row in fleet.machines} == {
        "machine 1": ("training", "1-Click Cluster"),
        "machine 2": ("unknown", ""),
        "machine 3": ("other", "stack sophia-infra/other"),
    }
    assert [row.name for row in fleet.machines if row.is_stray] == ["machine 2"]
