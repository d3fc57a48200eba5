"""Rules about the ingress controller, and through it about rows with a route."""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Alert, Recording, RuleGroup
from sophia_infra.monitoring.rules.cluster.parts import OF_THE_ROW, PLATFORM, with_owner
from sophia_infra.monitoring.terms import Service, Terms

__all__ = ["groups"]

_SLOW_S: Final = 1.2
"""A step of Traefik's own buckets (0.1, 0.3, 1.2, 5): between two of them a percentile is a guess."""


def groups(terms: Terms) -> list[RuleGroup]:
    """Nothing where no row has a route."""
    routed = tuple(service for service in terms.services if service.has_route)
    if not routed:
        return []
    of = _matcher(routed)
    rate = _by_service("traefik_service_requests_total", of, "", routed)
    failed = _by_service("traefik_service_requests_total", f'{of},code=~"5.."', "", routed)
    buckets = _by_service("traefik_service_request_duration_seconds_bucket", of, ", le", routed)
    rules = (
        Recording("route:requests:rate5m", rate),
        Recording(
            "route:errors:ratio_rate5m",
            f"({failed} or route:requests:rate5m * 0) / (route:requests:rate5m > 0)",
        ),
        Recording("route:latency_p95:seconds_rate5m", f"histogram_quantile(0.95, {buckets})"),
        Alert(
            "IngressDown",
            'absent(up{job="traefik"} == 1)',
            for_s=120,
            severity="critical",
            owner=PLATFORM,
            summary="No ingress controller answers: nobody outside reaches anything.",
            description="`kubectl -n kube-system get pods` shows Traefik; k3s brings it back when its "
            "HelmChart is there.",
        ),
        Alert(
            "RouteErrors",
            with_owner(
                "route:errors:ratio_rate5m > 0.05 and on (service) route:requests:rate5m > 0.1", terms
            ),
            for_s=300,
            severity="critical",
            owner=PLATFORM,
            labels=OF_THE_ROW,
            summary="{{ $value | humanizePercentage }} of the calls from outside to {{ $labels.service }} "
            "fail.",
            description="502 to 504: no pod took the call. 500: the row itself, see ServiceErrors.",
        ),
        Alert(
            "RouteSlow",
            with_owner(
                f"route:latency_p95:seconds_rate5m > {_SLOW_S} and on (service) route:requests:rate5m > 0.1",
                terms,
            ),
            for_s=300,
            severity="warning",
            owner=PLATFORM,
            labels=OF_THE_ROW,
            summary="One call from outside in twenty to {{ $labels.service }} takes longer than "
            "{{ $value | humanizeDuration }}.",
            description="Measured at the ingress, so with what the row waits for. Streams count until they "
            "end.",
        ),
    )
    return [RuleGroup("sophia-routes", rules)]


def _matcher(routed: tuple[Service, ...]) -> str:
    names = "|".join(f"{service.namespace}-{service.name}" for service in routed)
    return f'exported_service=~"({names})-[a-z0-9]+@kubernetes"'


def _by_service(series: str, of: str, more: str, routed: tuple[Service, ...]) -> str:
    """Rate by row: Traefik calls it <namespace>-<Service>-<port>@kubernetes, and its own label is
    `exported_service` because the target has one too."""
    made = f"sum by (exported_service{more}) (rate({series}{{{of}}}[5m]))"
    for service in routed:
        pattern = f"{service.namespace}-{service.name}-[a-z0-9]+@kubernetes"
        made = f'label_replace({made}, "service", "{service.name}", "exported_service", "{pattern}")'
    return f"sum by (service{more}) ({made})"
