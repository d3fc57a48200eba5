"""What arrives from the engine becomes plain data, and unknown stays unknown."""

from __future__ import annotations

import pytest
from pulumi_policy import (
    PolicyCustomTimeouts,
    PolicyResourceOptions,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)
from pulumi_policy.proxy import UNKNOWN_ARRAY_VALUE, UNKNOWN_STRING_VALUE, unknown_checking_proxy
from sophia_policies.adapter import as_policy, resource_of
from sophia_policies.plain import UNKNOWN, entries, is_unknown, plain, read
from sophia_policies.registry import RULES_BY_NAME

OPTIONS = PolicyResourceOptions(True, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])


def arguments(props: dict[str, object]) -> ResourceValidationArgs:
    proxied = unknown_checking_proxy(props)
    return ResourceValidationArgs(
        "pulumi-python:dynamic/lambda:Instance", proxied, "urn:a", "a", OPTIONS, None, {"limit": "$1/h"}
    )


def test_marks_of_the_engine_become_unknown_wherever_they_stand() -> None:
    assert plain({"a": [UNKNOWN_STRING_VALUE], "b": {"c": UNKNOWN_ARRAY_VALUE}}) == {
        "a": [UNKNOWN],
        "b": {"c": UNKNOWN},
    }


def test_proxies_that_raise_on_unknown_values_are_opened() -> None:
    resource = resource_of(arguments({"tags": UNKNOWN_STRING_VALUE, "list": [1.0, {"a": 0.5}], "yes": True}))

    assert resource.props == {"tags": UNKNOWN, "list": [1, {"a": 0.5}], "yes": True}
    assert resource.is_protected


def test_unknown_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match="ask is_unknown"):
        bool(UNKNOWN)


def test_reading_through_an_unknown_is_unknown() -> None:
    value = {"a": {"b": UNKNOWN}, "c": 3}

    assert is_unknown(read(value, "a", "b", "further"))
    assert read(value, "a", "x") is None
    assert read(value, "c", "further") is None
    assert list(entries(UNKNOWN)) == [UNKNOWN]
    assert list(entries("text")) == []


def test_a_rule_works_in_another_policy_pack_too() -> None:
    policy = as_policy(RULES_BY_NAME["max-machine-price"])
    assert isinstance(policy, ResourceValidationPolicy)
    said: list[str] = []

    def report(text: str, urn: str | None = None) -> None:
        said.append(text)

    policy.validate(arguments({"instance_type": "gpu_1x_a10", "region": "us-west-1"}), report)
    policy.validate(arguments({"instance_type": UNKNOWN_STRING_VALUE}), report)

    assert len(said) == 1
    assert "costs $1.29/h, more than $1/h" in said[0]
