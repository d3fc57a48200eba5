"""Who is told of what: Alertmanager's routes, receivers and inhibitions, as plain data without a secret."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sophia_infra.manifests.monitoring.names import ALERTING_SECRET
from sophia_infra.model.kubernetes import MonitoringConfig
from sophia_infra.model.kubernetes.monitoring import AlertingConfig
from sophia_infra.monitoring.rule import Recording, RuleGroup

__all__ = [
    "CONFIG_FOLDER",
    "DEAD_MANS_SWITCH",
    "EXPORTER_SILENT",
    "FLEET_DATA_STALE",
    "HELD_BACK",
    "NODE_LOST",
    "SAID_BY",
    "SECRETS_FOLDER",
    "alertmanager_config",
    "find_alerts_by_exporter",
]

CONFIG_FOLDER: Final = "/etc/alertmanager/config"
"""Where the operator mounts the configuration and what is beside it."""
SECRETS_FOLDER: Final = f"/etc/alertmanager/secrets/{ALERTING_SECRET}"
"""Where the operator mounts a Secret that the Alertmanager names."""

HELD_BACK: Final = "null"
DEAD_MANS_SWITCH: Final = "dead-mans-switch"
WATCHDOG: Final = "Watchdog"
NODE_LOST: Final = "NodeLost"
EXPORTER_SILENT: Final = "ExporterSilent"
FLEET_DATA_STALE: Final = "FleetDataStale"
_EXPORTER_ALERTS: Final = (EXPORTER_SILENT, FLEET_DATA_STALE)
_FLEET: Final = "fleet-"
"""Beginning of the names of the groups about fleet and dollars."""

SAID_BY: Final = {
    "MachinesUnknownCostly": "MachinesUnknown",
    "MachinesOrphanedCostly": "MachinesOrphaned",
    "FleetFarOverBudget": "FleetOverBudget",
    "BudgetBurnsFast": "BudgetBurns",
    "InferenceBudgetBurnsFast": "InferenceBudgetBurns",
}
"""Alert -> the milder one about the same dollars, which need not be said beside it."""

# They tell how the exporter and the API are: the cause, which has to be heard beside its effect.
_HEALTH_OF_EXPORTER: Final = (
    "lambda_cloud_up",
    "lambda_cloud_last_success_timestamp_seconds",
    "lambda_cloud_data_age_seconds",
    "lambda_cloud_polls_total",
    "lambda_cloud_poll_duration_seconds",
    "lambda_cloud_requests_total",
    "lambda_cloud_rate_tokens",
    "lambda_cloud_clock_skew_seconds",
)
_OF_EXPORTER: Final = ("lambda_cloud_", "lambda_node_")


def find_alerts_by_exporter(groups: Iterable[RuleGroup]) -> tuple[str, ...]:
    """Names of the fleet's alerts about dollars and machines as the exporter tells them.

    Also of those that ask for series recorded from them. Not those about the exporter itself and its way to
    the API, and not those of the cluster, which take only a price from it: they hold without.
    """
    groups = tuple(groups)
    rules = [rule for group in groups for rule in group.rules]
    told = set(_OF_EXPORTER)
    while True:
        found = {
            rule.record
            for rule in rules
            if isinstance(rule, Recording) and rule.record not in told and _asks(rule.expr, told)
        }
        if not found:
            break
        told |= found
    return tuple(
        sorted(
            rule.name
            for group in groups
            if group.name.startswith(_FLEET)
            for rule in group.alerts
            if rule.name not in _EXPORTER_ALERTS and _asks(rule.expr, told)
        )
    )


def alertmanager_config(
    config: MonitoringConfig, by_exporter: Iterable[str] = (), *, calls_switch: bool = True
) -> dict[str, Any]:
    """The whole configuration; addresses and keys are files of a Secret.

    Critical alerts go to PagerDuty, Slack and the webhook, warnings to Slack and the webhook, and what only
    informs to nobody: it shows in Alertmanager and Grafana. What has no severity counts as a warning.

    Args:
        by_exporter: names of alerts that mean nothing while the exporter is silent.
        calls_switch: whether this Alertmanager calls the dead man's switch. Several clusters on one address
            would hide each other's silence.
    """
    alerting = config.alerting
    switch = _url_file("dead-mans-switch-url") if alerting.dead_mans_switch and calls_switch else None
    receivers: list[dict[str, Any]] = [
        {"name": HELD_BACK},
        {"name": DEAD_MANS_SWITCH, **_webhooks(switch, send_resolved=False)},
        {"name": "critical", **_pagerduty(alerting), **_people(alerting)},
        {"name": "warning", **_people(alerting)},
    ]
    return {
        "global": {"resolve_timeout": "5m"},
        "templates": [f"{CONFIG_FOLDER}/*.tmpl"],
        "route": _routes(),
        "inhibit_rules": _inhibitions(tuple(by_exporter)),
        "receivers": receivers,
    }


def _routes() -> dict[str, Any]:
    """One message for one kind of trouble of one service, however many pods or nodes have it."""
    return {
        "receiver": "warning",
        "group_by": ["cluster", "alertname", "service"],
        "group_wait": "30s",
        "group_interval": "5m",
        "repeat_interval": "12h",
        "routes": [
            {
                # Every minute: an interval of repetition as long as the group's would skip every second one.
                "receiver": DEAD_MANS_SWITCH,
                "matchers": [f'alertname="{WATCHDOG}"'],
                "group_by": ["cluster"],
                "group_wait": "0s",
                "group_interval": "1m",
                "repeat_interval": "30s",
            },
            {"receiver": HELD_BACK, "matchers": ['severity=~"info|none"']},
            {
                "receiver": "critical",
                "matchers": ['severity="critical"'],
                "group_wait": "10s",
                "group_interval": "2m",
                "repeat_interval": "1h",
            },
        ],
    }


def _inhibitions(by_exporter: tuple[str, ...]) -> list[dict[str, Any]]:
    """What need not be said beside something worse.

    A label that both sides lack counts as equal, so each rule asks that the label it goes by is there.
    """
    lower = 'severity=~"warning|info"'
    rules = [
        _inhibition(
            ['severity="critical"'],
            [lower],
            ["alertname", "namespace", "service", "node", "instance", "persistentvolumeclaim", "device"],
        ),
        *(
            _inhibition(['severity="critical"', f'{label}!=""'], [lower, f'{label}!=""'], equal)
            for label, equal in (("service", ["namespace", "service", "node"]), ("node", ["node"]))
        ),
        _inhibition(
            [f'alertname="{NODE_LOST}"'], [f'alertname!~"{NODE_LOST}|{WATCHDOG}"', 'node!=""'], ["node"]
        ),
    ]
    rules += [
        _inhibition([f'alertname="{worse}"'], [f'alertname="{milder}"'], [])
        for worse, milder in SAID_BY.items()
    ]
    if by_exporter:
        told = f'alertname=~"{"|".join(by_exporter)}"'
        # Old figures are true as far as they go: they silence no page, only what can wait for new ones.
        rules += [
            _inhibition([f'alertname="{EXPORTER_SILENT}"'], [told], []),
            _inhibition([f'alertname="{FLEET_DATA_STALE}"'], [told, lower], []),
        ]
    return rules


def _inhibition(source: list[str], target: list[str], equal: list[str]) -> dict[str, Any]:
    return {"source_matchers": source, "target_matchers": target, "equal": ["cluster", *equal]}


def _people(alerting: AlertingConfig) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if alerting.slack is not None:
        made["slack_configs"] = [
            {
                "api_url_file": f"{SECRETS_FOLDER}/slack-webhook",
                "channel": alerting.slack.channel,
                "send_resolved": True,
                "title": '{{ template "sophia.title" . }}',
                "text": '{{ template "sophia.text" . }}',
                "color": '{{ if eq .Status "firing" }}'
                '{{ if eq .CommonLabels.severity "critical" }}danger{{ else }}warning{{ end }}'
                "{{ else }}good{{ end }}",
            }
        ]
    return made | _webhooks(_url_file("webhook-url") if alerting.webhook else None, send_resolved=True)


def _pagerduty(alerting: AlertingConfig) -> dict[str, Any]:
    if alerting.pagerduty is None:
        return {}
    return {
        "pagerduty_configs": [
            {
                "routing_key_file": f"{SECRETS_FOLDER}/pagerduty-routing-key",
                "send_resolved": True,
                "severity": "critical",
                "description": '{{ template "sophia.title" . }}',
                "class": "{{ .CommonLabels.alertname }}",
                "component": "{{ .CommonLabels.service }}",
                "details": {"what": '{{ template "sophia.text" . }}'},
            }
        ]
    }


def _webhooks(url_file: str | None, *, send_resolved: bool) -> dict[str, Any]:
    if url_file is None:
        return {}
    return {"webhook_configs": [{"url_file": url_file, "send_resolved": send_resolved}]}


def _url_file(key: str) -> str:
    return f"{SECRETS_FOLDER}/{key}"


def _asks(expr: str, names: Iterable[str]) -> bool:
    """Whether PromQL asks for a series of these names, or of names that begin so, other than of health."""
    for health in sorted(_HEALTH_OF_EXPORTER, key=len, reverse=True):
        expr = expr.replace(health, "")
    return any(name in expr for name in names)
