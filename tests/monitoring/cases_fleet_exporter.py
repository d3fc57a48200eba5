"""Cases of the exporter, of Lambda's API as it sees it, and of monitoring itself."""

from __future__ import annotations

from tests.monitoring.fleet_series import counter, steady
from tests.monitoring.rule_cases import Case

__all__ = ["CASES"]

_H = 3_600
_UP = 'up{job="sophia-exporter",instance="10.0.0.1:9400"}'
_POLLS_PER_HOUR = 120


def _polls(**per_hour: float) -> dict[str, str]:
    return {
        f'lambda_cloud_polls_total{{outcome="{outcome}"}}': counter(rate)
        for outcome, rate in per_hour.items()
    }


def _requests(per_hour: float) -> dict[str, str]:
    return {
        'lambda_cloud_requests_total{operation="listInstances",outcome="rate_limited"}': counter(per_hour)
    }


def _jobs(*missing: str, down: str = "") -> dict[str, str]:
    needed = ("kube-state-metrics", "kubelet", "node-exporter", "nvidia-dcgm-exporter")
    return {
        f'up{{job="{job}",instance="{number}"}}': steady(job != down or number > 0)
        for job in needed
        if job not in missing
        for number in (0, 1)
    }


def _notifications(failed: float) -> dict[str, str]:
    return {
        'alertmanager_notifications_total{integration="slack"}': counter(60),
        'alertmanager_notifications_failed_total{integration="slack"}': counter(failed),
        'alertmanager_notifications_total{integration="email"}': steady(0),
        'alertmanager_notifications_failed_total{integration="email"}': steady(0),
    }


def _storage(used: float, limit: float) -> dict[str, str]:
    return {
        "prometheus_tsdb_storage_blocks_bytes": steady(used),
        "prometheus_tsdb_retention_limit_bytes": steady(limit),
    }


_EXPORTER = [
    Case("ExporterSilent", "it does not answer", {_UP: steady(0)}, 600, [{}]),
    Case("ExporterSilent", "it is not there", {"up": steady(1)}, 600, [{}]),
    Case("ExporterSilent", "a minute before", {_UP: steady(0)}, 540),
    Case("ExporterSilent", "it answers", {_UP: steady(1)}, _H),
    Case("ExporterSilent", "it answers now and then", {_UP: "0x5 1 0x8 1x200"}, _H),
    Case("FleetDataStale", "6 minutes old", {"lambda_cloud_data_age_seconds": steady(360)}, 300, [{}]),
    Case("FleetDataStale", "a minute before", {"lambda_cloud_data_age_seconds": steady(360)}, 240),
    Case("FleetDataStale", "5 minutes old", {"lambda_cloud_data_age_seconds": steady(300)}, _H),
    Case("LambdaApiFailing", "2 of 3 fail", _polls(ok=40, unreachable=40, server_fault=40), 420, [{}]),
    Case("LambdaApiFailing", "not yet", _polls(ok=40, unreachable=40, server_fault=40), 300),
    Case("LambdaApiFailing", "nothing ever worked", _polls(server_fault=_POLLS_PER_HOUR), 720, [{}]),
    Case("LambdaApiFailing", "4 of 10 fail", _polls(ok=72, unreachable=48), _H),
    Case("LambdaApiFailing", "refused keys are another alarm", _polls(unauthorized=_POLLS_PER_HOUR), _H),
    Case("LambdaKeyRefused", "every poll", _polls(unauthorized=_POLLS_PER_HOUR), 180, [{}]),
    Case("LambdaKeyRefused", "two polls", _polls(unauthorized=_POLLS_PER_HOUR), 60),
    Case("LambdaKeyRefused", "all well", _polls(ok=_POLLS_PER_HOUR), _H),
    Case("RateLimited", "6 in a quarter of an hour", _requests(24), 900, [{}]),
    Case("RateLimited", "4 in a quarter of an hour", _requests(16), _H),
    Case("ClockSkewed", "40 seconds behind", {"lambda_cloud_clock_skew_seconds": steady(-40)}, 600, [{}]),
    Case("ClockSkewed", "a minute before", {"lambda_cloud_clock_skew_seconds": steady(-40)}, 540),
    Case("ClockSkewed", "30 seconds ahead", {"lambda_cloud_clock_skew_seconds": steady(30)}, _H),
    Case("MonthSpentIncomplete", "for an hour", {"lambda_cloud_month_spent_complete": steady(0)}, _H, [{}]),
    Case(
        "MonthSpentIncomplete", "a minute before", {"lambda_cloud_month_spent_complete": steady(0)}, _H - 60
    ),
    Case("MonthSpentIncomplete", "complete", {"lambda_cloud_month_spent_complete": steady(1)}, 2 * _H),
]

_ITSELF = [
    Case("Watchdog", "always", {}, 0, [{}]),
    Case("PrometheusTargetDown", "one of two", _jobs(down="kubelet"), 600, [{"job": "kubelet"}]),
    Case("PrometheusTargetDown", "a minute before", _jobs(down="kubelet"), 540),
    Case("PrometheusTargetDown", "all up", _jobs(), _H),
    Case("PrometheusTargetDown", "somebody else's", {'up{job="their-job"}': steady(0)}, _H),
    Case(
        "PrometheusTargetDown",
        "a row",
        {'up{job="sophia-backend"}': steady(0)},
        600,
        [{"job": "sophia-backend"}],
    ),
    Case("PrometheusJobMissing", "no kubelet", _jobs("kubelet"), 900, [{"job": "kubelet"}]),
    Case("PrometheusJobMissing", "a minute before", _jobs("kubelet"), 840),
    Case("PrometheusJobMissing", "all there", _jobs(down="kubelet"), _H),
    Case(
        "PrometheusRuleFailures",
        "at every evaluation",
        {'prometheus_rule_evaluation_failures_total{rule_group="slo"}': counter(120)},
        720,
        [{"rule_group": "slo"}],
    ),
    Case(
        "PrometheusRuleFailures",
        "not yet",
        {'prometheus_rule_evaluation_failures_total{rule_group="slo"}': counter(120)},
        600,
    ),
    Case(
        "PrometheusRuleFailures",
        "none",
        {'prometheus_rule_evaluation_failures_total{rule_group="slo"}': steady(7)},
        _H,
    ),
    Case("AlertmanagerNotifyFailing", "6 of 100", _notifications(3.6), 720, [{"integration": "slack"}]),
    Case("AlertmanagerNotifyFailing", "not yet", _notifications(3.6), 600),
    Case("AlertmanagerNotifyFailing", "1 of 30", _notifications(2), _H),
    Case("PrometheusTsdbNearFull", "91 %", _storage(91e9, 100e9), _H, [{}]),
    Case("PrometheusTsdbNearFull", "a minute before", _storage(91e9, 100e9), _H - 60),
    Case("PrometheusTsdbNearFull", "90 %", _storage(90e9, 100e9), 2 * _H),
    Case("PrometheusTsdbNearFull", "no limit is set", _storage(91e9, 0), 2 * _H),
]

CASES = [*_EXPORTER, *_ITSELF]
