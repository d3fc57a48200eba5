"""Whether a model fits the GPU is counted before anything is made, where its size is stated."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.model.kubernetes.gpus import GpuSharing
from sophia_infra.model.kubernetes.vllm_fit import RUNTIME_GIB, place_memory_gib
from sophia_infra.model.stack_config import ConfigError
from tests.unit.model.kubernetes.kubernetes_cases import Case
from tests.unit.model.kubernetes.kubernetes_stacks import SECTION, Change, stack_of
from tests.unit.model.kubernetes.serving_stacks import SERVER, SERVING, VLLM

A6000 = ((*SERVER, "gpu", "model"), "A6000")
WHOLE: Change = ((SECTION, "gpu_sharing"), {})
QWEN = (((*VLLM, "weights_gib"), 18.2), ((*VLLM, "kv_kib_per_token"), 256))

CASES = [
    Case(
        "the largest model of the catalogue on one GPU",
        (((*VLLM, "weights_gib"), 640),),
        "workloads.server.vllm.weights_gib: 640.0 does not fit 36.0 GiB (A100 of 40 GiB, x 0.9), of which "
        "2 GiB are for CUDA itself; allowed: below 34.0: a smaller model or quantization, or a larger GPU",
    ),
    Case(
        "half of a GPU holds the weights and no long call",
        (*QWEN, A6000),
        "workloads.server.vllm.max_model_len: 40960 needs 10.0 GiB of KV cache, and 1.4 GiB are left of "
        "21.6 GiB (share of 24 GiB of a A6000 of 48 GiB, x 0.9) beside weights and CUDA; allowed: at most "
        "5734",
    ),
    Case(
        "a slice of a GPU",
        (((*VLLM, "weights_gib"), 18.2), ((SECTION, "gpu_sharing", "A100"), {"mig": "all-3g.20gb"})),
        "workloads.server.vllm.weights_gib: 18.2 does not fit 18.0 GiB (A100 slice of 20 GiB, x 0.9), of "
        "which "
        "2 GiB are for CUDA itself; allowed: below 16.0: a smaller model or quantization, or a larger GPU",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_does_not_fit_is_told_with_its_numbers(case: Case) -> None:
    case._replace(changes=(*SERVING, *case.changes)).check()


def test_the_whole_gpu_holds_it_with_its_longest_call() -> None:
    stack_of(*SERVING, *QWEN, A6000, WHOLE)


def test_without_a_size_nothing_is_counted() -> None:
    stack_of(*SERVING, A6000)


def test_the_smallest_machine_of_the_model_decides() -> None:
    larger = (("sophia:fleet", "larger"), {"type": "8xA100_80GB", "region": "us-south-1", "purpose": "test"})
    with pytest.raises(ConfigError, match="A100 of 40 GiB"):
        stack_of(*SERVING, larger, ((*VLLM, "weights_gib"), 60))


def test_several_gpus_hold_a_part_each() -> None:
    machine: dict[str, Any] = {"type": "8xA100_80GB", "region": "us-south-1", "purpose": "test"}
    fleet = ((("sophia:fleet", "data"), machine),)
    four = ((*SERVER, "gpu", "count"), 4)
    stack_of(*SERVING, *fleet, four, ((*VLLM, "weights_gib"), 4 * (72 - RUNTIME_GIB) - 1))
    with pytest.raises(ConfigError, match=r"4 x A100 of 80 GiB"):
        stack_of(*SERVING, *fleet, four, ((*VLLM, "weights_gib"), 4 * (72 - RUNTIME_GIB)))


@given(st.integers(2, 16), st.integers(8, 192))
def test_turns_share_the_memory_and_never_more(turns: int, gib: int) -> None:
    place = place_memory_gib(gib, GpuSharing(time_slicing=turns))
    assert place * turns == pytest.approx(gib)
    assert place_memory_gib(gib, None) == gib
    assert place_memory_gib(gib, GpuSharing(mig="all-3g.48gb")) == 48
