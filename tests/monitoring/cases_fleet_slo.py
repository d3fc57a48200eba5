"""Cases of objectives at 99.9 %: 14.4 times is 1.44 % of calls failing, 6 times 0.6 %, 3 times 0.3 %."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sophia_infra.monitoring.terms import Terms
from tests.monitoring.fleet_series import counter
from tests.monitoring.rule_cases import Case, Recorded, local_terms

__all__ = ["CASES", "LOW_TERMS"]

_M = 60
_H = 3_600
_BACKEND = 'namespace="sophia-ai-prod",service="sophia-backend"'
_GATEWAY = 'namespace="sophia-ai-prod",service="inference-gateway"'
_BACKEND_LABELS = {
    "slo": "http",
    "namespace": "sophia-ai-prod",
    "service": "sophia-backend",
    "owner": "platform",
}
_GATEWAY_LABELS = {
    "slo": "inference",
    "namespace": "sophia-ai-prod",
    "service": "inference-gateway",
    "owner": "ai",
}


def _low(terms: Terms) -> Terms:
    monitoring = terms.config.model_copy(update={"slo_percent": 90.0})
    return replace(terms, config=monitoring)


LOW_TERMS = _low(local_terms())
"""An objective so low that 14.4 times its budget is more than there are calls."""


def _http(ok: float | str, failed: float | str, target: str = _BACKEND) -> dict[str, str]:
    """Calls an hour, or values."""
    return {
        f'http_requests_total{{{target},method="GET",handler="/ask",status="{status}"}}': one
        if isinstance(one, str)
        else counter(one)
        for status, one in (("2xx", ok), ("5xx", failed))
    }


def _gateway(ok: float, **refused: float) -> dict[str, str]:
    answered = (
        f'lambda_inference_requests_total{{{_GATEWAY},model="qwen-3-32b",backend="own-gpu",outcome="ok"}}'
    )
    return {
        answered: counter(ok),
        **{
            f'lambda_inference_refused_total{{{_GATEWAY},code="{code}"}}': counter(rate)
            for code, rate in refused.items()
        },
    }


def _attempts(**per_hour: float) -> dict[str, str]:
    return {
        f'lambda_inference_attempts_total{{{_GATEWAY},backend="own-gpu",outcome="{outcome}"}}': counter(rate)
        for outcome, rate in per_hour.items()
    }


def _polls(ok: float, unreachable: float) -> dict[str, str]:
    target = 'namespace="monitoring",service="sophia-exporter"'
    return {
        f'lambda_cloud_polls_total{{{target},outcome="ok"}}': counter(ok),
        f'lambda_cloud_polls_total{{{target},outcome="unreachable"}}': counter(unreachable),
    }


def _few(errors: int) -> dict[str, str]:
    """30 calls in half an hour, and none after that."""
    return _http("0+1x30 30x300", f"0x10 0+1x{errors} {errors}x300")


# A first failed call makes its series: from nothing to 1 Prometheus sees no increase, so a case begins at 0.
_OUTAGE = _http("0x60 0x300", "0x60 0+60x300")
_PROBES = {
    **_http(36, 36),
    f'http_requests_total{{{_BACKEND},method="GET",handler="/healthz",status="2xx"}}': counter(36_000),
}

_PAGES = [
    Case("ErrorBudgetBurnsFast", "all calls fail", _OUTAGE, 64 * _M, [_BACKEND_LABELS]),
    Case("ErrorBudgetBurnsFast", "all calls fail, not yet", _OUTAGE, 61 * _M),
    Case("ErrorBudgetBurnsFast", "all of a call a second", _http(0, 3_600), 180, [_BACKEND_LABELS]),
    Case("ErrorBudgetBurnsFast", "a minute before", _http(0, 3_600), 120),
    Case("ErrorBudgetBurnsFast", "2 % of a call a second", _http(3_528, 72), 20 * _M, [_BACKEND_LABELS]),
    Case("ErrorBudgetBurnsFast", "1 % over hours", _http(3_564, 36), 2 * _H, [_BACKEND_LABELS]),
    Case("ErrorBudgetBurnsFast", "0.5 %", _http(3_582, 18), 7 * _H),
    Case("ErrorBudgetBurnsFast", "no calls at all", _http(0, 0), 2 * _H),
    Case("ErrorBudgetBurnsFast", "one error among 30 calls", _http("0+1x30 30x300", "0x20 1x300"), 22 * _M),
    Case("ErrorBudgetBurnsFast", "9 errors among 30 calls", _few(9), 25 * _M),
    Case(
        "ErrorBudgetBurnsFast",
        "12 errors among 30 calls",
        _few(12),
        26 * _M,
        [_BACKEND_LABELS],
    ),
    Case(
        "ErrorBudgetBurnsFast",
        "over when it is over",
        _http("0+60x10 600+60x300", "0+60x10 600x300"),
        55 * _M,
    ),
    Case("ErrorBudgetBurnsFast", "probes do not water it down", _PROBES, 40 * _M, [_BACKEND_LABELS]),
    Case(
        "ErrorBudgetBurnsFast",
        "another team's service",
        _http(3_000, 600, 'namespace="sophia-ai-prod",service="mcp-gong"'),
        20 * _M,
        [{**_BACKEND_LABELS, "service": "mcp-gong", "owner": "business"}],
    ),
    Case(
        "ErrorBudgetBurnsFast",
        "the gateway fails",
        _gateway(3_000, no_backend_ready=300, backend_failed=300),
        20 * _M,
        [_GATEWAY_LABELS],
    ),
    Case(
        "ErrorBudgetBurnsFast",
        "the gateway never answered a call",
        {f'lambda_inference_refused_total{{{_GATEWAY},code="internal_error"}}': counter(600)},
        20 * _M,
        [_GATEWAY_LABELS],
    ),
    Case(
        "ErrorBudgetBurnsFast",
        "callers are at fault",
        _gateway(3_000, invalid_api_key=9_000, insufficient_quota=9_000, rate_limit_exceeded=9_000),
        2 * _H,
    ),
    Case(
        "ErrorBudgetBurnsFast",
        "a backend fails and another answers",
        _attempts(ok=1_800, server=1_800),
        2 * _H,
    ),
    Case("ErrorBudgetBurnsFast", "Lambda's API fails", _polls(0, 120), 2 * _H),
    Case(
        "ErrorBudgetBurnsFast",
        "all fail at 90 %",
        _http(0, 3_600),
        20 * _M,
        [_BACKEND_LABELS],
        terms=LOW_TERMS,
    ),
    Case("ErrorBudgetBurnsFast", "half fail at 90 %", _http(1_800, 1_800), 20 * _M, terms=LOW_TERMS),
]

_TICKETS = [
    Case("ErrorBudgetBurns", "0.4 % of 5 calls a second", _http(17_928, 72), 50 * _M, [_BACKEND_LABELS]),
    Case("ErrorBudgetBurns", "not for long enough", _http(17_928, 72), 40 * _M),
    Case("ErrorBudgetBurns", "0.12 %", _http(17_979, 21), 80 * _M, [_BACKEND_LABELS]),
    Case("ErrorBudgetBurns", "9 errors among 30 calls", _few(9), 90 * _M),
    Case("ErrorBudgetBurns", "12 errors among 30 calls", _few(12), 90 * _M, [_BACKEND_LABELS]),
    Case(
        "ErrorBudgetBurns",
        "fewer now: 0.4 % for 3 hours, then 0.08 % for 7",
        _http(36_000, f"{counter(144, samples=180)} {counter(28.8, start=432.01)}"),
        10 * _H,
    ),
    Case("ErrorBudgetBurns", "0.09 %", _http(35_968, 32), 5 * _H),
    Case(
        "ErrorBudgetBurns",
        "a backend fails half of its tries",
        _attempts(ok=1_800, server=900, timeout=900),
        50 * _M,
        [{**_GATEWAY_LABELS, "slo": "model-backend", "service": "own-gpu", "owner": "platform"}],
    ),
    Case(
        "ErrorBudgetBurns", "requests were at fault", _attempts(ok=1_800, refused=900, cancelled=900), 2 * _H
    ),
    Case(
        "ErrorBudgetBurns",
        "Lambda's API fails",
        _polls(60, 60),
        50 * _M,
        [
            {
                "slo": "lambda-cloud-api",
                "namespace": "monitoring",
                "service": "sophia-exporter",
                "owner": "platform",
            }
        ],
    ),
    Case("ErrorBudgetBurns", "no calls at all", _http(0, 0), 2 * _H),
]

_SPENT = [
    Case("ErrorBudgetSpent", "1 % for an hour and more", _http(3_564, 36), 2 * _H, [_BACKEND_LABELS]),
    Case("ErrorBudgetSpent", "not for long enough", _http(3_564, 36), _H),
    Case("ErrorBudgetSpent", "0.09 %", _http(35_968, 32), 3 * _H),
    Case("ErrorBudgetSpent", "9 errors among 30 calls", _few(9), 3 * _H),
    Case("ErrorBudgetSpent", "12 errors among 30 calls", _few(12), 3 * _H, [_BACKEND_LABELS]),
    Case("ErrorBudgetSpent", "one error among 30 calls", _http("0+1x30 30x300", "0x20 1x300"), 3 * _H),
]


def _latency(metric: str, target: str, limit: str, fast: float, calls: float) -> Mapping[str, str]:
    return {
        f'{metric}_bucket{{{target},le="{limit}"}}': counter(fast),
        f'{metric}_bucket{{{target},le="+Inf"}}': counter(calls),
        f"{metric}_count{{{target}}}": counter(calls),
    }


_RECORDED = [
    Recorded(
        "busy hours count for more: 30 of 480 calls",
        "round(slo:errors_per_request:ratio_rate1h, 0.0001)",
        _http("0+1x30 30+21x20 450x30", "0+1x30 30x60"),
        _H,
        [(f'{{{_BACKEND},slo="http"}}', 0.0625)],
    ),
    Recorded(
        "every window of a steady 1 %",
        " or ".join(
            f"label_replace(round(slo:errors_per_request:ratio_rate{window}, 0.0001), "
            f'"w", "{window}", "", "")'
            for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d")
        ),
        _http(3_564, 36),
        2 * _H,
        [
            (f'{{{_BACKEND},slo="http",w="{window}"}}', 0.01)
            for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d")
        ],
    ),
    Recorded(
        "half of the month's error budget is left",
        "round(slo:error_budget_remaining:ratio, 0.0001)",
        _http(35_982, 18),
        2 * _H,
        [(f'{{{_BACKEND},slo="http"}}', 0.5)],
    ),
    Recorded(
        "a service that never failed has a ratio of 0",
        "slo:errors_per_request:ratio_rate5m",
        {f'http_requests_total{{{_BACKEND},method="GET",handler="/ask",status="2xx"}}': counter(3_600)},
        _H,
        [(f'slo:errors_per_request:ratio_rate5m{{{_BACKEND},slo="http"}}', 0.0)],
    ),
    Recorded("nothing is recorded without calls", "slo:errors_per_request:ratio_rate1h", _http(0, 0), _H, []),
    Recorded(
        "calls of the gateway under 2 s",
        "round(gateway:calls_under_2s:ratio_rate5m, 0.0001)",
        _latency("lambda_inference_latency_seconds", _GATEWAY, "2.0", 900, 1_000),
        _H,
        [(f"{{{_GATEWAY}}}", 0.9)],
    ),
    Recorded(
        "first tokens under 0.2 s",
        "round(gateway:first_tokens_under_200ms:ratio_rate1h, 0.0001)",
        _latency("lambda_inference_first_token_seconds", _GATEWAY, "0.2", 400, 1_000),
        2 * _H,
        [(f"{{{_GATEWAY}}}", 0.4)],
    ),
    Recorded(
        "calls of a service under 0.2 s",
        "round(service:calls_under_200ms:ratio_rate5m, 0.0001)",
        _latency("http_request_duration_seconds", f'{_BACKEND},handler="/ask"', "0.2", 750, 1_000),
        _H,
        [(f"{{{_BACKEND}}}", 0.75)],
    ),
]

CASES = [*_PAGES, *_TICKETS, *_SPENT, *_RECORDED]
