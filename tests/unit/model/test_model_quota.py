"""`sophia:quota`: what the account may run at once, as its owner states it."""

from __future__ import annotations

import pytest

from sophia_infra.model.errors import ConfigError
from sophia_infra.model.stack_config import StackConfig, parse_stack_config
from tests.unit.model.model_stacks import right_stack, with_changes


def stack_with(quota: object) -> StackConfig:
    return parse_stack_config(with_changes((("sophia:quota",), quota)), "x")


def test_no_quota_is_stated_unless_somebody_does() -> None:
    assert parse_stack_config(right_stack(), "x").quota is None


def test_each_limit_may_be_left_out_and_types_are_read_as_people_write_them() -> None:
    quota = stack_with({"instances": 5, "gpus": "8", "per_type": {"1xGH200": 1, "gpu_1x_a10": 0}}).quota
    assert quota is not None
    assert (quota.instances, quota.gpus, quota.per_type) == (5, 8, {"gpu_1x_gh200": 1, "gpu_1x_a10": 0})
    empty = stack_with({}).quota
    assert empty is not None
    assert (empty.instances, empty.gpus, empty.per_type) == (None, None, {})


def test_the_engine_hands_it_over_as_json_text() -> None:
    quota = stack_with('{"per_type": {"8xH100": 2}}').quota
    assert quota is not None
    assert quota.per_type == {"gpu_8x_h100_sxm5": 2}


@pytest.mark.parametrize(
    ("quota", "key", "said"),
    [
        ({"instances": -1}, "sophia:quota.instances", "is out of range"),
        ({"gpus": 1.5}, "sophia:quota.gpus", "is not a whole number"),
        ({"instance": 1}, "sophia:quota.instance", "is not a known key, did you mean instances?"),
        ({"per_type": {"1xGH20": 1}}, "sophia:quota.per_type.1xGH20", "did you mean"),
        ({"per_type": {"1xH100": 1}}, "sophia:quota.per_type.1xH100", "fits more than one"),
        ({"per_type": {"1xA10": "many"}}, "sophia:quota.per_type.1xA10", "is not a whole number"),
        ({"per_type": [1]}, "sophia:quota.per_type", "is not a mapping"),
        (
            {"per_type": {"1xGH200": 1, "gpu_1x_gh200": 2}},
            "sophia:quota.per_type.gpu_1x_gh200",
            "is the same type as 1xGH200",
        ),
        (5, "sophia:quota", "is not a mapping"),
    ],
)
def test_a_wrong_quota_is_named_by_its_key(quota: object, key: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        stack_with(quota)
    (problem,) = refused.value.problems
    assert problem.key == key
    assert said in str(problem)
