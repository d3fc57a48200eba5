"""The promised defaults, and what a setting refuses."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from sophia_infra.emulator import CloudSettings
from sophia_infra.emulator.errors import InvalidSettings

PROMISED: dict[str, Any] = {
    "seed": 0,
    "api_keys": (),
    "account_active": True,
    "billing_address_valid": True,
    "forbidden": False,
    "transitions": "seconds",
    "reads_per_step": 1,
    "ip_after_s": 71.0,
    "ip_while_booting": "absent",
    "boot_ranges_s": ((0, 240.0, 240.0), (2, 300.0, 600.0), (4, 420.0, 900.0), (8, 600.0, 1500.0)),
    "unhealthy_boot_share": 0.0,
    "restart_s": 60.0,
    "terminate_s": 30.0,
    "terminate_refused_s": 0.0,
    "terminated_visible_s": 60.0,
    "list_lag_s": 0.0,
    "get_sees_lagging": False,
    "default_capacity": None,
    "documented_regions_only": False,
    "stale_capacity": False,
    "quota_instances": None,
    "quota_filesystems": None,
    "quota_rulesets": None,
    "price_overrides_cents_per_hour": {},
    "limits": "off",
    "retry_after": True,
    "request_interval_s": 1.0,
    "launch_interval_s": 12.0,
    "limit_tolerance_s": 0.05,
    "extra_fields": True,
    "edge_blocks_urllib": True,
    "validate_answers": False,
    "audit_page_size": 50,
    "ticket_page_size": 50,
    "control_token": None,
}


def test_all_defaults_are_the_promised_ones() -> None:
    settings = CloudSettings()
    assert {one.name: getattr(settings, one.name) for one in dataclasses.fields(settings)} == PROMISED


@pytest.mark.parametrize(
    "values",
    [
        {"transitions": "sometimes"},
        {"limits": "html"},
        {"unhealthy_boot_share": 1.5},
        {"reads_per_step": 0},
        {"boot_ranges_s": ()},
        {"terminate_s": -1.0},
    ],
)
def test_impossible_values_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettings):
        CloudSettings(**values)


def test_json_values_become_the_settings_own_types() -> None:
    changed = CloudSettings().changed(
        {
            "list_lag_s": 20,
            "api_keys": ["a", "b"],
            "boot_ranges_s": [[0, 1, 2]],
            "price_overrides_cents_per_hour": {"gpu_1x_a10": 5},
            "control_token": "t",
            "default_capacity": 3,
            "limits": "text",
        }
    )
    assert changed.list_lag_s == 20.0
    assert changed.api_keys == ("a", "b")
    assert changed.boot_ranges_s == ((0, 1.0, 2.0),)
    assert (changed.control_token, changed.default_capacity, changed.limits) == ("t", 3, "text")


@pytest.mark.parametrize(
    "values",
    [
        {"nonsense": 1},
        {"seed": "x"},
        {"forbidden": "yes"},
        {"boot_ranges_s": 5},
        {"default_capacity": True},
        {"api_keys": "one"},
        {"control_token": 5},
        {"price_overrides_cents_per_hour": [1]},
        {"list_lag_s": "soon"},
        {"list_lag_s": True},
    ],
)
def test_json_of_another_type_is_refused_by_name(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettings, match=next(iter(values))):
        CloudSettings().changed(values)


def test_keys_and_token_are_not_in_the_repr() -> None:
    text = repr(CloudSettings(api_keys=("hunter2",), control_token="hunter3"))
    assert "hunter" not in text
