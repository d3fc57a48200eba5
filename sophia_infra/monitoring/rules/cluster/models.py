"""Rules about our own models on vLLM: a queue, a full cache, a late first token."""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Alert, Recording, RuleGroup, Severity
from sophia_infra.monitoring.rules.cluster.parts import OF_THE_ROW, PLATFORM, with_owner
from sophia_infra.monitoring.terms import Terms

__all__ = ["groups"]

_MODEL: Final = "namespace, service, model_name"
_QUEUE: Final = 25
"""Calls: from there the plan's autoscaler adds a pod."""
_PLAN_P95_S: Final = 0.05
_SLA_P95_S: Final = 2
"""Of the first token; the plan's service level for inference is p95 2,000 ms."""


def groups(terms: Terms) -> list[RuleGroup]:
    """Nothing where no row is a model server."""
    if not terms.of_kind("vllm"):
        return []
    first = f"sum by ({_MODEL}, le) (rate(vllm:time_to_first_token_seconds_bucket[5m]))"
    first_p95 = "model:first_token_p95:seconds_rate5m"
    rules = (
        Recording(first_p95, f"histogram_quantile(0.95, {first})"),
        _alert(
            "ModelQueueLong",
            f"sum by ({_MODEL}) (vllm:num_requests_waiting) > {_QUEUE}",
            terms,
            for_s=300,
            severity="warning",
            summary="{{ $value }} calls wait for {{ $labels.model_name }}.",
            description="Another pod needs another GPU. Until then the gateway may send calls elsewhere.",
        ),
        _alert(
            "ModelCacheFull",
            f"max by ({_MODEL}, pod) (vllm:kv_cache_usage_perc) > 0.95",
            terms,
            for_s=600,
            severity="warning",
            summary="The KV cache of {{ $labels.model_name }} on {{ $labels.pod }} is "
            "{{ $value | humanizePercentage }} full.",
            description="New calls wait and running ones are pushed out and begin again. Shorter contexts, "
            "or a GPU with more memory.",
        ),
        _alert(
            "ModelSlow",
            f"{first_p95} > {_SLA_P95_S}",
            terms,
            for_s=300,
            severity="warning",
            summary="One answer in twenty of {{ $labels.model_name }} begins later than "
            "{{ $value | humanizeDuration }}.",
            description="The plan's service level is 2 s. Prompts are long, or calls wait for the GPU.",
        ),
        _alert(
            "ModelAbovePlan",
            f"{first_p95} > {_PLAN_P95_S}",
            terms,
            for_s=300,
            severity="info",
            summary="One answer in twenty of {{ $labels.model_name }} begins later than "
            "{{ $value | humanizeDuration }}; the plan says 50 ms.",
            description="Shown, not sent: no 32B model reads a prompt of usual length in 50 ms on one GPU.",
        ),
    )
    return [RuleGroup("sophia-models", rules)]


def _alert(
    name: str, expr: str, terms: Terms, *, for_s: int, severity: Severity, summary: str, description: str
) -> Alert:
    return Alert(
        name,
        with_owner(expr, terms),
        for_s=for_s,
        severity=severity,
        owner=PLATFORM,
        summary=summary,
        description=description,
        labels=OF_THE_ROW,
    )
