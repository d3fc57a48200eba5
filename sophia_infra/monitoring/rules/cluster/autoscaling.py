"""Rules about autoscalers: at their end, or without the figures they scale by."""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Alert, RuleGroup
from sophia_infra.monitoring.rules.cluster.parts import OF_THE_ROW, PLATFORM, with_owner
from sophia_infra.monitoring.terms import Terms

__all__ = ["groups"]

_HPA: Final = "horizontalpodautoscaler"
_TARGET: Final = "scaletargetref_name"
_FORECAST_OLD_S: Final = 1800


def groups(terms: Terms) -> list[RuleGroup]:
    """The cluster's own autoscalers, KEDA's triggers where it is on, and the forecast where a row asks it."""
    rules = [_at_maximum(terms), _blind(terms)]
    if terms.has_keda:
        rules.append(_trigger_fails(terms))
    if terms.has_forecast:
        rules.append(_forecast_stale())
    return [RuleGroup("sophia-autoscaling", tuple(rules))]


def _of_the_row(expr: str, terms: Terms) -> str:
    """`expr` with `owner`, by the row that is scaled: its autoscaler may have another name."""
    named = f"max by (namespace, {_HPA}, {_TARGET}) (kube_{_HPA}_info)"
    return with_owner(f"({expr}) * on (namespace, {_HPA}) group_left ({_TARGET}) {named}", terms, _TARGET)


def _at_maximum(terms: Terms) -> Alert:
    largest, current, least = (
        f"max by (namespace, {_HPA}) (kube_{_HPA}_{part}_replicas)"
        for part in ("spec_max", "status_current", "spec_min")
    )
    return Alert(
        "AutoscalerAtMaximum",
        # One that may not scale at all (minimum = maximum, cut to the GPUs there are) is not at its end.
        _of_the_row(f"{current} >= {largest} and {largest} > {least}", terms),
        for_s=3600,
        severity="warning",
        owner=PLATFORM,
        labels=OF_THE_ROW,
        summary=f"{{{{ $labels.{_HPA} }}}} in {{{{ $labels.namespace }}}} has had all of its "
        "{{ $value }} pods for an hour.",
        description="More load is answered more slowly from here on. Raise autoscale.max; rows with GPUs "
        "need another machine for it.",
    )


def _blind(terms: Terms) -> Alert:
    return Alert(
        "AutoscalerBlind",
        _of_the_row(
            f"max by (namespace, {_HPA}) "
            f'(kube_{_HPA}_status_condition{{condition="ScalingActive",status="false"}} == 1)',
            terms,
        ),
        for_s=900,
        severity="warning",
        owner=PLATFORM,
        labels=OF_THE_ROW,
        summary=f"{{{{ $labels.{_HPA} }}}} in {{{{ $labels.namespace }}}} gets no figures and does not "
        "scale.",
        description="Its pods stay as many as they are. `kubectl describe hpa` names the metric that is "
        "missing; gpu_utilization needs dcgm-exporter, Prometheus and prometheus-adapter.",
    )


def _trigger_fails(terms: Terms) -> Alert:
    failing = (
        "sum by (exported_namespace, scaledObject, scaler)"
        " (increase(keda_scaler_detail_errors_total[10m])) > 0"
    )
    return Alert(
        "AutoscalerTriggerFails",
        with_owner(failing, terms, "scaledObject"),
        for_s=600,
        severity="warning",
        owner=PLATFORM,
        labels=OF_THE_ROW,
        summary="KEDA cannot read {{ $labels.scaler }} for {{ $labels.scaledObject }} in "
        "{{ $labels.exported_namespace }}.",
        description="After four failed readings the row falls back to its configured replicas.",
    )


def _forecast_stale() -> Alert:
    """A forecast that is too old is not shown, so one series missing is all its ways to fail at once."""
    return Alert(
        "ForecastStale",
        'absent(lambda_inference_predicted_demand{quantile="0.9"})',
        for_s=_FORECAST_OLD_S,
        severity="warning",
        owner=PLATFORM,
        summary="There has been no forecast of the load for half an hour.",
        description="Rows with autoscale.forecast scale by what is measured only, and get their pods when "
        "the load is there. In the first day of a stack there is too little load to learn from.",
    )
