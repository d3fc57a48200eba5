"""What is wrong about rows that serve a model or are the gateway, and what it is told."""

from __future__ import annotations

import pytest

from tests.unit.model.kubernetes.kubernetes_cases import Case
from tests.unit.model.kubernetes.kubernetes_stacks import API, SECTION, section_of, stack_of
from tests.unit.model.kubernetes.serving_stacks import DOOR, REMOVED, SERVER, SERVING, VLLM

CASES = [
    Case(
        "a model without GPU",
        (((*SERVER, "gpu"), {"model": "A100", "count": 0}),),
        "workloads.server.gpu.count: 0 does not serve a model: vLLM divides one evenly among the GPUs of a "
        "pod; allowed: count: 1, 2, 4, 8",
    ),
    Case(
        "three GPUs",
        (((*SERVER, "gpu", "count"), 3),),
        "workloads.server.gpu.count: 3 does not serve a model: vLLM divides one evenly among the GPUs of a "
        "pod; allowed: count: 1, 2, 4, 8",
    ),
    Case(
        "arguments beside vllm",
        (((*SERVER, "args"), ["--max-model-len", "1"]),),
        "workloads.server.args: is given, and it follows from vllm; further ones go into vllm.flags",
    ),
    Case(
        "a command beside the gateway",
        (((*DOOR, "command"), ["sh"]),),
        "workloads.door.command: is given, and it follows from sophia:gateway",
    ),
    Case(
        "weights in a volume that is not there",
        (((*VLLM, "volume"), "model"),),
        'workloads.server.vllm.volume: "model" is not in volumes, did you mean models?: weights need a place '
        "that outlives the pod; allowed: models",
    ),
    Case(
        "weights in a cache",
        (((*SERVER, "volumes", "models", "cache"), True),),
        "workloads.server.volumes.models.cache: true is a cache, gone with the pod: each start would load "
        "everything anew",
    ),
    Case(
        "no shared memory",
        (((*SERVER, "shm"), REMOVED),),
        "workloads.server.shm: is missing: the processes of vLLM talk through it; allowed: 4Gi, as in the "
        "table",
    ),
    Case(
        "a start that ends while loading",
        (((*SERVER, "health", "startup_s"), 60),),
        "workloads.server.health.startup_s: 60 ends a pod that is still loading its model; allowed: 300 to "
        "3600",
    ),
    Case(
        "no key",
        (((*SERVER, "secret_env"), {}),),
        "workloads.server.secret_env: lacks VLLM_API_KEY: without a key whoever reaches the port uses the "
        "GPU "
        "unbooked; allowed: VLLM_API_KEY: inference.vllm_api_key",
    ),
    Case(
        "no way to the weights",
        (((*SERVER, "internet"), False),),
        "workloads.server.internet: false keeps the first start from loading the model; allowed: true, or "
        "vllm.offline: true",
    ),
    Case(
        "no name",
        (((*VLLM, "names"), []),),
        "workloads.server.vllm.names: is empty: name at least one model",
    ),
    Case(
        "an address as model",
        (((*VLLM, "model"), "https://huggingface.example/Qwen"),),
        'workloads.server.vllm.model: "https://huggingface.example/Qwen" is not a model to load; allowed: '
        '"Qwen/Qwen3-32B-AWQ", or a path such as "/models/own"',
    ),
    Case(
        "a flag that runs foreign code",
        (((*VLLM, "flags"), {"trust-remote-code": True}),),
        'workloads.server.vllm.flags.trust-remote-code: "trust-remote-code" '
        "is not a flag of vLLM that may be set here; allowed: "
        "calculate-kv-scales, enable-auto-tool-choice, enable-chunked-prefill, enable-prefix-caching, "
        "enforce-eager, kv-cache-dtype, max-num-batched-tokens, max-num-seqs, reasoning-parser, seed, "
        "tool-call-parser",
    ),
    Case(
        "a flag with a second argument in it",
        (((*VLLM, "flags"), {"seed": "1 --host"}),),
        'workloads.server.vllm.flags.seed: "1 --host" is not the value of a flag; allowed: true, false, a '
        "whole "
        "number, or a word",
    ),
    Case(
        "an unknown quantization",
        (((*VLLM, "quantization"), "aqw"),),
        'workloads.server.vllm.quantization: "aqw" is not a quantization of vLLM, did you mean awq?; '
        "allowed: "
        "awq, awq_marlin, bitsandbytes, compressed-tensors, fp8, gptq, gptq_marlin",
    ),
    Case(
        "a queue of calls for who serves none",
        (((*API, "autoscale"), {"min": 1, "max": 2, "cpu": 70, "queue": 25}),),
        "workloads.api.autoscale.queue: 25 is counted by the gateway for rows with vllm: scale by cpu or "
        "memory",
    ),
    Case(
        "calls a second of another row",
        (((*API, "autoscale"), {"min": 1, "max": 2, "cpu": 70, "rps": 25}),),
        "workloads.api.autoscale.rps: 25 is counted by the gateway for rows with gateway: true: scale by "
        "cpu or "
        "memory",
    ),
    Case(
        "only measures of KEDA, and no KEDA",
        (((*SERVER, "autoscale"), {"min": 1, "max": 2, "queue": 25}),),
        "workloads.server.autoscale: has only measures of KEDA, and it is off: enable it in "
        "autoscaling.keda, "
        "or add another; allowed: cpu, memory, gpu_utilization (percent)",
    ),
    Case(
        "KEDA without Prometheus",
        (((SECTION, "autoscaling"), {"keda": {"enabled": True}}),),
        "autoscaling.keda.prometheus_url: is missing, and KEDA has nobody to ask: there is no section "
        "monitoring; allowed: "
        "http://prometheus.monitoring.svc:9090, or enabled: false",
    ),
    Case(
        "two gateways",
        (((SECTION, "workloads", "second"), "a copy of door"),),
        "workloads.second.gateway: true is what door is already: a stack has one sophia:gateway",
    ),
    Case(
        "KEDA's namespace",
        (((SECTION, "namespaces"), {"sophia-ai-prod": {}, "keda": {}}),),
        "namespaces.keda: is not for workloads: keda belongs to Kubernetes or to an operator",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_mistake_is_named_with_its_key_and_what_is_allowed(case: Case) -> None:
    changes = tuple(
        (path, {**dict(SERVING)[DOOR], "ports": {"http": 8092}} if value == "a copy of door" else value)
        for path, value in case.changes
    )
    case._replace(changes=(*SERVING, *changes)).check()


def test_the_serving_stack_that_the_cases_spoil_is_right() -> None:
    rows = section_of(stack_of(*SERVING)).workloads
    vllm = rows["server"].vllm
    assert vllm is not None
    assert (vllm.gpu_memory_utilization, vllm.dtype, vllm.volume, vllm.offline) == (
        0.9,
        "auto",
        "models",
        False,
    )
    assert (vllm.weights_gib, vllm.quantization, vllm.flags) == (None, None, {})
    assert rows["door"].gateway
    assert not rows["api"].gateway


def test_a_model_on_the_volume_needs_no_internet() -> None:
    own = stack_of(*SERVING, ((*VLLM, "model"), "/models/own"), ((*SERVER, "internet"), False))
    offline = stack_of(*SERVING, ((*VLLM, "offline"), True), ((*SERVER, "internet"), False))
    assert not section_of(own).workloads["server"].internet
    assert not section_of(offline).workloads["server"].internet


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (7, "7"), ("hermes", "hermes"), ("fp8", "fp8")]
)
def test_a_flag_is_kept_as_text(value: object, text: str) -> None:
    vllm = section_of(stack_of(*SERVING, ((*VLLM, "flags"), {"seed": value}))).workloads["server"].vllm
    assert vllm is not None
    assert vllm.flags == {"seed": text}


def test_keda_is_off_unless_it_is_asked_for() -> None:
    keda = section_of(stack_of()).autoscaling.keda
    assert (keda.enabled, keda.prometheus_url, keda.version) == (False, None, "2.20.2")
