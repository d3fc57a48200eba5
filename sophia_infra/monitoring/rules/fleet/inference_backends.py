"""Rules about what stands behind the inference gateway: backends, models, the queue and the KV cache."""

from __future__ import annotations

from sophia_infra.monitoring.rule import Alert, RuleGroup
from sophia_infra.monitoring.rules.fleet.texts import asked
from sophia_infra.monitoring.terms import Terms

__all__ = ["groups"]


def groups(terms: Terms) -> tuple[RuleGroup, ...]:
    """Nothing without a gateway."""
    if not terms.has_gateway:
        return ()
    team = next(one.team for one in terms.of_kind("gateway"))
    alerts = (_down(team), _model_not_served(team), _not_ready(team), _queue_full(team))
    return (RuleGroup("inference-backends", alerts),)


def _down(team: str) -> Alert:
    return Alert(
        name="InferenceDown",
        expr="max(lambda_inference_backend_ready) == 0",
        for_s=120,
        severity="critical",
        owner=team,
        summary="No backend of the inference gateway is ready: every call is refused.",
        description="The gateway runs and has nobody to ask. Its /ready says why for each backend; `kubectl "
        "get pods` shows whether the own GPU's server is up. A first start downloads weights for half an "
        "hour.",
    )


def _model_not_served(team: str) -> Alert:
    return Alert(
        name="InferenceModelNotServed",
        expr="max by (model) (lambda_inference_warm_backends) == 0",
        for_s=300,
        severity="warning",
        owner=team,
        summary="{{ $labels.model }} is loaded nowhere: calls for it go to a fallback or are refused.",
        description="All backends that have it are cold. The gateway's /ready says why.",
    )


def _not_ready(team: str) -> Alert:
    return Alert(
        name="InferenceBackendNotReady",
        expr="max by (backend) (lambda_inference_backend_ready) == 0",
        for_s=600,
        severity="warning",
        owner=team,
        summary="{{ $labels.backend }} is not ready for any gateway; all calls go elsewhere, at "
        f"{asked('inference:usd_per_hour:rate5m')}/h.",
        description="Its server is down, loads a model, or refuses our key. The gateway's /ready has the "
        "reason. A GPU that serves nobody is paid for all the same.",
    )


def _queue_full(team: str) -> Alert:
    return Alert(
        name="InferenceQueueFull",
        expr='sum(increase(lambda_inference_refused_total{code="queue_full"}[5m])) > 5',
        for_s=0,
        severity="warning",
        owner=team,
        summary='{{ $value | printf "%.0f" }} calls were turned away in 5 minutes: the queue is full.',
        description="More calls come than the backends answer. Add replicas of the own server, a second "
        "backend, or lower a user's requests_per_minute.",
    )
