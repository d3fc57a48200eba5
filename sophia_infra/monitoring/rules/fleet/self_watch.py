"""Rules about monitoring itself: the dead man's switch, and parts without which other rules are blind."""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Alert, RuleGroup
from sophia_infra.monitoring.rules.fleet.exporter import JOB as EXPORTER_JOB
from sophia_infra.monitoring.rules.fleet.texts import VALUE_PERCENT
from sophia_infra.monitoring.terms import Terms

__all__ = ["NEEDED_JOBS", "groups"]

NEEDED_JOBS: Final = ("kube-state-metrics", "kubelet", "node-exporter")
"""Jobs of every stack. Without one of them rules about pods or nodes see nothing and stay silent."""
GPU_JOB: Final = "nvidia-dcgm-exporter"
"""Likewise where a cluster has GPUs, for rules about them."""

_PLATFORM_JOBS: Final = (
    *NEEDED_JOBS,
    GPU_JOB,
    "prometheus",
    "alertmanager",
    "traefik",
    "kueue",
    "external-secrets",
    "keda",
    "grafana",
    "cert-manager",
    "loki",
    "alloy",
)


def groups(terms: Terms) -> tuple[RuleGroup, ...]:
    """Always the same, but for the jobs of the stack's own rows."""
    return (
        RuleGroup("monitoring-watchdog", (_watchdog(),)),
        RuleGroup(
            "monitoring-itself",
            (
                _target_down(terms),
                _job_missing(terms),
                _rule_failures(),
                _notify_failing(),
                _near_full(terms),
            ),
        ),
    )


def _watchdog() -> Alert:
    return Alert(
        name="Watchdog",
        expr="vector(1)",
        for_s=0,
        severity="info",
        owner="platform",
        summary="Monitoring works: this alarm is always there.",
        description="It goes to sophia:kubernetes.monitoring.alerting.dead_mans_switch, a service outside "
        "that raises the alarm when it stops.",
    )


def _target_down(terms: Terms) -> Alert:
    rows = (one.name for one in terms.services if one.kind != "none")
    jobs = "|".join(dict.fromkeys((*_PLATFORM_JOBS, *rows)))
    return Alert(
        name="PrometheusTargetDown",
        expr=f'count by (job) (up{{job=~"{jobs}"}} == 0)',
        for_s=600,
        severity="warning",
        owner="platform",
        summary='{{ $value | printf "%.0f" }} of the targets of {{ $labels.job }} cannot be read.',
        description="Rules about it see only what is left. Prometheus' page Status > Targets shows the "
        f"error; {EXPORTER_JOB} has an alarm of its own.",
    )


def _job_missing(terms: Terms) -> Alert:
    jobs = (*NEEDED_JOBS, GPU_JOB) if terms.has_gpu_metrics else NEEDED_JOBS
    return Alert(
        name="PrometheusJobMissing",
        expr=" or ".join(f'absent(up{{job="{job}"}})' for job in jobs),
        for_s=900,
        severity="warning",
        owner="platform",
        summary="Prometheus knows no target of {{ $labels.job }}: rules that read it are silent, whatever "
        "happens.",
        description="Its pods or its ServiceMonitor are gone. `kubectl get servicemonitors "
        "--all-namespaces`; `sophia up` brings them back.",
    )


def _rule_failures() -> Alert:
    return Alert(
        name="PrometheusRuleFailures",
        expr="sum by (rule_group) (increase(prometheus_rule_evaluation_failures_total[5m])) > 0",
        for_s=600,
        severity="critical",
        owner="platform",
        summary="Rules of {{ $labels.rule_group }} cannot be evaluated: their alarms cannot fire.",
        description="Mostly two series where a rule expects one. Prometheus' page Status > Rules shows the "
        "error beside the rule.",
    )


def _notify_failing() -> Alert:
    failed = "sum by (integration) (increase(alertmanager_notifications_failed_total[15m]))"
    sent = "sum by (integration) (increase(alertmanager_notifications_total[15m]))"
    return Alert(
        name="AlertmanagerNotifyFailing",
        expr=f"{failed} / ({sent} > 0) > 0.05",
        for_s=600,
        severity="critical",
        owner="platform",
        summary=f"{VALUE_PERCENT} of the messages to {{{{ $labels.integration }}}} do not arrive.",
        description="Alarms fire and nobody hears them there. Alertmanager's log has the receiver's answer: "
        "mostly an address or key that was changed.",
    )


def _near_full(terms: Terms) -> Alert:
    return Alert(
        name="PrometheusTsdbNearFull",
        expr="max(prometheus_tsdb_storage_blocks_bytes / (prometheus_tsdb_retention_limit_bytes > 0)) > 0.9",
        for_s=3_600,
        severity="warning",
        owner="platform",
        summary=f"Prometheus uses {VALUE_PERCENT} of its storage: samples go before their "
        f"{terms.config.retention_days} days are over.",
        description="The oldest days are dropped early, and 30-day objectives with them. Raise "
        "sophia:kubernetes.monitoring.storage, or lower retention_days.",
    )
