"""What is wrong about what finds no place, and what it is told."""

from __future__ import annotations

import pytest

from tests.unit.model.kubernetes.kubernetes_cases import Case
from tests.unit.model.kubernetes.kubernetes_stacks import API, LLM, SECTION, STORE

CASES = [
    Case(
        "an unplaceable workload",
        (((*LLM, "replicas"), 2),),
        (
            "workloads.llm: asks for 2 pods of 1 GH200, 4 CPU and 16Gi each; cluster sophia has "
            "1 place for GH200, and 1 of them finds a place: lower replicas to 1, or share it in "
            "gpu_sharing.GH200, or add a machine with GH200 to sophia:fleet"
        ),
    ),
    Case(
        "a GPU that no machine has",
        (((*LLM, "gpu", "model"), "H100"),),
        (
            "workloads.llm: asks for 1 pod of 1 H100, 4 CPU and 16Gi, and no machine that joins "
            "a cluster has H100: add one to sophia:fleet, or choose another gpu.model"
        ),
    ),
    Case(
        "more CPU than any machine has",
        (((*API, "cpu"), "40"),),
        (
            "workloads.api: asks for 2 pods of 40 CPU and 2Gi each; the machines of cluster "
            "sophia that may take them have at most 29 CPU and 196Gi left on one, and none of "
            "them finds a place: lower replicas, cpu or memory, or add a machine to sophia:fleet"
        ),
    ),
    Case(
        "more memory than is left",
        (((*API, "memory"), "120Gi"),),
        (
            "workloads.api: asks for 2 pods of 1 CPU and 120Gi each; the machines of cluster "
            "sophia that may take them have at most 29 CPU and 196Gi left on one, and 1 of them "
            "finds a place: lower replicas, cpu or memory, or add a machine to sophia:fleet"
        ),
    ),
    Case(
        "a database that finds no place",
        (((*STORE, "memory"), "300Gi"),),
        (
            "databases.store: asks for 1 pod of 1 CPU and 300Gi; the machines of cluster sophia "
            "that may take them have at most 29 CPU and 196Gi left on one, and none of them "
            "finds a place: lower replicas, cpu or memory, or add a machine to sophia:fleet"
        ),
    ),
    Case(
        "pods that share a volume on a full machine",
        (((*API, "cpu"), "16"), ((*API, "volumes"), {"data": {"mount": "/data", "size": "1Gi"}})),
        (
            "workloads.api: asks for 2 pods of 16 CPU and 2Gi each on one machine, since they "
            "share a ReadWriteOnce volume; the machines of cluster sophia that may take them "
            "have at most 29 CPU and 196Gi left on one, and 1 of them finds a place: lower "
            "replicas, cpu or memory, or add a machine to sophia:fleet"
        ),
    ),
    Case(
        "places that others take",
        (
            ((*API, "gpu"), {"model": "A6000"}),
            (
                (SECTION, "workloads", "more"),
                {
                    "image": "a/b:1",
                    "ports": {"http": 9000},
                    "cpu": 1,
                    "memory": "1Gi",
                    "gpu": {"model": "A6000"},
                },
            ),
        ),
        (
            "workloads.more: asks for 1 pod of 1 A6000, 1 CPU and 1Gi; cluster sophia has 2 "
            "places for A6000, 2 of them taken by others, and none of them finds a place: add a "
            "machine with A6000 to sophia:fleet"
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_mistake_is_named_with_its_key_and_what_is_allowed(case: Case) -> None:
    case.check()
