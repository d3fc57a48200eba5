"""From the typed file to the properties of resources: pure functions, so plain values in and out."""

from __future__ import annotations

from typing import Any

import pytest

from sophia_infra.components.fleet_props import (
    filesystem_props,
    firewall_props,
    instance_props,
    ssh_key_name,
)
from sophia_infra.model.instance import InstanceConfig
from sophia_infra.model.network import FirewallConfig
from sophia_infra.model.storage import FilesystemConfig
from sophia_infra.provider.instance_spec import InstanceSpec
from tests.program.program_run import PUBLIC_KEY

STACK = "sophia-infra/local"
LONG_STACK = "sophia-infra/" + "a-long-name-for-a-stack" * 4
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICN+lJwsONkwrdsSnQsu1ydUkIuIg5oOC+Eslvmtt60T noname"
NAME_LIMIT = 64
"""Lambda Cloud API 1.10.0: names of keys and rulesets (facts 5)."""


def props(**fields: Any) -> dict[str, Any]:
    """The properties of one A10 with these further keys of the stack file."""
    config = InstanceConfig.model_validate(
        {"type": "1xA10", "region": "us-west-1", "purpose": "test", **fields}
    )
    return instance_props(
        "a", config, stack=STACK, ssh_key_name="key", filesystem_names=[], firewall_ruleset_ids=[]
    )


@pytest.mark.parametrize("stack", [STACK, LONG_STACK])
def test_the_key_name_fits_and_tells_keys_and_stacks_apart(stack: str) -> None:
    names = {ssh_key_name(one, key) for one in (stack, f"{stack}-2") for key in (PUBLIC_KEY, OTHER_KEY)}
    assert len(names) == 4
    assert all(len(name) <= NAME_LIMIT and "/" not in name for name in names)


def test_the_comment_of_a_key_does_not_change_its_name() -> None:
    same_key = PUBLIC_KEY.replace(" sophia-local", " me@laptop")
    assert ssh_key_name(STACK, same_key) == ssh_key_name(STACK, PUBLIC_KEY)
    assert ssh_key_name(STACK, PUBLIC_KEY).startswith("sophia-infra-local-")


@pytest.mark.parametrize("label", ["web", "w" * 63])
@pytest.mark.parametrize("stack", [STACK, LONG_STACK])
def test_the_ruleset_name_fits_and_tells_labels_and_stacks_apart(stack: str, label: str) -> None:
    firewall = FirewallConfig.model_validate({"region": "us-east-3", "rules": []})
    names = {
        firewall_props(one_label, firewall, one_stack)["name"]
        for one_stack in (stack, f"{stack}-2")
        for one_label in (label, f"x{label[1:]}")
    }
    assert len(names) == 4
    assert all(0 < len(name) <= NAME_LIMIT and "/" not in name and name[0] == "s" for name in names)


def test_a_short_ruleset_name_says_stack_and_label() -> None:
    firewall = FirewallConfig.model_validate({"region": "us-east-3", "rules": []})
    assert firewall_props("web", firewall, STACK)["name"] == "sophia-infra-local-web"


def test_rules_become_what_the_api_takes() -> None:
    rules = [
        {"protocol": "tcp", "ports": "8000-8100", "source": "203.0.113.0/24", "description": "office"},
        {"protocol": "tcp", "ports": 22, "source": "203.0.113.7"},
        {"protocol": "icmp", "source": "0.0.0.0/0"},
    ]
    firewall = FirewallConfig.model_validate({"region": "us-east-3", "rules": rules})
    assert firewall_props("web", firewall, STACK)["rules"] == [
        {"protocol": "tcp", "source": "203.0.113.0/24", "description": "office", "ports": [8000, 8100]},
        {"protocol": "tcp", "source": "203.0.113.7/32", "description": "", "ports": [22, 22]},
        {"protocol": "icmp", "source": "0.0.0.0/0", "description": ""},
    ]


def test_a_filesystem_keeps_its_name_in_the_account() -> None:
    filesystem = FilesystemConfig.model_validate({"region": "us-east-3"})
    assert filesystem_props("models", filesystem, STACK) == {
        "stack": STACK,
        "name": "models",
        "region": "us-east-3",
    }


def test_what_is_not_in_the_file_is_not_in_the_properties() -> None:
    """An empty value and an absent one would be two states of one machine, and a change between them."""
    assert props() == {
        "stack": STACK,
        "logical_name": "a",
        "name": "a",
        "instance_type": "gpu_1x_a10",
        "region": "us-west-1",
        "generation": 1,
        "ssh_key_name": "key",
    }


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("name", "front", {"name": "front"}),
        ("generation", 3, {"generation": 3}),
        ("image_family", "lambda-stack-24-04", {"image": {"family": "lambda-stack-24-04"}}),
        (
            "image_id",
            "0" * 8 + "-0000-4000-8000-" + "0" * 12,
            {"image": {"id": "00000000-0000-4000-8000-000000000000"}},
        ),
        ("hostname", "front-1", {"hostname": "front-1"}),
        ("user_data", "#cloud-config\n", {"user_data": "#cloud-config\n"}),
        ("tags", {"team": "research"}, {"tags": {"team": "research"}}),
        (
            "fallbacks",
            [{"type": "1xA100_SXM4"}, {"region": "us-east-1"}, {"type": "1xA6000", "region": "us-south-1"}],
            {
                "fallbacks": [
                    {"type": "gpu_1x_a100_sxm4"},
                    {"region": "us-east-1"},
                    {"type": "gpu_1x_a6000", "region": "us-south-1"},
                ]
            },
        ),
        (
            "wait_for_capacity",
            {"max_minutes": 30, "max_usd": "$5"},
            {"wait_for_capacity": {"max_minutes": 30, "max_usd": "5"}},
        ),
    ],
)
def test_each_key_of_the_file_becomes_one_property(field: str, value: Any, expected: dict[str, Any]) -> None:
    assert props(**{field: value}) == {**props(), **expected}


@pytest.mark.parametrize("field", ["always_on", "phase", "purpose", "protect", "replace_order"])
def test_what_says_nothing_about_the_machine_is_no_property(field: str) -> None:
    """A change of these must not touch a paid machine."""
    values = {
        "always_on": False,
        "phase": 3,
        "purpose": "another",
        "protect": True,
        "replace_order": "terminate_first",
    }
    assert props(**{field: values[field]}) == props()


@pytest.mark.parametrize("adopt", [{"name": "there"}, {"id": "0" * 32}])
def test_an_adopted_machine_has_only_what_can_be_compared(adopt: dict[str, str]) -> None:
    adopted = props(adopt=adopt)
    assert adopted["adopt"] == adopt
    assert adopted.keys() - {"adopt"} == props().keys() - {"ssh_key_name", "name"}


def test_an_adopted_machine_is_renamed_only_when_the_file_names_it() -> None:
    assert "name" not in props(adopt={"id": "0" * 32})
    assert props(adopt={"id": "0" * 32}, name="ours")["name"] == "ours"


def test_fallbacks_are_read_back_as_whole_candidates_in_order() -> None:
    spec = InstanceSpec.of(
        props(fallbacks=[{"type": "1xA6000", "region": "us-south-1"}, {"region": "us-east-1"}])
    )
    assert [str(candidate) for candidate in spec.candidates] == [
        "gpu_1x_a10 in us-west-1",
        "gpu_1x_a6000 in us-south-1",
        "gpu_1x_a10 in us-east-1",
    ]


def test_the_launch_key_survives_the_way_through_the_file() -> None:
    """The same file gives the same key for ever: a key that moved would launch every machine again."""
    assert InstanceSpec.of(props()).launch_key.value == "g1-0a2681ed349bb99f"
