"""Rules about what ends by date: certificates of the ingress and of the cluster, secrets that do not come."""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Alert, RuleGroup, Severity
from sophia_infra.monitoring.rules.cluster.parts import OF_THE_ROW, PLATFORM, with_owner
from sophia_infra.monitoring.terms import Terms

__all__ = ["groups"]

_DAY_S: Final = 86_400
_SOON_DAYS: Final = 21
_NOW_DAYS: Final = 3


def groups(terms: Terms) -> list[RuleGroup]:
    """The cluster's own always; those of routes and secrets where the stack has them."""
    rules = [
        _cluster_certificate("Soon", r"2.592e\\+06", "30 days", "warning"),
        _cluster_certificate("Now", r"172800(\\.0)?", "2 days", "critical"),
    ]
    if terms.has_certificates:
        rules += [
            _route_certificate("Soon", _SOON_DAYS, "warning"),
            _route_certificate("Now", _NOW_DAYS, "critical"),
        ]
    if terms.has_secrets:
        rules.append(_secret_not_synced(terms))
    return [RuleGroup("sophia-certificates", tuple(rules))]


def _route_certificate(when: str, days: int, severity: Severity) -> Alert:
    return Alert(
        f"CertificateExpires{when}",
        # Traefik's own is made anew with every start and serves unknown names only.
        'min by (cn, sans) (traefik_tls_certs_not_after{cn!="TRAEFIK DEFAULT CERT"}) - time()'
        f" < {days * _DAY_S}",
        for_s=0,
        severity=severity,
        owner=PLATFORM,
        summary="The certificate of {{ $labels.cn }} ends in {{ $value | humanizeDuration }}.",
        description="Nobody renewed it. After that every call is refused by the caller.",
    )


def _cluster_certificate(when: str, bucket: str, words: str, severity: Severity) -> Alert:
    """By the buckets of Kubernetes, the only exact steps there are; Prometheus 3 writes some with .0."""
    series = "apiserver_client_certificate_expiration_seconds_bucket"
    return Alert(
        f"ClusterCertificateExpires{when}",
        f'sum(increase({series}{{le=~"{bucket}"}}[15m])) > 0',
        for_s=0,
        severity=severity,
        owner=PLATFORM,
        summary=f"A certificate by which somebody calls the API server ends in less than {words}.",
        description="k3s renews those of its nodes when it is restarted within 90 days of their end: "
        "`systemctl restart k3s` (or k3s-agent), node by node. The administrator's is in the stack's state.",
    )


def _secret_not_synced(terms: Terms) -> Alert:
    return Alert(
        "SecretNotSynced",
        with_owner(
            "max by (exported_namespace, name) "
            '(externalsecret_status_condition{condition="Ready",status="False"} == 1)',
            terms,
            "name",
        ),
        for_s=900,
        severity="warning",
        owner=PLATFORM,
        labels=OF_THE_ROW,
        summary="The secret of {{ $labels.name }} in {{ $labels.exported_namespace }} cannot be read from "
        "Pulumi ESC.",
        description="Pods go on with the old value; a new pod without it does not start. The token, the "
        "path or ESC itself: `kubectl describe externalsecret` says which.",
    )
