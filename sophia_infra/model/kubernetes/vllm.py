"""A workload that is a vLLM server: which model it serves, and what of the GPU it takes."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import (
    ClosedModel,
    Form,
    choice_form,
    number_form,
    parse_text,
    text_form,
    whole_number_form,
)
from sophia_infra.model.gateway_backends import ModelId
from sophia_infra.model.value_types import DnsName, YesNo

__all__ = ["API_KEY_VARIABLE", "VLLM_FLAGS", "VLLM_GPU_COUNTS", "VLLM_MIN_STARTUP_S", "VllmConfig"]

API_KEY_VARIABLE = "VLLM_API_KEY"
"""Where vLLM reads the key that it asks of callers: the same as `--api-key`, but in no list of processes."""

VLLM_GPU_COUNTS = (1, 2, 4, 8)
"""Tensor parallelism cuts attention heads evenly; other numbers divide no model in use."""

VLLM_MIN_STARTUP_S = 300
"""A first start reads tens of gigabytes and compiles; less time ends pods that are only loading."""

VLLM_FLAGS = (
    "calculate-kv-scales",
    "enable-auto-tool-choice",
    "enable-chunked-prefill",
    "enable-prefix-caching",
    "enforce-eager",
    "kv-cache-dtype",
    "max-num-batched-tokens",
    "max-num-seqs",
    "reasoning-parser",
    "seed",
    "tool-call-parser",
)
"""Flags that change how fast or in which form it answers. Not here on purpose: what other fields say, what
runs code from the model's repository (`trust-remote-code`), and what writes prompts to the log."""

_QUANTIZATIONS = ("awq", "awq_marlin", "bitsandbytes", "compressed-tensors", "fp8", "gptq", "gptq_marlin")
_SERVED = re.compile(r"(?:/[A-Za-z0-9._-]+)+|[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def parse_served_model(value: object) -> str:
    """An id of Hugging Face (`Qwen/Qwen3-32B-AWQ`) or an absolute path in the pod. Raises Refused."""
    text = parse_text(value)
    if len(text) > 200 or not _SERVED.fullmatch(text):
        raise Refused(
            "is not a model to load", allowed='"Qwen/Qwen3-32B-AWQ", or a path such as "/models/own"'
        )
    return text


def parse_flag_value(value: object) -> str:
    """The value of a flag as text; `true` for one that takes none, `false` for its `--no-` form."""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value) if isinstance(value, int) else parse_text(value)
    if not _VALUE.fullmatch(text):
        raise Refused("is not the value of a flag", allowed="true, false, a whole number, or a word")
    return text


_ServedModel = Annotated[str, Form(parse_served_model, {"type": "string", "minLength": 1, "maxLength": 200})]
_Flag = Annotated[str, choice_form("a flag of vLLM that may be set here", VLLM_FLAGS)]
_FlagValue = Annotated[
    str,
    Form(parse_flag_value, {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "boolean"}]}),
]


class VllmConfig(ClosedModel):
    """Makes the workload a vLLM server: command, arguments and environment follow from this and the GPU."""

    model: _ServedModel = Field(
        description="What is loaded: an id of Hugging Face, or an absolute path in the pod. No default."
    )
    revision: (
        Annotated[
            str,
            text_form(
                "a revision",
                pattern="[A-Za-z0-9][A-Za-z0-9._/-]*",
                rule="a commit, tag or branch",
                max_characters=100,
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="Commit, tag or branch of the model's repository. Default none: its newest, which may "
        "change at the next empty volume.",
    )
    names: tuple[ModelId, ...] = Field(
        description="Names under which it answers, as in the catalogue of models. No default, at least one."
    )
    max_model_len: Annotated[int, whole_number_form(256, 10_000_000)] = Field(
        description="Longest input plus output in tokens. No default: memory for it is set aside."
    )
    dtype: Annotated[str, choice_form("a type of numbers", ("auto", "bfloat16", "float16"))] = Field(
        default="auto", description="auto, bfloat16 or float16. Default auto: what the model's files say."
    )
    quantization: Annotated[str, choice_form("a quantization of vLLM", _QUANTIZATIONS)] | None = Field(
        default=None, description="How weights are packed. Default none: what the model's files say."
    )
    gpu_memory_utilization: Annotated[float, number_form(0, 1)] = Field(
        default=0.9,
        description="Share of the pod's GPU memory to take, above 0 and up to 1. Default 0.9. Of a "
        "time-sliced GPU each place counts as its part of the memory.",
    )
    weights_gib: Annotated[float, number_form(0, 10_000)] | None = Field(
        default=None,
        description="GiB of weights once loaded. Default none: whether they fit the GPU is not checked.",
    )
    kv_kib_per_token: Annotated[float, number_form(0, 100_000)] | None = Field(
        default=None,
        description="KiB of KV cache for one token, all layers together. Default none: with weights_gib "
        "only the weights are checked.",
    )
    volume: DnsName = Field(
        default="models",
        description="Volume of the workload that keeps the weights (HF_HOME). Default models.",
    )
    offline: YesNo = Field(
        default=False,
        description="true loads only what the volume has. Default false: the first start downloads.",
    )
    flags: dict[_Flag, _FlagValue] = Field(
        default_factory=dict,
        description="Further flags of vLLM without dashes -> value; true for one that takes none. Default "
        f"none; allowed: {', '.join(VLLM_FLAGS)}.",
    )
