"""Rules about the API server, without which nothing can be changed or repaired."""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Alert, Recording, RuleGroup
from sophia_infra.monitoring.rules.cluster.parts import PLATFORM
from sophia_infra.monitoring.terms import Terms

__all__ = ["groups"]

_JOB: Final = 'job="apiserver"'
"""k3s serves the same series at every kubelet port of a server: counted once."""


def groups(_terms: Terms) -> list[RuleGroup]:
    """In every stack."""
    failed = f'sum(rate(apiserver_request_total{{{_JOB},code=~"5.."}}[5m]))'
    all_calls = f"sum(rate(apiserver_request_total{{{_JOB}}}[5m]))"
    buckets = (
        "sum by (le) (rate(apiserver_request_duration_seconds_bucket"
        f'{{{_JOB},verb=~"GET|POST|PUT|PATCH|DELETE",subresource!~"log|exec|portforward|proxy"}}[5m]))'
    )
    slow = "apiserver:latency_p99:seconds_rate5m"
    rules = (
        Recording("apiserver:errors:ratio_rate5m", f"({failed} or {all_calls} * 0) / ({all_calls} > 0)"),
        Recording(slow, f"histogram_quantile(0.99, {buckets})"),
        Alert(
            "KubeApiDown",
            f"absent(up{{{_JOB}}} == 1)",
            for_s=300,
            severity="critical",
            owner=PLATFORM,
            summary="The API server does not answer.",
            description="Pods go on, and nothing is repaired, scaled or deployed. Look at the k3s server: "
            "`sophia status`, then `systemctl status k3s` on it.",
        ),
        Alert(
            "KubeApiErrors",
            "apiserver:errors:ratio_rate5m > 0.03",
            for_s=600,
            severity="warning",
            owner=PLATFORM,
            summary="{{ $value | humanizePercentage }} of the calls of the API server fail.",
            description="Its store is slow or full: look at the disk of the k3s server.",
        ),
        Alert(
            "KubeApiSlow",
            f"{slow} > 1",
            for_s=600,
            severity="warning",
            owner=PLATFORM,
            summary="One call of the API server in a hundred takes longer than "
            "{{ $value | humanizeDuration }}.",
            description="Autoscalers and controllers fall behind. Mostly the disk under etcd.",
        ),
    )
    return [RuleGroup("sophia-control-plane", rules)]
