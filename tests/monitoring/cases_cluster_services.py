"""Cases: rows that are down, failing, slow or at their limits; models, workflows, routes, the API server."""

from __future__ import annotations

from collections.abc import Mapping

from tests.monitoring.cluster_cases import cluster_terms, fires, silent
from tests.monitoring.rule_cases import Recorded

_NS = "sophia-ai-prod"


def _target(name: str) -> str:
    return f'namespace="{_NS}",service="{name}",pod="{name}-7d9f4b6c5-x2x4z",job="{name}"'


def _row(name: str, owner: str) -> dict[str, str]:
    return {"namespace": _NS, "service": name, "owner": owner}


def _up(name: str, value: str) -> dict[str, str]:
    return {f"up{{{_target(name)}}}": value}


def _pods(name: str, wanted: str, available: str) -> dict[str, str]:
    return {
        f'kube_deployment_spec_replicas{{namespace="{_NS}",deployment="{name}"}}': wanted,
        f'kube_deployment_status_replicas_available{{namespace="{_NS}",deployment="{name}"}}': available,
    }


# Every other row is up, so that only the one in question can fire.
_ALL_UP = {
    f'up{{namespace="{service.namespace}",service="{service.name}",pod="p",job="{service.name}"}}': "1x60"
    for service in cluster_terms().services
}
_BACKEND = f'up{{namespace="{_NS}",service="sophia-backend",pod="p",job="sophia-backend"}}'
_ASANA = f'up{{namespace="{_NS}",service="mcp-asana",pod="p",job="mcp-asana"}}'
_POSTGRES = f'up{{namespace="{_NS}",service="postgres",pod="p",job="postgres"}}'


def _without(target: str, value: str | None = None) -> dict[str, str]:
    others = {name: values for name, values in _ALL_UP.items() if name != target}
    return others if value is None else {**others, target: value}


_DOWN_BACKEND = {**_row("sophia-backend", "platform"), "kind": "http", "called_by": "people"}
_DOWN_ASANA = {**_row("mcp-asana", "business"), "kind": "http", "called_by": "services"}


def _calls(name: str, per_minute: Mapping[str, float], handler: str = "/v1/chat") -> dict[str, str]:
    return {
        f'http_requests_total{{{_target(name)},method="POST",handler="{handler}",status="{status}"}}': (
            f"0+{count}x60"
        )
        for status, count in per_minute.items()
    }


def _durations(name: str, under: Mapping[str, float], handler: str = "/v1/chat") -> dict[str, str]:
    labels = f'{_target(name)},method="POST",handler="{handler}"'
    return {
        f'http_request_duration_seconds_bucket{{{labels},le="{le}"}}': f"0+{count}x60"
        for le, count in under.items()
    }


_SLOW = {"0.1": 0, "0.2": 80, "0.5": 100, "+Inf": 100}
_QUICK = {"0.1": 90, "0.2": 100, "0.5": 100, "+Inf": 100}
_BUSY = {"2xx": 100}

_BOX = (
    f'namespace="{_NS}",pod="sophia-backend-7d9f4b6c5-x2x4z",container="sophia-backend",image="i",node="prod"'
)
_THROTTLED = {
    f"container_cpu_cfs_periods_total{{{_BOX}}}": "0+600x60",
    f"container_cpu_cfs_throttled_periods_total{{{_BOX}}}": "0+300x60",
}
_MEMORY = f"container_memory_working_set_bytes{{{_BOX}}}"
_LIMIT = f"container_spec_memory_limit_bytes{{{_BOX}}}"

_MODEL = f'{_target("lambda-inference")},model_name="qwen-3-32b",engine="0"'
_MODEL_ALARM = {**_row("lambda-inference", "ai"), "model_name": "qwen-3-32b"}


def _first_tokens(under: Mapping[str, float]) -> dict[str, str]:
    return {
        f'vllm:time_to_first_token_seconds_bucket{{{_MODEL},le="{le}"}}': f"0+{count}x60"
        for le, count in under.items()
    }


_MAINS = tuple(f'{_target("n8n-main")},instance="{number}"' for number in (1, 2))


def _jobs(part: str, values: str) -> dict[str, str]:
    """As both mains say it: each counts all of it."""
    return {f"n8n_scaling_mode_queue_jobs_{part}{{{main}}}": values for main in _MAINS}


_N8N = {"namespace": _NS}
_ROUTE = (
    'namespace="kube-system",service="traefik",job="traefik",'
    f'exported_service="{_NS}-sophia-backend-http@kubernetes",method="GET",protocol="http"'
)


def _routed(codes: Mapping[str, float]) -> dict[str, str]:
    return {
        f'traefik_service_requests_total{{{_ROUTE},code="{code}"}}': f"0+{count}x60"
        for code, count in codes.items()
    }


def _route_durations(under: Mapping[str, float]) -> dict[str, str]:
    return {
        f'traefik_service_request_duration_seconds_bucket{{{_ROUTE},code="200",le="{le}"}}': f"0+{count}x60"
        for le, count in under.items()
    }


_API = 'job="apiserver",verb="GET",resource="pods"'

CASES = [
    *fires("ServiceDown", "a route whose target answers no more", _without(_BACKEND, "0x60"), _DOWN_BACKEND),
    *fires("ServiceDown", "a route whose target vanished", _without(_BACKEND), _DOWN_BACKEND),
    *fires(
        "ServiceDown",
        "a database",
        _without(_POSTGRES),
        {**_row("postgres", "platform"), "kind": "postgres", "called_by": "people"},
    ),
    *fires(
        "ServiceDown",
        "scraped, but no pod is ready",
        {**_ALL_UP, **_pods("sophia-backend", "3x60", "0x60")},
        _DOWN_BACKEND,
    ),
    silent("ServiceDown", "all up", {**_ALL_UP, **_pods("sophia-backend", "3x60", "3x60")}),
    silent("ServiceDown", "one of two pods", {**_ALL_UP, **_up("sophia-backend", "0x60")}),
    silent(
        "ServiceDown",
        "switched off on purpose",
        {**_without(_BACKEND), **_pods("sophia-backend", "0x60", "0x60")},
    ),
    silent("ServiceDown", "only services call it", _without(_ASANA)),
    *fires("InnerServiceDown", "a row without route", _without(_ASANA, "0x60"), _DOWN_ASANA),
    *fires(
        "InnerServiceDown", "no pod is ready", {**_ALL_UP, **_pods("mcp-asana", "2x60", "0x60")}, _DOWN_ASANA
    ),
    silent("InnerServiceDown", "switched off", {**_without(_ASANA), **_pods("mcp-asana", "0x60", "0x60")}),
    silent("InnerServiceDown", "all up", _ALL_UP),
    silent("InnerServiceDown", "people call it, which is the other alarm", _without(_BACKEND)),
    *fires(
        "ServiceErrors",
        "one in ten",
        _calls("sophia-backend", {"2xx": 90, "5xx": 10}),
        _row("sophia-backend", "platform"),
        from_s=60,
    ),
    silent("ServiceErrors", "one in a hundred", _calls("sophia-backend", {"2xx": 99, "5xx": 1})),
    silent("ServiceErrors", "the caller's mistakes", _calls("sophia-backend", {"2xx": 50, "4xx": 50})),
    silent(
        "ServiceErrors", "one of two calls in ten minutes", _calls("sophia-backend", {"2xx": 0.1, "5xx": 0.1})
    ),
    *fires(
        "ServiceErrors",
        "of our own model's server",
        _calls("lambda-inference", {"2xx": 90, "5xx": 10}),
        _row("lambda-inference", "ai"),
        from_s=60,
    ),
    *fires(
        "ServiceSlow",
        "the plan's 200 ms",
        {**_calls("sophia-backend", _BUSY), **_durations("sophia-backend", _SLOW)},
        _row("sophia-backend", "platform"),
        from_s=60,
    ),
    silent(
        "ServiceSlow", "quick", {**_calls("sophia-backend", _BUSY), **_durations("sophia-backend", _QUICK)}
    ),
    silent(
        "ServiceSlow",
        "only its probes are slow",
        {
            **_calls("sophia-backend", _BUSY, "/health"),
            **_durations("sophia-backend", _SLOW, "/health"),
        },
    ),
    *fires(
        "PipelineSlow",
        "the plan's 150 ms",
        {
            **_calls("sophia-data-pipeline", _BUSY),
            **_durations("sophia-data-pipeline", {**_SLOW, "0.2": 100}),
        },
        _row("sophia-data-pipeline", "data"),
        from_s=60,
    ),
    silent(
        "PipelineSlow",
        "quick",
        {
            **_calls("sophia-data-pipeline", _BUSY),
            **_durations("sophia-data-pipeline", {**_QUICK, "0.1": 100}),
        },
    ),
    *fires(
        "ServiceCpuThrottled",
        "half of the time",
        _THROTTLED,
        _row("sophia-backend", "platform"),
        from_s=60,
    ),
    silent(
        "ServiceCpuThrottled",
        "now and then",
        {**_THROTTLED, f"container_cpu_cfs_throttled_periods_total{{{_BOX}}}": "0+30x60"},
    ),
    *fires(
        "ServiceMemoryNearLimit",
        "95 %",
        {_MEMORY: "95x60", _LIMIT: "100x60"},
        _row("sophia-backend", "platform"),
    ),
    silent("ServiceMemoryNearLimit", "80 %", {_MEMORY: "80x60", _LIMIT: "100x60"}),
    silent("ServiceMemoryNearLimit", "without limit", {_MEMORY: "95x60", _LIMIT: "0x60"}),
    *fires("ModelQueueLong", "30 calls", {f"vllm:num_requests_waiting{{{_MODEL}}}": "30x60"}, _MODEL_ALARM),
    silent("ModelQueueLong", "25 calls", {f"vllm:num_requests_waiting{{{_MODEL}}}": "25x60"}),
    *fires(
        "ModelCacheFull",
        "99 %",
        {f"vllm:kv_cache_usage_perc{{{_MODEL}}}": "0.99x60"},
        {**_MODEL_ALARM, "pod": "lambda-inference-7d9f4b6c5-x2x4z"},
    ),
    silent("ModelCacheFull", "80 %", {f"vllm:kv_cache_usage_perc{{{_MODEL}}}": "0.8x60"}),
    *fires(
        "ModelSlow",
        "3 s",
        _first_tokens({"1.0": 0, "2.5": 0, "5.0": 60, "+Inf": 60}),
        _MODEL_ALARM,
        from_s=60,
    ),
    silent("ModelSlow", "0.2 s", _first_tokens({"0.1": 0, "0.25": 60, "+Inf": 60})),
    *fires(
        "ModelAbovePlan", "0.2 s", _first_tokens({"0.1": 0, "0.25": 60, "+Inf": 60}), _MODEL_ALARM, from_s=60
    ),
    silent("ModelAbovePlan", "20 ms", _first_tokens({"0.02": 60, "0.04": 60, "+Inf": 60})),
    *fires(
        "WorkflowsWait", "for a quarter of an hour", _jobs("waiting", "7x60"), {**_N8N, "owner": "automation"}
    ),
    silent("WorkflowsWait", "now and then", _jobs("waiting", "7x5 0x5 7x5 0x60")),
    *fires(
        "WorkflowsBelowPlan",
        "50 at a time while others wait",
        {**_jobs("waiting", "7x60"), **_jobs("active", "50x60")},
        {**_N8N, "owner": "automation"},
    ),
    silent("WorkflowsBelowPlan", "a quiet night", {**_jobs("waiting", "0x60"), **_jobs("active", "2x60")}),
    silent("WorkflowsBelowPlan", "220 at a time", {**_jobs("waiting", "7x60"), **_jobs("active", "220x60")}),
    *fires(
        "WorkflowsFail",
        "a third",
        {**_jobs("completed", "0+2x60"), **_jobs("failed", "0+1x60")},
        {**_N8N, "owner": "automation"},
        from_s=180,
    ),
    silent("WorkflowsFail", "a tenth", {**_jobs("completed", "0+9x60"), **_jobs("failed", "0+1x60")}),
    *fires("IngressDown", "gone", {}, {}),
    *fires("IngressDown", "does not answer", {'up{job="traefik",instance="a"}': "0x60"}, {}),
    silent("IngressDown", "answers", {'up{job="traefik",instance="a"}': "1x60"}),
    *fires(
        "RouteErrors",
        "one in ten",
        _routed({"200": 90, "502": 10}),
        {"service": "sophia-backend", "owner": "platform"},
        from_s=60,
    ),
    silent("RouteErrors", "one in a hundred", _routed({"200": 99, "502": 1})),
    silent("RouteErrors", "not found", _routed({"200": 50, "404": 50})),
    *fires(
        "RouteSlow",
        "3 s",
        {**_routed({"200": 100}), **_route_durations({"1.2": 0, "5.0": 100, "+Inf": 100})},
        {"service": "sophia-backend", "owner": "platform"},
        from_s=60,
    ),
    silent(
        "RouteSlow",
        "0.3 s",
        {**_routed({"200": 100}), **_route_durations({"0.3": 100, "1.2": 100, "+Inf": 100})},
    ),
    *fires("KubeApiDown", "gone", {}, {}),
    silent("KubeApiDown", "answers", {'up{job="apiserver",instance="a"}': "1x60"}),
    *fires(
        "KubeApiErrors",
        "one in ten",
        {
            f'apiserver_request_total{{{_API},code="200"}}': "0+90x60",
            f'apiserver_request_total{{{_API},code="500"}}': "0+10x60",
        },
        {},
        from_s=60,
    ),
    silent("KubeApiErrors", "none", {f'apiserver_request_total{{{_API},code="200"}}': "0+90x60"}),
    *fires(
        "KubeApiSlow",
        "4 s",
        {
            f'apiserver_request_duration_seconds_bucket{{{_API},le="1"}}': "0+0x60",
            f'apiserver_request_duration_seconds_bucket{{{_API},le="4"}}': "0+60x60",
            f'apiserver_request_duration_seconds_bucket{{{_API},le="+Inf"}}': "0+60x60",
        },
        {},
        from_s=60,
    ),
    silent(
        "KubeApiSlow",
        "one that watches the log of a pod",
        {
            f'apiserver_request_duration_seconds_bucket{{{_API},subresource="log",le="4"}}': "0+0x60",
            f'apiserver_request_duration_seconds_bucket{{{_API},subresource="log",le="60"}}': "0+60x60",
            f'apiserver_request_duration_seconds_bucket{{{_API},subresource="log",le="+Inf"}}': "0+60x60",
        },
    ),
    Recorded(
        "every row is declared once",
        "count(service:declared:info)",
        {},
        120,
        [("{}", len(cluster_terms().services))],
        terms=cluster_terms(),
    ),
    Recorded(
        "no errors are no errors, not unknown",
        "service:errors:ratio_rate5m",
        _calls("sophia-backend", {"2xx": 90}),
        600,
        [(f'service:errors:ratio_rate5m{{namespace="{_NS}",service="sophia-backend"}}', 0)],
        terms=cluster_terms(),
    ),
]
