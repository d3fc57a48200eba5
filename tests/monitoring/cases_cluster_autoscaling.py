"""Cases: autoscalers at their end, without figures, and without the forecast that they ask."""

from __future__ import annotations

from tests.monitoring.cluster_cases import fires, silent

_NS = 'namespace="sophia-ai-prod"'


def _scaler(least: int, most: int, now: str) -> dict[str, str]:
    hpa = f'{_NS},horizontalpodautoscaler="sophia-backend"'
    return {
        **_scaled("sophia-backend", "sophia-backend"),
        f"kube_horizontalpodautoscaler_spec_min_replicas{{{hpa}}}": f"{least}x120",
        f"kube_horizontalpodautoscaler_spec_max_replicas{{{hpa}}}": f"{most}x120",
        f"kube_horizontalpodautoscaler_status_current_replicas{{{hpa}}}": now,
    }


def _scaled(hpa: str, deployment: str) -> dict[str, str]:
    of = f'{_NS},horizontalpodautoscaler="{hpa}",scaletargetref_api_version="apps/v1"'
    target = f'scaletargetref_kind="Deployment",scaletargetref_name="{deployment}"'
    return {f"kube_horizontalpodautoscaler_info{{{of},{target}}}": "1x120"}


def _blind(value: int) -> dict[str, str]:
    """The plan's autoscaler, whose name is not that of its row."""
    condition = f'{_NS},horizontalpodautoscaler="sophia-ai-hpa",condition="ScalingActive",status="false"'
    return {
        f"kube_horizontalpodautoscaler_status_condition{{{condition}}}": f"{value}x60",
        **_scaled("sophia-ai-hpa", "sophia-ai-core"),
    }


_FORECAST = 'lambda_inference_predicted_demand{namespace="monitoring",pod="forecaster-1",quantile="0.9"}'

CASES = [
    *fires(
        "AutoscalerAtMaximum",
        "an hour at ten of ten",
        _scaler(3, 10, "10x120"),
        {
            "namespace": "sophia-ai-prod",
            "horizontalpodautoscaler": "sophia-backend",
            "scaletargetref_name": "sophia-backend",
            "owner": "platform",
        },
    ),
    silent("AutoscalerAtMaximum", "nine of ten", _scaler(3, 10, "9x120")),
    silent("AutoscalerAtMaximum", "cut to one by the GPUs there are", _scaler(1, 1, "1x120")),
    *fires(
        "AutoscalerBlind",
        "no figures",
        _blind(1),
        {
            "namespace": "sophia-ai-prod",
            "horizontalpodautoscaler": "sophia-ai-hpa",
            "scaletargetref_name": "sophia-ai-core",
            "owner": "ai",
        },
    ),
    silent("AutoscalerBlind", "it has them", _blind(0)),
    *fires(
        "AutoscalerTriggerFails",
        "Prometheus does not answer",
        {
            'keda_scaler_detail_errors_total{exported_namespace="sophia-ai-prod",namespace="keda",'
            'scaledObject="lambda-inference",scaler="prometheusScaler",triggerIndex="0"}': "0+1x60"
        },
        {
            "exported_namespace": "sophia-ai-prod",
            "scaledObject": "lambda-inference",
            "scaler": "prometheusScaler",
            "owner": "ai",
        },
        from_s=60,
    ),
    silent(
        "AutoscalerTriggerFails",
        "errors of last week",
        {
            'keda_scaler_detail_errors_total{exported_namespace="sophia-ai-prod",namespace="keda",'
            'scaledObject="lambda-inference",scaler="prometheusScaler",triggerIndex="0"}': "9x60"
        },
    ),
    *fires(
        "ForecastStale", "it stops being shown", {_FORECAST: "5x10 stale"}, {"quantile": "0.9"}, from_s=660
    ),
    silent("ForecastStale", "it is shown", {_FORECAST: "5x120"}),
]
