"""The objectives of a stack, and the alarms when their error budgets are spent too fast.

    slo               service          calls                          failed
    inference         the gateway      answered, or failed by us      failed by us or by a backend
    http              each http row    all but probes                 5xx
    model-backend     each backend     tries that it should serve     not answered
    lambda-cloud-api  the exporter     lists of the account           any but ok

Of the gateway, what the caller did wrong (a bad request, a wrong key, a budget used up) is no call at all
here: a client that sends rubbish neither spends the budget nor hides failures. Callers that went away are not
counted either. A call that died with its gateway is only known to its caller. Backends and Lambda's API write
tickets and wake nobody: the gateway has fallbacks, and nobody here can mend Lambda.
"""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Alert, Recording, RuleGroup
from sophia_infra.monitoring.rules.fleet.texts import PERCENT, VALUE_PERCENT, asked, owner_label
from sophia_infra.monitoring.slo import (
    MIN_FAILED_CALLS,
    PAGE,
    TICKET,
    Objective,
    month_recordings,
    objective_condition,
    objective_recordings,
)
from sophia_infra.monitoring.terms import Terms

__all__ = ["OUR_REFUSALS", "PROBE_PATHS", "groups"]

OUR_REFUSALS: Final = (
    "backend_ended",
    "backend_failed",
    "deadline_passed",
    "gateway_busy",
    "internal_error",
    "ledger_unavailable",
    "no_backend_ready",
    "queue_full",
    "settings_refused",
    "too_many_streams",
)
"""Codes of the gateway's errors whose fault is the operator's or a backend's, as its error tree has them."""

PROBE_PATHS: Final = "/(health|healthz|live|livez|ready|readyz|metrics)/?"
"""Handlers that Kubernetes and Prometheus ask: they would water down the failures of a quiet service."""

_NO_PROBES: Final = f'handler!~"{PROBE_PATHS}"'
_INFERENCE: Final = "inference"
_HTTP: Final = "http"
_BACKEND: Final = "model-backend"
_LAMBDA_API: Final = "lambda-cloud-api"
_BY: Final = "sum by (namespace, service)"
_OWNER: Final = "platform"


def groups(terms: Terms) -> tuple[RuleGroup, ...]:
    """What the stack has of it."""
    objectives = _objectives(terms)
    if not objectives:
        return ()
    fast = _fast_calls(terms)
    latency = (RuleGroup("slo-latency", fast),) if fast else ()
    burning, spent = _alerts(terms, objectives)
    return (
        RuleGroup("slo", (*objective_recordings(objectives), *burning)),
        # 1,440 points for each service: every two minutes is often enough for a month.
        RuleGroup("slo-month", (*month_recordings(terms.slo), spent), interval_s=120),
        *latency,
    )


def _objectives(terms: Terms) -> tuple[Objective, ...]:
    found = []
    if terms.has_gateway:
        found += [_inference(), _model_backends()]
    if terms.of_kind("http"):
        found.append(_http())
    if terms.has_exporter:
        found.append(_lambda_api())
    return tuple(found)


def _inference() -> Objective:
    failed = f'rate(lambda_inference_refused_total{{code=~"{"|".join(OUR_REFUSALS)}"}}[5m])'
    answered = 'rate(lambda_inference_requests_total{outcome="ok"}[5m])'
    return Objective(_INFERENCE, f"{_BY} ({answered} or {failed})", f"{_BY} ({failed})")


def _model_backends() -> Objective:
    def tries(left_out: str) -> str:
        counted = f'rate(lambda_inference_attempts_total{{outcome!~"{left_out}"}}[5m])'
        return f'sum by (namespace, service) (label_replace({counted}, "service", "$1", "backend", "(.+)"))'

    # A refused request is the caller's fault at any backend; a cancelled try is nobody's.
    return Objective(_BACKEND, tries("cancelled|refused"), tries("ok|cancelled|refused"), pages=False)


def _http() -> Objective:
    def calls(more: str = "") -> str:
        return f"{_BY} (rate(http_requests_total{{{_NO_PROBES}{more}}}[5m]))"

    return Objective(_HTTP, calls(), calls(',status=~"5.."'))


def _lambda_api() -> Objective:
    return Objective(
        _LAMBDA_API,
        f"{_BY} (rate(lambda_cloud_polls_total[5m]))",
        f'{_BY} (rate(lambda_cloud_polls_total{{outcome!="ok"}}[5m]))',
        pages=False,
    )


def _fast_calls(terms: Terms) -> tuple[Recording, ...]:
    """Shares of calls within the plan's limits; they are exact, as every limit is a bucket's bound."""
    found = []
    if terms.has_gateway:
        found += [
            ("gateway:calls_under_2s", "lambda_inference_latency_seconds", "2.0", ""),
            ("gateway:first_tokens_under_200ms", "lambda_inference_first_token_seconds", "0.2", ""),
        ]
    if terms.of_kind("http"):
        found.append(("service:calls_under_200ms", "http_request_duration_seconds", "0.2", _NO_PROBES))
    return tuple(
        Recording(f"{name}:ratio_rate{window}", _share_under(metric, limit, chosen, window))
        for name, metric, limit, chosen in found
        for window in ("5m", "1h")
    )


def _share_under(metric: str, limit: str, chosen: str, window: str) -> str:
    bucket = ",".join(filter(None, (f'le="{limit}"', chosen)))
    count = f"{{{chosen}}}" if chosen else ""
    fast = f"{_BY} (rate({metric}_bucket{{{bucket}}}[{window}]))"
    return f"{fast} / ({_BY} (rate({metric}_count{count}[{window}])) > 0)"


def _alerts(terms: Terms, objectives: tuple[Objective, ...]) -> tuple[tuple[Alert, ...], Alert]:
    """Those about pace, and the one about the month."""
    paging = [one.name for one in objectives if one.pages]
    everything = [one.name for one in objectives]
    labels = owner_label(terms.services, _OWNER)
    promised = f"{(terms.slo * 100).normalize():f} %"
    left = asked(
        "clamp_min(slo:error_budget_remaining:ratio{slo=%slo%, namespace=%namespace%, service=%service%}, 0)",
        PERCENT,
        otherwise="an unknown part",
    )
    summary = f"{VALUE_PERCENT} of the calls of {{{{ $labels.service }}}} ({{{{ $labels.slo }}}}) fail; "
    summary += f"{promised} have to succeed, and {left} of the month's error budget is left."
    pages = Alert(
        name="ErrorBudgetBurnsFast",
        expr=objective_condition(PAGE, paging, terms.slo),
        for_s=120,
        severity="critical",
        owner=_OWNER,
        summary=summary,
        description="2 % of the month's error budget went in an hour, or 5 % in six. Callers notice it "
        "now. What was rolled out last is the first suspect: `kubectl rollout undo`.",
        labels=labels,
    )
    tickets = Alert(
        name="ErrorBudgetBurns",
        expr=objective_condition(TICKET, everything, terms.slo),
        for_s=900,
        severity="warning",
        owner=_OWNER,
        summary=summary,
        description="10 % of the month's error budget went in a day, or in three. It will not last the "
        "month: look for what fails steadily.",
        labels=labels,
    )
    spent = Alert(
        name="ErrorBudgetSpent",
        expr=f"slo:error_budget_remaining:ratio <= 0 and slo:failed_calls:sum30d >= {MIN_FAILED_CALLS}",
        for_s=3_600,
        severity="info",
        owner=_OWNER,
        summary=f"{{{{ $labels.service }}}} ({{{{ $labels.slo }}}}) has missed {promised} over the last 30 "
        "days.",
        description="More calls failed than may. Nothing risky should be rolled out there until the old "
        "failures are more than 30 days ago.",
        labels=labels,
    )
    return ((pages, tickets) if paging else (tickets,)), spent
