"""What is wrong about GPUs, their sharing, and autoscaling by them, and what it is told."""

from __future__ import annotations

import pytest

from tests.unit.model.kubernetes.kubernetes_cases import Case
from tests.unit.model.kubernetes.kubernetes_stacks import API, LLM, SECTION, STORE

CASES = [
    Case(
        "an unknown GPU type",
        (((*LLM, "gpu", "model"), "GH20"),),
        (
            'workloads.llm.gpu.model: "GH20" is not a GPU model that Lambda has, did you mean '
            "GH200?; allowed: RTX6000, A10, A6000, A100, GH200, H100, B200, V100"
        ),
    ),
    Case(
        "an instance type as GPU",
        (((*LLM, "gpu", "model"), "gpu_1x_gh200"),),
        (
            'workloads.llm.gpu.model: "gpu_1x_gh200" is not a GPU model that Lambda has; '
            "allowed: RTX6000, A10, A6000, A100, GH200, H100, B200, V100"
        ),
    ),
    Case(
        "a fraction of a GPU",
        (((*LLM, "gpu", "count"), 0.5),),
        ("workloads.llm.gpu.count: 0.5 is not a whole number; allowed: a whole number from 0 to 8"),
    ),
    Case(
        "MIG on a model without it",
        (((SECTION, "gpu_sharing"), {"A6000": {"mig": "all-1g.12gb"}}),),
        (
            'gpu_sharing.A6000.mig: "all-1g.12gb" does not fit: A6000 cannot be cut by MIG '
            "(A100, H100, GH200, B200 can); allowed: time_slicing: 2 to 16"
        ),
    ),
    Case(
        "a MIG layout of another model",
        (((SECTION, "gpu_sharing", "GH200"), {"mig": "all-1g.10gb"}),),
        (
            'gpu_sharing.GH200.mig: "all-1g.10gb" is not a MIG layout of GH200, did you mean '
            "all-1g.12gb?; allowed: all-1g.12gb, all-1g.24gb, all-2g.24gb, all-3g.48gb, "
            "all-4g.48gb, all-7g.96gb"
        ),
    ),
    Case(
        "a MIG layout of the larger A100",
        (((SECTION, "gpu_sharing", "A100"), {"mig": "all-2g.20gb"}),),
        (
            'gpu_sharing.A100.mig: "all-2g.20gb" does not exist on data, whose A100 has 40 GB; '
            "allowed: all-1g.5gb, all-1g.10gb, all-2g.10gb, all-3g.20gb, all-4g.20gb, all-7g.40gb"
        ),
    ),
    Case(
        "a mixed MIG layout",
        (((SECTION, "gpu_sharing", "A100"), {"mig": "all-balanced"}),),
        (
            'gpu_sharing.A100.mig: "all-balanced" is not a MIG layout; allowed: "all-" and a MIG '
            "profile, for example all-1g.12gb"
        ),
    ),
    Case(
        "time slicing and MIG at once",
        (((SECTION, "gpu_sharing", "A100"), {"mig": "all-1g.5gb", "time_slicing": 2}),),
        ("gpu_sharing.A100: has both of time_slicing and mig; allowed: exactly one of them"),
    ),
    Case(
        "neither time slicing nor MIG",
        (((SECTION, "gpu_sharing", "A100"), {}),),
        ("gpu_sharing.A100: has neither of time_slicing and mig; allowed: exactly one of them"),
    ),
    Case(
        "too many slices of time",
        (((SECTION, "gpu_sharing", "A6000"), {"time_slicing": 17}),),
        ("gpu_sharing.A6000.time_slicing: 17 is out of range; allowed: a whole number from 2 to 16"),
    ),
    Case(
        "two places of a shared GPU",
        (
            ((*API, "gpu"), {"model": "A6000", "count": 2}),
            ((SECTION, "gpu_sharing", "A6000"), {"time_slicing": 4}),
        ),
        (
            "workloads.api.gpu.count: 2 asks for several places of A6000, which is time-sliced: "
            "they may be parts of one GPU, and a program uses only one; allowed: 0, 1"
        ),
    ),
    Case(
        "scaling by the use of a time-sliced GPU",
        (
            ((*API, "gpu"), {"model": "A6000"}),
            ((*API, "autoscale"), {"min": 1, "max": 2, "gpu_utilization": 80}),
        ),
        (
            "workloads.api.autoscale.gpu_utilization: 80 cannot be measured: A6000 is "
            "time-sliced, and its use is not told apart by pod; allowed: autoscale by cpu or "
            "memory"
        ),
    ),
    Case(
        "scaling by the use of a MIG slice",
        (
            ((SECTION, "gpu_sharing", "GH200"), {"mig": "all-1g.12gb"}),
            ((*LLM, "autoscale"), {"min": 1, "max": 2, "gpu_utilization": 80}),
        ),
        (
            "workloads.llm.autoscale.gpu_utilization: 80 cannot be measured: GH200 is cut by "
            "MIG, and its slices do not report it; allowed: autoscale by cpu or memory"
        ),
    ),
    Case(
        "scaling by GPU without one",
        (((*API, "autoscale"), {"min": 1, "max": 2, "gpu_utilization": 80}),),
        (
            "workloads.api.autoscale.gpu_utilization: 80 needs a GPU of its own: set gpu with a "
            "count of 1 or more, or scale by cpu"
        ),
    ),
    Case(
        "an autoscaler without measure",
        (((*API, "autoscale"), {"min": 1, "max": 2}),),
        (
            "workloads.api.autoscale: has no measure to scale by; allowed: cpu, memory, "
            "gpu_utilization (percent), queue, rps, tokens_per_s, forecast"
        ),
    ),
    Case(
        "an autoscaler that runs backwards",
        (((*API, "autoscale"), {"min": 4, "max": 2, "cpu": 70}),),
        ("workloads.api.autoscale.max: 2 is below min, which is 4; allowed: 4 or more"),
    ),
    Case(
        "replicas outside of the autoscaler",
        (((*API, "autoscale"), {"min": 3, "max": 9, "cpu": 70}),),
        ("workloads.api.replicas: 2 is outside autoscale; allowed: 3 to 9, as autoscale.min and max say"),
    ),
    Case(
        "an autoscaler on a database",
        (((*STORE, "autoscale"), {"min": 1, "max": 2, "cpu": 70}),),
        (
            "databases.store.autoscale: is not for databases: a new pod has an empty disk, and "
            "one that goes takes its data along; change replicas by hand"
        ),
    ),
    Case(
        "no architecture for the GPU",
        (((*LLM, "architectures"), ["amd64"]),),
        (
            "workloads.llm.architectures: lacks arm64, the architecture of machines with GH200: "
            "build the image for it and list it; allowed: amd64, arm64"
        ),
    ),
    Case(
        "arm64 alone without a GPU",
        (((*API, "architectures"), ["arm64"]),),
        (
            "workloads.api.architectures: lacks amd64, the architecture of machines without a "
            "chosen GPU: build the image for it and list it; allowed: amd64, arm64"
        ),
    ),
    Case(
        "an arm64 database",
        (((*STORE, "architectures"), ["arm64"]),),
        (
            "databases.store.architectures: lacks amd64: arm64 machines take only pods that "
            "choose their GPU; allowed: amd64, or both"
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_mistake_is_named_with_its_key_and_what_is_allowed(case: Case) -> None:
    case.check()
