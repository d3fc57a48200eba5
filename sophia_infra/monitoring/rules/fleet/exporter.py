"""Rules about the exporter of fleet and dollars: whether it runs, and whether Lambda's API answers it.

While it is silent every rule about dollars is silent too, and looks like a fleet that costs nothing.
"""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Alert, RuleGroup
from sophia_infra.monitoring.rules.fleet.texts import USD, VALUE_PERCENT, asked
from sophia_infra.monitoring.terms import Terms

__all__ = ["JOB", "groups"]

JOB: Final = "sophia-exporter"

_LAST_RATE: Final = asked("fleet:usd_per_hour:sum", USD)
_BEFORE: Final = asked("last_over_time(fleet:usd_per_hour:sum[6h])", USD)
_VENDOR: Final = "server_fault|unreachable|unexpected_answer|refused"


def groups(terms: Terms) -> tuple[RuleGroup, ...]:
    """Nothing without the exporter."""
    if not terms.has_exporter:
        return ()
    return (
        RuleGroup("fleet-exporter", (_silent(), _stale(), _api_failing(), _key_refused(), _rate_limited())),
        RuleGroup("fleet-exporter-truth", (_clock_skewed(), _month_incomplete())),
    )


def _silent() -> Alert:
    return Alert(
        name="ExporterSilent",
        expr=f'absent(up{{job="{JOB}"}} == 1)',
        for_s=600,
        severity="critical",
        owner="platform",
        summary=f"Nobody watches the dollars: sophia-exporter does not answer. The fleet cost {_BEFORE}/h "
        "when it was last seen, and is billed on.",
        description="No rule about dollars can fire now. `kubectl --namespace monitoring get pods` and the "
        "exporter's log say why; `sophia status` still shows what runs.",
    )


def _stale() -> Alert:
    return Alert(
        name="FleetDataStale",
        expr="max(lambda_cloud_data_age_seconds) > 300",
        for_s=300,
        severity="warning",
        owner="platform",
        summary="What is known of the fleet is {{ $value | humanizeDuration }} old; dollars go on at the "
        f"last known {_LAST_RATE}/h.",
        description="The exporter runs and Lambda's API does not answer it. A machine that was launched "
        "meanwhile is not counted yet. `sophia instances` asks the API now.",
    )


def _api_failing() -> Alert:
    failed = f'sum(increase(lambda_cloud_polls_total{{outcome=~"{_VENDOR}"}}[10m]))'
    return Alert(
        name="LambdaApiFailing",
        expr=f"{failed} / (sum(increase(lambda_cloud_polls_total[10m])) > 0) > 0.5",
        for_s=300,
        severity="warning",
        owner="platform",
        summary=f"{VALUE_PERCENT} of the questions to Lambda's API failed in 10 minutes; machines for "
        f"{_LAST_RATE}/h can be neither launched nor ended for certain.",
        description="It fails, cannot be reached, or answers what its document does not allow. Machines run "
        "on. Do not run `sophia up` until it answers: look at status.lambda.ai, and at the exporter's log.",
    )


def _key_refused() -> Alert:
    return Alert(
        name="LambdaKeyRefused",
        expr='sum(increase(lambda_cloud_polls_total{outcome=~"unauthorized|forbidden"}[10m])) > 2',
        for_s=0,
        severity="critical",
        owner="platform",
        summary=f"Lambda refuses the exporter's key; machines for {_LAST_RATE}/h are watched by nobody.",
        description="The key was revoked or rotated, or the account is inactive. `sophia secrets check` says "
        "whether the cluster has the newest one.",
    )


def _rate_limited() -> Alert:
    return Alert(
        name="RateLimited",
        expr='sum(increase(lambda_cloud_requests_total{outcome="rate_limited"}[15m])) > 5',
        for_s=0,
        severity="warning",
        owner="platform",
        summary='Lambda\'s API turned {{ $value | printf "%.0f" }} requests of the exporter away in 15 '
        "minutes (429).",
        description="The account may send about one request a second, and the exporter needs a thirtieth of "
        "that: something else with this account's keys sends too many. `sophia up` will be slow, too.",
    )


def _clock_skewed() -> Alert:
    return Alert(
        name="ClockSkewed",
        expr="max(abs(lambda_cloud_clock_skew_seconds)) > 30",
        for_s=600,
        severity="warning",
        owner="platform",
        summary="The exporter's clock is {{ $value | humanizeDuration }} off Lambda's; ages, and dollars "
        "since launch, are wrong by as much.",
        description="The node of the exporter has lost its time source: `timedatectl` on it, and restart "
        "systemd-timesyncd or chrony.",
    )


def _month_incomplete() -> Alert:
    spent = asked("fleet:month_spent_usd:sum", USD)
    return Alert(
        name="MonthSpentIncomplete",
        expr="min(lambda_cloud_month_spent_complete) == 0",
        for_s=3_600,
        severity="info",
        owner="platform",
        summary=f"The {spent} of this month are too few: the exporter did not see all of the month.",
        description="It began after the first, or lost its state. Machines that ended before are not in the "
        "sum. From the first of the next month on it is complete.",
    )
