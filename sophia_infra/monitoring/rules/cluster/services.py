"""Rules about the rows of the table: down, failing, slow, at their limits."""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Alert, Recording, RuleGroup, Severity
from sophia_infra.monitoring.rules.cluster.parts import (
    OF_THE_ROW,
    PLATFORM,
    chosen,
    either,
    pods_of,
    service_of_pod,
    with_owner,
)
from sophia_infra.monitoring.terms import Service, ServiceKind, Terms

__all__ = ["down_alert", "groups", "slow_alert"]

_SERVICE: Final = "namespace, service"
_DECLARED: Final = ("namespace", "service", "kind", "owner", "called_by")

_CALLS_KINDS: Final[tuple[ServiceKind, ...]] = ("http", "vllm")
"""Families with http_requests_total; vLLM's server counts by the same library."""

_CALLS_PER_S: Final = 0.1
"""Below this a share of errors or a percentile is an accident: one call in ten seconds."""

_ERRORS_RATIO: Final = 0.05
_P95_S: Final = 0.2
_PIPELINE_P95_S: Final = 0.15
_NOT_CALLS: Final = 'handler!~"/(health|ready|live|metrics).*"'
"""Probes come at a fixed pace and are fast: they would hide what callers see."""


def groups(terms: Terms) -> list[RuleGroup]:
    """What is declared first: the other rules compare with it. Nothing where there are no rows."""
    if not terms.services:
        return []
    called = terms.of_kind(*_CALLS_KINDS)
    made = [RuleGroup("sophia-services", (*_declared(terms), *_down(), *_saturated(terms)))]
    if called:
        made.append(RuleGroup("sophia-calls", (*_calls(called), *_failing(terms), *_slow(terms))))
    return made


def down_alert(service: Service) -> str:
    """Name of the alarm when the row is down."""
    return "ServiceDown" if _is_front(service) else "InnerServiceDown"


def slow_alert(service: Service) -> str:
    """Name of the alarm when a row of family http is slow: the plan has a limit of its own for pipelines."""
    return "PipelineSlow" if "pipeline" in service.name else "ServiceSlow"


def _declared(terms: Terms) -> list[Recording]:
    """Every row as a series: a target that vanished altogether is compared with it."""
    made = f"({either(*map(_declaration, terms.services))})"
    for label in _DECLARED:
        pattern = "[|]".join("(.+)" if label == other else ".+" for other in _DECLARED)
        made = f'label_replace({made}, "{label}", "$1", "row", "{pattern}")'
    return [Recording("service:declared:info", f"sum by ({', '.join(_DECLARED)}) ({made})")]


def _declaration(service: Service) -> str:
    """All labels in one, taken apart together: five times fewer steps at every evaluation."""
    callers = "people" if _is_front(service) else "services"
    row = "|".join((service.namespace, service.name, service.kind, service.team, callers))
    return f'label_replace(vector(1), "row", "{row}", "", "")'


def _is_front(service: Service) -> bool:
    """Whether an outage is felt at once by people, or by everything: then somebody is woken."""
    return service.has_route or not service.is_workload or service.kind in ("gateway", "vllm")


def _down() -> list[Alert]:
    stopped = (
        'label_replace(kube_deployment_spec_replicas == 0, "service", "$1", "deployment", "(.+)")\n'
        'or label_replace(kube_statefulset_replicas == 0, "service", "$1", "statefulset", "(.+)")'
    )
    empty = (
        'label_replace(kube_deployment_status_replicas_available == 0, "service", "$1", "deployment", "(.+)")'
        "\nor label_replace(kube_statefulset_status_replicas_ready == 0,"
        ' "service", "$1", "statefulset", "(.+)")'
    )
    made = []
    rows: tuple[tuple[str, str, Severity], ...] = (
        ("ServiceDown", "people", "critical"),
        ("InnerServiceDown", "services", "warning"),
    )
    for name, callers, severity in rows:
        declared = f'called_by="{callers}"'
        made.append(
            Alert(
                name,
                f'(\n  service:declared:info{{{declared},kind!="none"}} unless on ({_SERVICE}) (up == 1)\n'
                f"  or\n  service:declared:info{{{declared}}} and on ({_SERVICE}) ({empty})\n)\n"
                f"unless on ({_SERVICE}) ({stopped})",
                for_s=120,
                severity=severity,
                owner=PLATFORM,
                labels=OF_THE_ROW,
                summary="{{ $labels.service }} in {{ $labels.namespace }} has had nobody to answer for two "
                "minutes.",
                description="No pod of it is ready, or none can be scraped. `kubectl get pods` says which.",
            )
        )
    return made


def _saturated(terms: Terms) -> list[Recording | Alert]:
    """At their limits, as cAdvisor sees every container: no row has to help with it."""
    of = f'{pods_of(terms.services)},container!="",container!="POD"'
    periods, throttled = (
        f"sum by (namespace, pod) (increase(container_cpu_cfs_{part}_total{{{of}}}[5m]))"
        for part in ("periods", "throttled_periods")
    )
    memory = (
        f"max by (namespace, pod) (container_memory_working_set_bytes{{{of}}}"
        f" / (container_spec_memory_limit_bytes{{{of}}} > 0))"
    )
    return [
        Recording("service:cpu_throttled:ratio_rate5m", _worst_pod(f"{throttled} / {periods}", terms)),
        Recording("service:memory_of_limit:ratio", _worst_pod(memory, terms)),
        Alert(
            "ServiceCpuThrottled",
            with_owner("service:cpu_throttled:ratio_rate5m > 0.25", terms),
            for_s=900,
            severity="warning",
            owner=PLATFORM,
            labels=OF_THE_ROW,
            summary="A pod of {{ $labels.service }} is held at its CPU limit "
            "{{ $value | humanizePercentage }} of the time.",
            description="Its calls take longer than they have to. Raise cpu in its row.",
        ),
        Alert(
            "ServiceMemoryNearLimit",
            with_owner("service:memory_of_limit:ratio > 0.9", terms),
            for_s=900,
            severity="warning",
            owner=PLATFORM,
            labels=OF_THE_ROW,
            summary="A pod of {{ $labels.service }} uses {{ $value | humanizePercentage }} of its memory "
            "limit.",
            description="It is killed at 100 %. Raise memory in its row, or find the leak.",
        ),
    ]


def _worst_pod(expr: str, terms: Terms) -> str:
    return f"max by ({_SERVICE}) ({service_of_pod(expr, terms.services)})"


def _calls(called: tuple[Service, ...]) -> list[Recording]:
    of = f'service=~"{chosen(called)}",{_NOT_CALLS}'
    rate = f"sum by ({_SERVICE}) (rate(http_requests_total{{{of}}}[5m]))"
    failed = f'sum by ({_SERVICE}) (rate(http_requests_total{{{of},status="5xx"}}[5m]))'
    quick = tuple(service for service in called if service.kind == "http")
    made = [
        Recording("service:requests:rate5m", rate),
        Recording(
            "service:errors:ratio_rate5m",
            f"({failed} or {rate} * 0) / ({rate} > 0)",
        ),
    ]
    if quick:
        buckets = (
            f"sum by ({_SERVICE}, le) (rate(http_request_duration_seconds_bucket"
            f'{{service=~"{chosen(quick)}",{_NOT_CALLS}}}[5m]))'
        )
        made += [
            Recording(f"service:latency_p{share}:seconds_rate5m", f"histogram_quantile(0.{share}, {buckets})")
            for share in (95, 99)
        ]
    return made


def _failing(terms: Terms) -> list[Alert]:
    return [
        Alert(
            "ServiceErrors",
            with_owner(
                f"service:errors:ratio_rate5m > {_ERRORS_RATIO}"
                f" and on ({_SERVICE}) service:requests:rate5m > {_CALLS_PER_S}",
                terms,
            ),
            for_s=300,
            severity="warning",
            owner=PLATFORM,
            labels=OF_THE_ROW,
            summary="{{ $value | humanizePercentage }} of the calls of {{ $labels.service }} in "
            "{{ $labels.namespace }} fail.",
            description="Its log says why; compare with what it talks to and with its last rollout.",
        )
    ]


def _slow(terms: Terms) -> list[Alert]:
    http = terms.of_kind("http")
    if not http:
        return []
    made = []
    for name, limit_s in (("ServiceSlow", _P95_S), ("PipelineSlow", _PIPELINE_P95_S)):
        services = tuple(service for service in http if slow_alert(service) == name)
        if services:
            made.append(
                Alert(
                    name,
                    with_owner(
                        f'service:latency_p95:seconds_rate5m{{service=~"{chosen(services)}"}} > {limit_s}'
                        f" and on ({_SERVICE}) service:requests:rate5m > {_CALLS_PER_S}",
                        terms,
                    ),
                    for_s=120,
                    severity="warning",
                    owner=PLATFORM,
                    labels=OF_THE_ROW,
                    summary="One call in twenty of {{ $labels.service }} takes longer than "
                    "{{ $value | humanizeDuration }}.",
                    description=f"The plan's limit is {round(limit_s * 1000)} ms. Is it at its CPU limit, or "
                    "does it wait for something it talks to?",
                )
            )
    return made
