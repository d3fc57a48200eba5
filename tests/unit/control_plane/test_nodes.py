from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sophia_infra.control_plane.nodes import (
    ARM64_TAINT,
    NodeSpec,
    Taint,
    build_node,
    build_node_status,
    is_ready,
    merge_taints,
    node_specs,
    parse_spec,
)
from sophia_infra.model.kubernetes import Node

GH200 = Node(
    name="sophia-ai-core",
    machine="sophia-ai-core",
    instance_type="gpu_1x_gh200",
    gpu_model="GH200",
    gpu_count=1,
    places=7,
    architecture="arm64",
    region="us-east-3",
    cluster="sophia",
    roles=("inference",),
    is_server=False,
    vcpus=64,
    memory_gib=432,
    labels={"sophia.internal/gpu": "gh200"},
)


def test_a_machine_becomes_a_node_with_its_places_and_its_taint() -> None:
    (spec,) = node_specs([GH200])
    assert spec == NodeSpec(
        name="sophia-ai-core",
        architecture="arm64",
        labels={
            "sophia.internal/gpu": "gh200",
            "node.kubernetes.io/instance-type": "gpu_1x_gh200",
            "topology.kubernetes.io/region": "us-east-3",
        },
        taints=(ARM64_TAINT,),
        capacity={"cpu": "64", "memory": "432Gi", "nvidia.com/gpu": "7"},
    )


def test_an_x86_server_without_gpu_has_neither_taint_nor_gpu() -> None:
    machine = replace(GH200, architecture="x86_64", gpu_model=None, gpu_count=0, places=0, is_server=True)
    (spec,) = node_specs([machine])
    assert (spec.architecture, spec.taints) == ("amd64", ())
    assert spec.capacity == {"cpu": "64", "memory": "432Gi"}
    assert spec.labels["node-role.kubernetes.io/control-plane"] == "true"


def test_the_node_object_says_what_a_kubelet_says() -> None:
    (spec,) = node_specs([GH200])
    node = build_node(spec, [])
    assert node["metadata"]["labels"]["kubernetes.io/arch"] == "arm64"
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "sophia-ai-core"
    status = build_node_status(spec)["status"]
    assert status["allocatable"] == status["capacity"]
    assert status["capacity"] == {
        "cpu": "64",
        "memory": "432Gi",
        "nvidia.com/gpu": "7",
        "pods": "110",
        "ephemeral-storage": "200Gi",
    }
    assert status["nodeInfo"]["architecture"] == "arm64"


def test_what_was_applied_can_be_read_back() -> None:
    (spec,) = node_specs([GH200])
    assert parse_spec(spec.as_text()) == spec


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "a", "taints": [{"x": 1}]}'])
def test_what_others_wrote_there_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        parse_spec(text)


def test_taints_of_others_stay_and_ours_follow_the_fleet() -> None:
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    before = NodeSpec("a", taints=(ARM64_TAINT, Taint("old", "1")))
    wanted = NodeSpec("a", taints=(ARM64_TAINT,))
    present = [cordon, {"key": "old", "value": "1", "effect": "NoSchedule"}]
    arm64 = {"key": "kubernetes.io/arch", "value": "arm64", "effect": "NoSchedule"}
    assert merge_taints(present, before, wanted) == [arm64, cordon]
    assert merge_taints([], None, wanted) == [arm64]


@pytest.mark.parametrize(
    ("node", "ready"),
    [
        ({}, False),
        ({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, False),
        ({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, True),
        (
            {
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
                "spec": {"taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]},
            },
            False,
        ),
    ],
)
def test_ready_is_what_the_scheduler_takes_for_ready(node: dict[str, Any], ready: bool) -> None:
    assert is_ready(node) is ready
