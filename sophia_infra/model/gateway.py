"""`sophia:gateway`: one OpenAI-compatible door to all models, with budgets. The gateway reads the same keys.

Defaults are the plan's (checklist (c): routing, limits, budgets) unless a field says otherwise.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import (
    ClosedModel,
    Conflict,
    ConflictsFound,
    Form,
    choice_form,
    number_form,
    text_form,
    whole_number_form,
)
from sophia_infra.model.inference import VARIABLE_NAME, parse_base_url, parse_variable_name
from sophia_infra.model.value_types import DnsName, UsdAmount, YesNo

__all__ = [
    "KEY_VARIABLE",
    "URL_VARIABLE",
    "BackendConfig",
    "BackendKind",
    "CacheConfig",
    "GatewayConfig",
    "GatewayLimits",
    "GatewayUser",
    "InferenceBudget",
    "LatencyClass",
    "ModelId",
    "RoutingConfig",
    "Strategy",
    "TokenPrice",
]

URL_VARIABLE = "SOPHIA_INFERENCE_URL"
"""Where a client finds the gateway: its address up to and with /v1."""
KEY_VARIABLE = "SOPHIA_INFERENCE_KEY"
"""A client's key."""

BackendKind = Literal["vllm", "openai", "lambda"]
Strategy = Literal["performance", "cost", "balanced"]
LatencyClass = Literal["interactive", "standard", "batch"]

ModelId = Annotated[str, text_form("a model id", max_characters=200)]
_BaseUrl = Annotated[
    str, Form(parse_base_url, {"type": "string", "format": "uri", "pattern": "^https?://[^@?#\\s]+$"})
]
_Variable = Annotated[str, Form(parse_variable_name, {"type": "string", "pattern": f"^{VARIABLE_NAME}$"})]


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
    base_url: _BaseUrl | None = Field(
        default=None, description="Address up to and with /v1. Default none: it follows from workload."
    )
    api_key_env: _Variable | None = Field(
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


class RoutingConfig(ClosedModel):
    """Which model and backend a call goes to when it leaves the choice open (`auto`) or has to move."""

    strategy: Annotated[Strategy, choice_form("a strategy", ("performance", "cost", "balanced"))] = Field(
        default="balanced", description="performance, cost or balanced. Default balanced."
    )
    long_document_tokens: Annotated[int, whole_number_form(1, 100_000_000)] = Field(
        default=50_000,
        description="Input tokens from which a call goes to a long-context model first. Default 50000.",
    )
    fallback: tuple[ModelId, ...] = Field(
        default=("llama-4-scout-17b-16e-instruct", "deepseek-v3-0324", "qwen-3-32b"),
        description="Models to try in this order when the asked one cannot serve. Default scout, deepseek, "
        "qwen; those that no backend has are left out.",
    )
    budget_pressure_percent: Annotated[int, whole_number_form(1, 100)] = Field(
        default=80,
        description="Percent of a budget from which `auto` takes the cheapest model. Default 80.",
    )
    hedge_after_s: Annotated[float, number_form(0, 300)] | None = Field(
        default=None,
        description="Send a call that got no first byte after so many seconds to a second backend too; both "
        "are paid. Default none: off.",
    )
    attempts: Annotated[int, whole_number_form(1, 10)] = Field(
        default=3,
        description="Tries for each call in all, 1 to 10; only 429, 5xx and connection errors. Default 3.",
    )
    breaker_failures: Annotated[int, whole_number_form(1, 1_000)] = Field(
        default=5, description="Failures in a row after which a backend rests. Default 5."
    )
    breaker_rest_s: Annotated[float, number_form(0, 3_600)] = Field(
        default=30.0, description="Seconds of rest before one call tries it again. Default 30."
    )


class InferenceBudget(ClosedModel):
    """Hard limits in dollars: what would pass them is refused before it is sent."""

    usd_per_request: UsdAmount = Field(default=Decimal("1.00"), description="Default $1.")
    usd_per_hour: UsdAmount = Field(default=Decimal("10.00"), description="Default $10.")
    usd_per_day: UsdAmount = Field(default=Decimal("100.00"), description="Default $100.")
    usd_per_month: UsdAmount = Field(
        default=Decimal("2500.00"), description="Calendar month, UTC. Default $2,500."
    )
    alert_percent: Annotated[int, whole_number_form(1, 100)] = Field(
        default=80, description="Percent of each from which to warn. Default 80: $80 of $100 a day."
    )


class CacheConfig(ClosedModel):
    """Answers kept to be given again; never for streams or a temperature above 0."""

    enabled: YesNo = Field(default=True, description="Default true.")
    ttl_s: Annotated[int, whole_number_form(1, 604_800)] = Field(
        default=3_600, description="Seconds that an answer is kept. Default 3600."
    )
    max_entries: Annotated[int, whole_number_form(1, 1_000_000)] = Field(
        default=1_000, description="Answers kept at most; the longest unused goes first. Default 1000."
    )


class GatewayLimits(ClosedModel):
    """What one gateway process takes."""

    max_body_bytes: Annotated[int, whole_number_form(1_024, 1_073_741_824)] = Field(
        default=16_777_216, description="Bytes of one request. Default 16 MiB: a million tokens fit."
    )
    max_input_tokens: Annotated[int, whole_number_form(1, 100_000_000)] = Field(
        default=1_000_000, description="Default 1000000."
    )
    max_output_tokens: Annotated[int, whole_number_form(1, 100_000_000)] = Field(
        default=100_000, description="Default 100000."
    )
    timeout_s: Annotated[float, number_form(0, 3_600)] = Field(
        default=300.0, description="Seconds for a call with all its tries and its waiting. Default 300."
    )
    requests_per_minute: Annotated[int, whole_number_form(1, 1_000_000)] = Field(
        default=10_000, description="For each key. Default 10000."
    )
    burst: Annotated[int, whole_number_form(1, 1_000_000)] = Field(
        default=100, description="Requests of one key at once before the rate counts. Default 100."
    )
    queue: Annotated[int, whole_number_form(0, 1_000_000)] = Field(
        default=1_000, description="Calls that may wait for a backend; the next one gets 429. Default 1000."
    )
    open_streams: Annotated[int, whole_number_form(1, 100_000)] = Field(
        default=4_000, description="Streams at once; the next one gets 429. Default 4000."
    )
    drain_s: Annotated[int, whole_number_form(0, 3_600)] = Field(
        default=60, description="Seconds to finish calls after SIGTERM. Default 60."
    )


class GatewayUser(ClosedModel):
    """Who may call, by a key of its own."""

    requests_per_minute: Annotated[int, whole_number_form(1, 1_000_000)] | None = Field(
        default=None, description="Default: that of limits."
    )
    budget: InferenceBudget | None = Field(
        default=None, description="Limits of this user beside those of all. Default none."
    )
    models: tuple[ModelId, ...] = Field(default=(), description="Models it may use. Default: all.")


class GatewayConfig(ClosedModel):
    """The gateway of one stack."""

    backends: dict[DnsName, BackendConfig] = Field(description="Name -> backend. No default, at least one.")
    url: _BaseUrl | None = Field(
        default=None,
        description="Address up to and with /v1 at which clients and `pulumi up` reach it. Default none: "
        "it is not asked for its models; a stack on the emulator knows its own.",
    )
    routing: RoutingConfig = Field(default_factory=RoutingConfig, description="Default: balanced.")
    budget: InferenceBudget = Field(
        default_factory=InferenceBudget,
        description="For all users together. Default $1 a request, $10 an hour, $100 a day, $2,500 a month.",
    )
    cache: CacheConfig = Field(default_factory=CacheConfig, description="Default: on for an hour.")
    limits: GatewayLimits = Field(default_factory=GatewayLimits, description="Default: the plan's.")
    users: dict[DnsName, GatewayUser] = Field(
        default_factory=dict, description="Name -> user. Default none: nobody gets in."
    )
    ledger_url_env: _Variable | None = Field(
        default=None,
        description="Environment variable with the SQLAlchemy URL of the ledger. Default none: a SQLite file "
        "beside the gateway, enough for one process.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        conflicts = []
        if not self.backends:
            conflicts.append(Conflict(("backends",), Refused("is empty: name at least one backend"), {}))
        served = {model for backend in self.backends.values() for model in backend.models}
        for name, user in self.users.items():
            unserved = sorted(set(user.models) - served)
            if unserved:
                message = Refused("is served by no backend", allowed=", ".join(sorted(served)))
                conflicts.append(Conflict(("users", name, "models"), message, unserved[0]))
        if conflicts:
            raise ConflictsFound(conflicts)
        return self
