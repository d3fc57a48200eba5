"""`sophia:gateway` beside the rows that run it and serve behind it: what does not go together is named."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from sophia_infra.model.gateway import GatewayConfig
from sophia_infra.model.stack_config import ConfigError
from tests.unit.model.kubernetes.kubernetes_stacks import (
    REMOVED,
    SECTION,
    Change,
    section_of,
    stack_of,
)
from tests.unit.model.kubernetes.serving_stacks import DOOR, GATEWAY, SERVER, SERVING

OWN = (GATEWAY, "backends", "own-gpu")
ELSEWHERE = {"kind": "openai", "base_url": "https://models.example/v1", "models": {"m": "m"}}
SECRETS = {"SOPHIA_GATEWAY_KEYS": "a.b", "SERVER_KEY": "inference.vllm_api_key"}


class Case(NamedTuple):
    """What is changed in the serving stack, and the one line that answers it."""

    name: str
    changes: tuple[Change, ...]
    message: str


CASES = [
    Case(
        "a workload that does not exist",
        (((*OWN, "workload"), "servr"),),
        f'{GATEWAY}.backends.own-gpu.workload: "servr" is no enabled workload of sophia:kubernetes, did you '
        "mean server?; allowed: server",
    ),
    Case(
        "a workload that is off",
        (((*SERVER, "enabled"), False), ((*DOOR, "talks_to"), [])),
        f'{GATEWAY}.backends.own-gpu.workload: "server" is no enabled workload of sophia:kubernetes; '
        "allowed: "
        "nothing: no workload has vllm",
    ),
    Case(
        "a workload that serves no model",
        (((*OWN, "workload"), "api"), ((*DOOR, "talks_to"), ["api", "server"])),
        f'{GATEWAY}.backends.own-gpu.workload: "api" serves no model: its row has no vllm; allowed: server',
    ),
    Case(
        "a name that is not served",
        (((*OWN, "models"), {"qwen-3-32b": "qwen-3-8b"}),),
        f'{GATEWAY}.backends.own-gpu.models.qwen-3-32b: "qwen-3-8b" is not served by server, did you mean '
        "qwen-3-32b?; allowed: qwen-3-32b",
    ),
    Case(
        "no key for who asks for one",
        (((*OWN, "api_key_env"), REMOVED),),
        f"{GATEWAY}.backends.own-gpu.api_key_env: is missing: server asks for the key in its VLLM_API_KEY",
    ),
    Case(
        "another key than the server's",
        (((*DOOR, "secret_env", "SERVER_KEY"), "ai.other"),),
        f'{SECTION}.workloads.door.secret_env.SERVER_KEY: "ai.other" is not the key of backend own-gpu; '
        "allowed: "
        "inference.vllm_api_key",
    ),
    Case(
        "a key that the pods do not get",
        (((*DOOR, "secret_env"), {"SOPHIA_GATEWAY_KEYS": "a.b", "LEDGER_URL": "a.c"}),),
        f"{SECTION}.workloads.door.secret_env: lacks SERVER_KEY, the key of backend own-gpu",
    ),
    Case(
        "a ledger that the pods cannot reach",
        (((*DOOR, "secret_env"), SECRETS),),
        f"{SECTION}.workloads.door.secret_env: lacks LEDGER_URL, what sophia:gateway.ledger_url_env names",
    ),
    Case(
        "several pods with books of their own",
        (((GATEWAY, "ledger_url_env"), REMOVED),),
        f"{GATEWAY}.ledger_url_env: is missing: door runs up to 3 pods, and without it each would keep its "
        "own "
        "books in a SQLite file; allowed: a variable with the address of a PostgreSQL; or one pod, without "
        "autoscale",
    ),
    Case(
        "one pod whose books go with it",
        (((GATEWAY, "ledger_url_env"), REMOVED), ((*DOOR, "autoscale"), REMOVED)),
        f"{GATEWAY}.ledger_url_env: is missing, and door has no volume: its books would go with the pod",
    ),
    Case(
        "a network that denies the backend",
        (((*DOOR, "talks_to"), ["store"]),),
        f"{SECTION}.workloads.door.talks_to: lacks server, which backend own-gpu is: the network denies it",
    ),
    Case(
        "a backend outside and no way out",
        (((GATEWAY, "backends", "other"), ELSEWHERE),),
        f"{SECTION}.workloads.door.internet: false keeps it from backend other at models.example; allowed: "
        "true",
    ),
    Case(
        "less time to end than calls get",
        (((*DOOR, "grace_s"), 60),),
        f"{SECTION}.workloads.door.grace_s: 60 ends calls that sophia:gateway.limits.drain_s gives 60 s; "
        "allowed: 66 or more: it is told 5 s before its Service knows",
    ),
    Case(
        "a gateway that is switched on without its section",
        (((GATEWAY,), REMOVED), ((*DOOR, "enabled"), True)),
        f"{SECTION}.workloads.door.enabled: true has no sophia:gateway to run by: write one, or leave "
        "enabled "
        "away; allowed: false",
    ),
    Case(
        "a workload without any Kubernetes",
        (((SECTION,), REMOVED),),
        f'{GATEWAY}.backends.own-gpu.workload: "server" is no enabled workload of sophia:kubernetes; '
        "allowed: "
        "nothing: no workload has vllm",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_mistake_is_named_with_its_key_and_what_is_allowed(case: Case) -> None:
    with pytest.raises(ConfigError) as caught:
        stack_of(*SERVING, *case.changes)
    assert str(caught.value) == f"Pulumi.test.yaml {case.message}"


def test_the_stack_that_the_cases_spoil_is_right() -> None:
    stack = stack_of(*SERVING)
    assert stack.gateway is not None
    assert stack.gateway.ledger_url_env == "LEDGER_URL"


def test_a_row_of_the_shared_table_is_off_where_the_stack_has_no_gateway() -> None:
    caller = ((SECTION, "workloads", "api", "talks_to"), ["door", "store"])
    idle = section_of(stack_of(*SERVING, caller, ((GATEWAY,), REMOVED)))
    assert not idle.workloads["door"].enabled
    assert "door" in idle.workloads["api"].talks_to
    assert section_of(stack_of(*SERVING, caller)).workloads["door"].enabled


def test_one_pod_may_keep_its_books_on_a_volume() -> None:
    volume = ((*DOOR, "volumes"), {"ledger": {"mount": "/data", "size": "5Gi"}})
    stack_of(*SERVING, ((GATEWAY, "ledger_url_env"), REMOVED), ((*DOOR, "autoscale"), REMOVED), volume)


def test_a_backend_inside_the_cluster_needs_no_internet() -> None:
    inside = {**ELSEWHERE, "base_url": "http://other.ai.svc:8000/v1"}
    stack_of(*SERVING, ((GATEWAY, "backends", "other"), inside))


def test_a_mistake_in_the_gateway_is_not_told_twice() -> None:
    with pytest.raises(ConfigError) as caught:
        stack_of(*SERVING, ((*OWN, "kind"), "vlm"))
    assert len(caught.value.problems) == 1


def test_a_gateway_without_a_row_runs_elsewhere() -> None:
    stack = stack_of(((GATEWAY,), {"backends": {"other": ELSEWHERE}}))
    assert stack.gateway is not None


def test_promised_defaults_of_the_gateway() -> None:
    gateway = GatewayConfig.model_validate({"backends": {"other": ELSEWHERE}})
    budget = gateway.budget
    spent = (budget.usd_per_request, budget.usd_per_hour, budget.usd_per_day, budget.usd_per_month)
    assert tuple(map(str, spent)) == ("1.00", "10.00", "100.00", "2500.00")
    assert (gateway.routing.strategy, gateway.routing.long_document_tokens) == ("balanced", 50_000)
    assert (gateway.cache.enabled, gateway.cache.ttl_s) == (True, 3_600)
    assert (gateway.limits.max_input_tokens, gateway.limits.max_output_tokens) == (1_000_000, 100_000)
    assert (gateway.users, gateway.ledger_url_env) == ({}, None)
