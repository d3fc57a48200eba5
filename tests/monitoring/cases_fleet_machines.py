"""Cases of machines of nobody, sick machines, prices and capacity."""

from __future__ import annotations

from tests.monitoring.fleet_series import BUDGET, run_rate, steady
from tests.monitoring.rule_cases import Case

__all__ = ["CASES"]

_H = 3_600
_CORE = {
    "instance_id": "i-1",
    "name": "core",
    "instance_type": "gpu_1x_gh200",
    "region": "us-east-3",
}
_TYPE = 'instance_type="gpu_1x_gh200"'
_HERE = f'{_TYPE},region="us-east-3"'


def _machine(status: str, owner: str = "stack", usd_per_hour: float = 2.29) -> dict[str, str]:
    rate = ",".join(f'{key}="{value}"' for key, value in _CORE.items())
    states = ("booting", "active", "unhealthy", "terminating", "terminated", "preempted")
    series = {
        f'lambda_cloud_instance_status{{instance_id="i-1",name="core",status="{one}"}}': steady(one == status)
        for one in states
    }
    return {
        **series,
        f'lambda_cloud_instance_usd_per_hour{{{rate},gpu_model="GH200",owner="{owner}"}}': steady(
            usd_per_hour
        ),
    }


def _prices(live: float, planned: float) -> dict[str, str]:
    return {
        f"lambda_cloud_type_usd_per_hour{{{_TYPE}}}": steady(live),
        f"lambda_cloud_type_planned_usd_per_hour{{{_TYPE}}}": steady(planned),
    }


def _capacity(here: int, elsewhere: int, owner: str = "stack") -> dict[str, str]:
    return {
        f"lambda_cloud_capacity{{{_HERE}}}": steady(here),
        f'lambda_cloud_capacity{{{_TYPE},region="us-west-1"}}': steady(elsewhere),
        f'lambda_cloud_instance_info{{instance_id="i-1",name="core",{_HERE},owner="{owner}"}}': steady(1),
    }


def _missing(value: int) -> dict[str, str]:
    return {
        'lambda_cloud_machine_missing{name="core"}': steady(value),
        'lambda_cloud_machine_missing{name="other"}': steady(0),
    }


_OF_NOBODY = [
    Case("MachinesUnknown", "one A10", {**BUDGET, **run_rate(unknown=1.29)}, 900, [{}]),
    Case("MachinesUnknown", "a minute before", {**BUDGET, **run_rate(unknown=1.29)}, 840),
    Case("MachinesUnknown", "all are known", {**BUDGET, **run_rate(stack=7.35, other=50)}, 2 * _H),
    Case("MachinesUnknownCostly", "8 A100", {**BUDGET, **run_rate(unknown=15.92)}, 180, [{}]),
    Case("MachinesUnknownCostly", "a minute before", {**BUDGET, **run_rate(unknown=15.92)}, 120),
    Case("MachinesUnknownCostly", "two A100", {**BUDGET, **run_rate(unknown=3.98)}, 2 * _H),
    Case("MachinesOrphaned", "one A10", {**BUDGET, **run_rate(orphan=1.29)}, 2_700, [{}]),
    Case("MachinesOrphaned", "a minute before", {**BUDGET, **run_rate(orphan=1.29)}, 2_640),
    Case("MachinesOrphaned", "none", {**BUDGET, **run_rate(stack=7.35, unknown=15.92)}, 2 * _H),
    Case("MachinesOrphanedCostly", "8 A100", {**BUDGET, **run_rate(orphan=15.92)}, 600, [{}]),
    Case("MachinesOrphanedCostly", "a minute before", {**BUDGET, **run_rate(orphan=15.92)}, 540),
    Case("MachinesOrphanedCostly", "two A100", {**BUDGET, **run_rate(orphan=3.98)}, 2 * _H),
]

_STATES = [
    Case("MachineMissing", "one of two", _missing(1), 900, [{"name": "core"}]),
    Case("MachineMissing", "a minute before", _missing(1), 840),
    Case("MachineMissing", "both run", _missing(0), 2 * _H),
    Case("MachineUnhealthy", "billed all the same", _machine("unhealthy"), 600, [_CORE]),
    Case("MachineUnhealthy", "a minute before", _machine("unhealthy"), 540),
    Case("MachineUnhealthy", "active", _machine("active"), 2 * _H),
    Case("MachineUnhealthy", "of another stack", _machine("unhealthy", "other"), 2 * _H),
    Case("MachineBootingTooLong", "half an hour", _machine("booting"), 1_800, [_CORE]),
    Case("MachineBootingTooLong", "a minute before", _machine("booting"), 1_740),
    Case("MachineBootingTooLong", "active", _machine("active"), 2 * _H),
]

_MARKET = [
    Case(
        "PriceChanged",
        "the rise of 2026-08",
        _prices(2.29, 1.49),
        600,
        [{"instance_type": "gpu_1x_gh200"}],
    ),
    Case("PriceChanged", "a minute before", _prices(2.29, 1.49), 540),
    Case("PriceChanged", "as planned", _prices(2.29, 2.29), 2 * _H),
    Case("PriceChanged", "a cent less", _prices(2.28, 2.29), 600, [{"instance_type": "gpu_1x_gh200"}]),
    Case(
        "CapacityGone",
        "where one of the stack runs",
        _capacity(0, 1),
        900,
        [{"instance_type": "gpu_1x_gh200", "region": "us-east-3"}],
    ),
    Case("CapacityGone", "a minute before", _capacity(0, 1), 840),
    Case("CapacityGone", "only elsewhere", _capacity(1, 0), 2 * _H),
    Case("CapacityGone", "where another stack runs", _capacity(0, 1, "other"), 2 * _H),
]

CASES = [*_OF_NOBODY, *_STATES, *_MARKET]
