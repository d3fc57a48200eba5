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
    choice_form,
    number_form,
    whole_number_form,
)
from sophia_infra.model.gateway_backends import (
    BackendConfig,
    BackendKind,
    LatencyClass,
    ModelId,
    TokenPrice,
)
from sophia_infra.model.inference import BaseUrl, VariableName
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

Strategy = Literal["performance", "cost", "balanced"]


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

    usd_per_request: UsdAmount = Field(
        default=Decimal("1.00"), description="Dollars that one call may cost. Default $1."
    )
    usd_per_hour: UsdAmount = Field(
        default=Decimal("10.00"), description="Any hour of the clock, UTC. Default $10."
    )
    usd_per_day: UsdAmount = Field(default=Decimal("100.00"), description="Calendar day, UTC. Default $100.")
    usd_per_month: UsdAmount = Field(
        default=Decimal("2500.00"), description="Calendar month, UTC. Default $2,500."
    )
    alert_percent: Annotated[int, whole_number_form(1, 100)] = Field(
        default=80, description="Percent of each from which to warn. Default 80: $80 of $100 a day."
    )


class CacheConfig(ClosedModel):
    """Answers kept to be given again; never for streams or a temperature above 0."""

    enabled: YesNo = Field(default=True, description="false keeps none. Default true.")
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
        default=1_000_000, description="Tokens of one call's input. Default 1000000."
    )
    max_output_tokens: Annotated[int, whole_number_form(1, 100_000_000)] = Field(
        default=100_000, description="Tokens of one answer. Default 100000."
    )
    timeout_s: Annotated[float, number_form(0, 3_600)] = Field(
        default=300.0, description="Seconds for a call with all its tries and its waiting. Default 300."
    )
    requests_per_minute: Annotated[int, whole_number_form(1, 1_000_000)] = Field(
        default=10_000, description="Calls a minute of each key. Default 10000."
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
        default=None, description="Calls a minute of its keys. Default: that of limits."
    )
    budget: InferenceBudget | None = Field(
        default=None, description="Limits of this user beside those of all. Default none."
    )
    models: tuple[ModelId, ...] = Field(default=(), description="Models that it may use. Default: all.")


class GatewayConfig(ClosedModel):
    """The gateway of one stack."""

    backends: dict[DnsName, BackendConfig] = Field(description="Name -> backend. No default, at least one.")
    url: BaseUrl | None = Field(
        default=None,
        description="Address up to and with /v1 at which clients and `pulumi up` reach it. Default none: "
        "it is not asked for its models; a stack on the emulator knows its own.",
    )
    routing: RoutingConfig = Field(
        default_factory=RoutingConfig,
        description="Which model and backend a call goes to. Default: balanced.",
    )
    budget: InferenceBudget = Field(
        default_factory=InferenceBudget,
        description="For all users together. Default $1 a request, $10 an hour, $100 a day, $2,500 a month.",
    )
    cache: CacheConfig = Field(
        default_factory=CacheConfig, description="Answers that are kept. Default: on, for an hour."
    )
    limits: GatewayLimits = Field(
        default_factory=GatewayLimits, description="What one process takes. Default: the plan's."
    )
    users: dict[DnsName, GatewayUser] = Field(
        default_factory=dict, description="Name -> user. Default none: nobody gets in."
    )
    ledger_url_env: VariableName | None = Field(
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
