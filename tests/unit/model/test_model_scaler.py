"""`sophia:scaler`: what is promised, every way to write it wrong, and how its machines are told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sophia_infra.model.explain import explain
from sophia_infra.model.forms import Conflict
from sophia_infra.model.scaled_tags import SCALER_TAG, ScaledName, is_scaled, scaled_name
from sophia_infra.model.scaler import ScalerConfig, ScalerPool
from sophia_infra.model.scaler_rules import find_scaler_conflicts
from sophia_infra.provider.tags import NAME_TAG

RIGHT: dict[str, Any] = {"type": "1xA100", "regions": ["us-east-1"], "max": 4}
LOAD: dict[str, Any] = {"source": "prometheus", "query": "sum(queue)", "per_node": 20}


def pool(**changes: Any) -> ScalerPool:
    return ScalerPool.model_validate({**RIGHT, **changes})


def problems(**changes: Any) -> list[Conflict]:
    with pytest.raises(ValidationError) as caught:
        ScalerConfig.model_validate({"pools": {"gpu": {**RIGHT, **changes}}})
    return explain(caught.value, ScalerConfig)


def test_promised_defaults() -> None:
    one = pool()
    assert (one.min, one.warm_spares, one.cooldown_s, one.scale_down_after_s) == (0, 0, 1800, 600)
    assert (one.fallbacks, one.demand, one.lead_time_s) == ((), (), None)
    whole = ScalerConfig.model_validate({"pools": {"gpu": RIGHT}})
    assert (whole.max_instances, whole.interval_s) == (10, 60)
    assert whole.calendar.zone == "America/New_York"


def test_a_whole_section_prints_back_as_it_was_written() -> None:
    whole = {
        "pools": {
            "gpu": {
                **RIGHT,
                "fallbacks": ["1xGH200"],
                "image_family": "lambda-stack-24-04",
                "min": 1,
                "demand": [LOAD, {"source": "pending_pods"}, {"source": "forecast", "per_node": 1.5}],
                "schedule": [{"begin": "09:00", "end": "18:00", "min": 2}],
            }
        },
        "max_gpus": {"1xA100": 4},
        "calendar": {"days_off": ["2026-12-24"]},
    }
    read = ScalerConfig.model_validate(whole)
    assert ScalerConfig.model_validate(read.model_dump(mode="json")) == read
    assert read.pools["gpu"].schedule[0].min == 2
    assert read.max_gpus == {"gpu_1x_a100": 4}


@pytest.mark.parametrize(
    ("changes", "loc", "words"),
    [
        ({"min": 5}, ("min",), "is above max"),
        ({"warm_spares": 5}, ("warm_spares",), "is above max"),
        ({"max": 0}, ("max",), "out of range"),
        ({"regions": []}, ("regions",), "is empty"),
        ({"regions": ["us-east-1", "us-east-1"]}, ("regions",), "twice"),
        ({"fallbacks": ["1xA100"]}, ("fallbacks", 0), "is named twice"),
        ({"fallbacks": ["1xGH200"]}, ("fallbacks",), "both CPU architectures"),
        ({"lead_time_s": 30}, ("lead_time_s",), "out of range"),
        ({"demand": [{"source": "queue"}]}, ("demand", 0, "source"), "is not a source"),
        ({"demand": [{**LOAD, "per_node": None}]}, ("demand", 0, "per_node"), "has to be measured"),
        ({"demand": [{"source": "prometheus", "per_node": 1}]}, ("demand", 0, "query"), "is missing"),
        ({"demand": [{"source": "pending_pods", "per_node": 1}]}, ("demand", 0, "per_node"), "counts GPUs"),
        ({"schedule": [{"begin": "18:00", "end": "09:00", "min": 1}]}, ("schedule", 0, "end"), "not after"),
        (
            {"schedule": [{"begin": "25:00", "end": "26:00", "min": 1}]},
            ("schedule", 0, "begin"),
            "time of day",
        ),
        ({"schedule": [{"begin": "09:00", "end": "18:00", "min": 9}]}, ("schedule", 0, "min"), "pool's max"),
        (
            {"schedule": [{"days": [], "begin": "09:00", "end": "18:00", "min": 1}]},
            ("schedule", 0, "days"),
            "empty",
        ),
        ({"maximum": 4}, ("maximum",), ""),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], loc: tuple[str | int, ...], words: str) -> None:
    found = problems(**changes)
    assert ("pools", "gpu", *loc) in [one.loc for one in found]
    assert words in " ".join(one.refused.message for one in found)


def test_one_type_has_one_ceiling() -> None:
    with pytest.raises(ValidationError) as caught:
        ScalerConfig.model_validate({"pools": {}, "max_gpus": {"1xGH200": 1, "gpu_1x_gh200": 2}})
    [found] = explain(caught.value, ScalerConfig)
    assert found.refused.message == "is the same type as 1xGH200"


def test_the_rest_of_the_file_has_to_fit() -> None:
    whole = ScalerConfig.model_validate({"pools": {"gpu": {**RIGHT, "demand": [{"source": "pending_pods"}]}}})
    found = find_scaler_conflicts(whole, fleet=["core", "gpu-scaled-1"], has_ssh=False, has_kubernetes=False)
    assert [one.loc for one in found] == [
        ("scaler", "pools", "gpu"),
        ("scaler", "pools", "gpu", "ssh_key"),
        ("scaler", "pools", "gpu", "demand", 0, "source"),
    ]
    assert find_scaler_conflicts(whole, fleet=["core"], has_ssh=True, has_kubernetes=True) == []


@given(st.from_regex("[a-z][a-z0-9]{0,20}", fullmatch=True), st.integers(1, 9999), st.integers(0, 10**10))
def test_a_machine_is_told_by_its_tags(name: str, number: int, begun_s: int) -> None:
    launch = ScaledName(name, number, begun_s)
    tags = {SCALER_TAG: launch.value, NAME_TAG: launch.name}
    assert ScaledName.of(tags) == launch
    assert is_scaled(tags)
    assert launch.name == scaled_name(name, number)


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {NAME_TAG: "gpu-scaled-1"},
        {SCALER_TAG: "gpu/1-5"},
        {SCALER_TAG: "gpu/1-5", NAME_TAG: "gpu-scaled-2"},
        {SCALER_TAG: "gpu/0-5", NAME_TAG: "gpu-scaled-0"},
        {SCALER_TAG: "gpu/1", NAME_TAG: "gpu-scaled-1"},
    ],
)
def test_tags_that_do_not_fit_are_nobodys(tags: dict[str, str]) -> None:
    assert not is_scaled(tags)
