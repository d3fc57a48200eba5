"""The servers behind the gateway: what each one is, where it stands, and which models it has."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import (
    ClosedModel,
    Conflict,
    ConflictsFound,
    choice_form,
    text_form,
    whole_number_form,
)
from sophia_infra.model.inference import BaseUrl, VariableName
from sophia_infra.model.value_types import DnsName, UsdAmount

__all__ = ["BackendConfig", "BackendKind", "LatencyClass", "ModelId", "TokenPrice"]

BackendKind = Literal["vllm", "openai", "lambda"]
LatencyClass = Literal["interactive", "standard", "batch"]

ModelId = Annotated[str, text_form("a model id", max_characters=200)]


class TokenPrice(ClosedModel):
    """What a backend takes for one model."""

    usd_per_million_input: UsdAmount = Field(description="Dollars per million input tokens. No default.")
    usd_per_million_output: UsdAmount = Field(description="Dollars per million output tokens. No default.")


class BackendConfig(ClosedModel):
    """One server that speaks OpenAI's API."""

    kind: Annotated[BackendKind, choice_form("a kind of backend", ("vllm", "openai", "lambda"))] = Field(
        default="vllm",
        description="vllm (our own GPUs), openai (any OpenAI-compatible endpoint) or lambda (Lambda's "
        "Inference API: it ended on 2025-09-25 and each call fails with that sentence). Default vllm.",
    )
    workload: DnsName | None = Field(
        default=None,
        description="vllm: the workload that serves it; its address follows from it. Default none: base_url "
        "is given.",
    )
    base_url: BaseUrl | None = Field(
        default=None, description="Address up to and with /v1. Default none: it follows from workload."
    )
    api_key_env: VariableName | None = Field(
        default=None, description="Environment variable with the key, never the key. Default none."
    )
    models: dict[ModelId, ModelId] = Field(
        description="Model of the catalogue -> its name at this backend. No default, at least one."
    )
    prices: dict[ModelId, TokenPrice] = Field(
        default_factory=dict,
        description="Model -> price here. Default: the catalogue's. For own GPUs it is a transfer price: the "
        "machines themselves are paid by the hour.",
    )
    max_in_flight: Annotated[int, whole_number_form(1, 10_000)] = Field(
        default=64, description="Requests at once, 1 to 10000; more wait in the queue. Default 64."
    )
    latency: Annotated[LatencyClass, choice_form("a latency class", ("interactive", "standard", "batch"))] = (
        Field(
            default="standard",
            description="What it is good for: interactive, standard or batch. Default standard. "
            "Interactive calls go to interactive backends first.",
        )
    )

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        conflicts = []
        if self.workload is not None and self.kind != "vllm":
            conflicts.append(Conflict(("workload",), Refused("goes with kind vllm only"), self.workload))
        if self.workload is not None and self.base_url is not None:
            conflicts.append(
                Conflict(("base_url",), Refused("is given beside workload: keep one of the two"))
            )
        if self.workload is None and self.base_url is None and self.kind != "lambda":
            conflicts.append(
                Conflict(("base_url",), Refused("is missing: give it, or workload for kind vllm"))
            )
        if not self.models:
            conflicts.append(Conflict(("models",), Refused("is empty: name at least one model"), {}))
        unserved = sorted(set(self.prices) - set(self.models))
        if unserved:
            conflicts.append(
                Conflict(("prices", unserved[0]), Refused("is not a model of this backend"), unserved[0])
            )
        if conflicts:
            raise ConflictsFound(conflicts)
        return self
