"""Who hears of what: amtool reads the configuration, and a real Alertmanager tells a real server.

Debian's Alertmanager 0.25 has no `url_file` for webhooks (0.26 brought it; the chart installs 0.34). So here
the addresses themselves stand in the configuration, as `url`; the other two secrets stay in files.
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.manifests.monitoring.alert_templates import TEMPLATE_FILE, TEMPLATE_TEXT
from sophia_infra.manifests.monitoring.alertmanager_config import (
    EXPORTER_SILENT,
    FLEET_DATA_STALE,
    NODE_LOST,
    alertmanager_config,
    find_alerts_by_exporter,
)
from sophia_infra.model.kubernetes import MonitoringConfig
from sophia_infra.monitoring.rules import all_alerts, all_rules
from tests.monitoring.alertmanager import Alertmanager, Receiver, alertmanager, faster, receiver
from tests.monitoring.rule_cases import local_terms

ALERTING = {
    "slack": {"channel": "#sophia-alerts", "webhook": "monitoring.slack_webhook"},
    "pagerduty": {"routing_key": "monitoring.pagerduty_routing_key"},
    "webhook": {"url": "monitoring.webhook_url"},
    "dead_mans_switch": {"url": "monitoring.dead_mans_switch_url"},
}
SLACK, PAGERDUTY, WEBHOOK, SWITCH = "/slack/T0-secret", "/pagerduty", "/webhook/t0ken", "/switch/t0ken"
ROUTING_KEY = "a-routing-key-that-is-secret"


def monitoring(**alerting: Any) -> MonitoringConfig:
    return MonitoringConfig.model_validate({"alerting": alerting})


def by_exporter() -> tuple[str, ...]:
    return find_alerts_by_exporter(all_rules(local_terms()))


def config_of(**alerting: Any) -> dict[str, Any]:
    return alertmanager_config(monitoring(**alerting), by_exporter())


def placed(config: dict[str, Any], folder: Path, to: str) -> dict[str, Any]:
    """The configuration as this machine can run it: secrets in a folder of the test, webhooks by address."""
    (folder / "slack-webhook").write_text(to + SLACK, encoding="utf-8")
    (folder / "pagerduty-routing-key").write_text(ROUTING_KEY, encoding="utf-8")
    (folder / TEMPLATE_FILE).write_text(TEMPLATE_TEXT, encoding="utf-8")
    addresses = {"webhook-url": to + WEBHOOK, "dead-mans-switch-url": to + SWITCH}

    def one(value: Any) -> Any:
        if isinstance(value, dict):
            made = {key: one(entry) for key, entry in value.items()}
            if "url_file" in made:
                made["url"] = addresses[Path(made.pop("url_file")).name]
            return made
        if isinstance(value, list):
            return [one(entry) for entry in value]
        for place in ("/etc/alertmanager/secrets/alerting", "/etc/alertmanager/config"):
            if isinstance(value, str) and value.startswith(place):
                return value.replace(place, str(folder))
        return value

    made: dict[str, Any] = one(config)
    made["global"]["pagerduty_url"] = to + PAGERDUTY
    return made


def amtool(*arguments: str) -> str:
    done = subprocess.run(["amtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def written(folder: Path, config: Mapping[str, Any]) -> str:
    file = folder / "alertmanager.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize(
    "alerting",
    [{}, ALERTING, *({name: section} for name, section in ALERTING.items())],
    ids=["nobody", "all", *ALERTING],
)
def test_alertmanager_reads_every_configuration_and_its_templates(
    alerting: dict[str, Any], tmp_path: Path
) -> None:
    config = placed(config_of(**alerting), tmp_path, "http://127.0.0.1:9")
    said = amtool("check-config", written(tmp_path, config))
    assert "SUCCESS" in said
    assert "1 templates" in said


HEARD = [
    ({"alertname": "FleetFarOverBudget", "severity": "critical"}, "critical"),
    ({"alertname": "FleetOverBudget", "severity": "warning"}, "warning"),
    ({"alertname": "CapacityGone", "severity": "info"}, "null"),
    ({"alertname": "Watchdog", "severity": "info"}, "dead-mans-switch"),
    ({"alertname": "Watchdog", "severity": "none"}, "dead-mans-switch"),
    ({"alertname": "SomebodyElsesRule"}, "warning"),
    ({"alertname": "KubeVersionMismatch", "severity": "warning", "namespace": "kube-system"}, "warning"),
]


@pytest.mark.parametrize(("labels", "who"), HEARD, ids=lambda case: str(case))
def test_the_severity_says_who_hears_of_it(labels: dict[str, str], who: str, tmp_path: Path) -> None:
    file = written(tmp_path, placed(config_of(**ALERTING), tmp_path, "http://127.0.0.1:9"))
    pairs = [f"{name}={value}" for name, value in labels.items()]
    assert amtool("config", "routes", "test", f"--config.file={file}", *pairs).strip() == who


def test_every_rule_has_a_severity_that_is_routed(tmp_path: Path) -> None:
    receivers = {"critical": "critical", "warning": "warning", "info": "null"}
    for alert in all_alerts(local_terms()).values():
        assert alert.severity in receivers


def test_critical_ones_page_and_are_written_down_warnings_only_the_latter() -> None:
    told = {row["name"]: set(row) - {"name"} for row in config_of(**ALERTING)["receivers"]}
    assert told == {
        "null": set(),
        "dead-mans-switch": {"webhook_configs"},
        "critical": {"pagerduty_configs", "slack_configs", "webhook_configs"},
        "warning": {"slack_configs", "webhook_configs"},
    }


def test_no_address_and_no_key_stands_in_the_configuration() -> None:
    """Whoever may read the release, or Alertmanager's status page, reads the configuration."""
    text = json.dumps(config_of(**ALERTING))
    assert "http" not in text
    for key in monitoring(**ALERTING).alerting.secret_paths:
        assert f"/etc/alertmanager/secrets/alerting/{key}" in text


def test_a_second_cluster_leaves_the_dead_mans_switch_alone() -> None:
    other = alertmanager_config(monitoring(**ALERTING), calls_switch=False)
    assert {"name": "dead-mans-switch"} in other["receivers"]


def test_the_names_that_inhibit_are_names_of_rules() -> None:
    known = all_alerts(local_terms())
    assert {NODE_LOST, EXPORTER_SILENT, FLEET_DATA_STALE, "Watchdog"} <= set(known)
    assert known[NODE_LOST].severity == known[EXPORTER_SILENT].severity == "critical"


def test_what_hangs_on_the_exporter_is_found_in_the_rules() -> None:
    found = set(by_exporter())
    assert {"FleetOverBudget", "BudgetBurns", "MachinesUnknown", "MachineMissing", "PriceChanged"} <= found
    assert "BudgetForecastExceeded" in found, "by a recorded series"
    assert not found & {EXPORTER_SILENT, FLEET_DATA_STALE, "LambdaApiFailing", "LambdaKeyRefused"}, (
        "the cause"
    )
    assert not found & {NODE_LOST, "GpuXid", "ServiceDown", "InferenceDown"}, "they hold without it"


@dataclass(frozen=True)
class Stand:
    """A running Alertmanager and whom it tells."""

    server: Alertmanager
    heard: Receiver


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """With all durations sixty times shorter: ten seconds of waiting are 167 ms."""
    with receiver() as heard:
        config = faster(placed(config_of(**ALERTING), tmp_path, heard.url), 60)
        with alertmanager(tmp_path, config) as server:
            yield Stand(server, heard)


def names_at(stand: Stand, path: str) -> set[str]:
    """Names of the alerts that were told at a webhook."""
    return {
        alert["labels"]["alertname"] for message in stand.heard.of(path) for alert in message.body["alerts"]
    }


def test_an_alarm_about_money_tells_what_how_much_and_where_to_read_on(stand: Stand) -> None:
    summary = "The fleet costs $12.34 an hour, $2.00 above its budget."
    stand.server.fire(
        {"alertname": "FleetFarOverBudget", "severity": "critical", "owner": "platform"},
        annotations={
            "summary": summary,
            "description": "Look for machines of nobody first.",
            "runbook_url": "docs/runbooks.md#fleetfaroverbudget",
        },
    )
    (page,) = stand.heard.wait_for(PAGERDUTY)
    assert page.body["routing_key"] == ROUTING_KEY
    assert page.body["event_action"] == "trigger"
    assert page.body["payload"]["severity"] == "critical"
    assert page.body["payload"]["summary"] == "CRITICAL: FleetFarOverBudget"
    (message,) = stand.heard.wait_for(SLACK)
    (attachment,) = message.body["attachments"]
    assert message.body["channel"] == "#sophia-alerts"
    assert attachment["title"] == "CRITICAL: FleetFarOverBudget"
    assert attachment["color"] == "danger"
    for part in (summary, "Look for machines", "docs/runbooks.md#fleetfaroverbudget", "Owner: platform"):
        assert part in attachment["text"]
        assert part in page.body["payload"]["custom_details"]["what"]
    assert stand.heard.wait_for(WEBHOOK)[0].body["alerts"][0]["annotations"]["summary"] == summary


def test_a_warning_pages_nobody_and_an_info_is_held_back_but_visible(stand: Stand) -> None:
    stand.server.fire(
        {"alertname": "CapacityGone", "severity": "info", "region": "us-east-3"},
        {"alertname": "PriceChanged", "severity": "warning", "instance_type": "gpu_1x_a10"},
    )
    (message,) = stand.heard.wait_for(SLACK)
    assert message.body["attachments"][0]["title"] == "WARNING: PriceChanged"
    stand.heard.wait_for(WEBHOOK)
    assert not stand.heard.of(PAGERDUTY)
    assert stand.server.states()["CapacityGone"] == "active"
    assert "CapacityGone" not in names_at(stand, WEBHOOK)


def test_a_lost_node_silences_what_is_on_it_and_nothing_else(stand: Stand) -> None:
    stand.server.fire({"alertname": NODE_LOST, "severity": "critical", "node": "core"})
    stand.server.fire(
        {"alertname": "GpuXid", "severity": "critical", "node": "core", "gpu": "0"},
        {"alertname": "GpuTooHot", "severity": "warning", "node": "other", "gpu": "0"},
    )
    stand.server.wait_for_state("GpuXid", "suppressed")
    stand.server.wait_for_state("GpuTooHot", "active")
    stand.server.wait_for_state(NODE_LOST, "active")
    stand.heard.wait_for(WEBHOOK, NODE_LOST)
    stand.heard.wait_for(WEBHOOK, "GpuTooHot")
    assert names_at(stand, WEBHOOK) == {NODE_LOST, "GpuTooHot"}


def test_a_service_that_is_down_silences_that_it_is_slow(stand: Stand) -> None:
    where = {"namespace": "sophia-ai-prod", "service": "sophia-backend"}
    stand.server.fire({"alertname": "ServiceDown", "severity": "critical", **where})
    stand.server.fire(
        {"alertname": "ServiceSlow", "severity": "warning", **where},
        {"alertname": "ServiceErrors", "severity": "warning", **where, "service": "mcp-gong"},
    )
    stand.server.wait_for_state("ServiceSlow", "suppressed")
    stand.server.wait_for_state("ServiceErrors", "active")


def test_a_critical_alert_without_service_and_node_silences_nobody(stand: Stand) -> None:
    """A label that both lack counts as equal: without care one page would silence every warning."""
    stand.server.fire({"alertname": "MonthSpentOverBudget", "severity": "critical"})
    stand.server.fire({"alertname": "KubeVersionMismatch", "severity": "warning"})
    stand.server.wait_for_state("KubeVersionMismatch", "active")


def test_without_the_exporter_money_is_quiet_and_with_old_figures_only_its_warnings(stand: Stand) -> None:
    stand.server.fire({"alertname": FLEET_DATA_STALE, "severity": "warning"})
    stand.server.fire(
        {"alertname": "BudgetBurns", "severity": "warning"},
        {"alertname": "BudgetBurnsFast", "severity": "critical"},
        {"alertname": "LambdaApiFailing", "severity": "warning"},
    )
    stand.server.wait_for_state("BudgetBurns", "suppressed")
    stand.server.wait_for_state("BudgetBurnsFast", "active")
    stand.server.fire({"alertname": EXPORTER_SILENT, "severity": "critical"})
    stand.server.wait_for_state("BudgetBurnsFast", "suppressed")
    stand.server.wait_for_state("LambdaApiFailing", "active")


def test_the_dead_mans_switch_is_called_every_minute(stand: Stand) -> None:
    """A minute is a second here. A repetition as long as the interval of the group skips every second one."""
    stand.server.fire({"alertname": "Watchdog", "severity": "info"})
    calls = stand.heard.wait_for(SWITCH, "Watchdog", 5)
    gaps_s = [later.at_s - earlier.at_s for earlier, later in itertools.pairwise(calls)]
    assert statistics.median(gaps_s) < 1.5, gaps_s
    assert not stand.heard.of(SLACK)
    assert not stand.heard.of(WEBHOOK)


def test_no_secret_is_in_its_log_or_on_its_status_page(stand: Stand) -> None:
    stand.server.fire({"alertname": "ServiceDown", "severity": "critical"})
    stand.heard.wait_for(PAGERDUTY)
    stand.heard.wait_for(SLACK)
    shown = stand.server.log.read_text(encoding="utf-8") + stand.server.status()
    assert ROUTING_KEY not in shown
    assert SLACK not in shown
    assert WEBHOOK in shown, "an address in the configuration is shown: this is why ours are files"
