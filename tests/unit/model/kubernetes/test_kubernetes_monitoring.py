"""`monitoring` and `metrics`: what they promise, and what is wrong about them."""

from __future__ import annotations

import pytest

from sophia_infra.model.kubernetes import KubernetesConfig
from tests.unit.model.kubernetes.kubernetes_cases import Case
from tests.unit.model.kubernetes.kubernetes_stacks import API, SECTION, section_of, stack_of
from tests.unit.model.kubernetes.serving_stacks import DOOR, REMOVED, SERVER, SERVING

MONITORING = (SECTION, "monitoring")
SECRETS = (SECTION, "secrets")
KEDA = (SECTION, "autoscaling")

CASES = [
    Case(
        "an exporter without a place for its key",
        ((MONITORING, {}), (SECRETS, REMOVED), ((*API, "secret_env"), REMOVED)),
        "monitoring.exporter: needs sophia:kubernetes.secrets, which says where secrets come from; allowed: "
        "enabled: false, or a section secrets",
    ),
    Case(
        "an unknown way for logs",
        ((MONITORING, {"logs": "lokki"}),),
        'monitoring.logs: "lokki" is not a way for logs, did you mean loki?; allowed: plain, loki',
    ),
    Case(
        "no budget for errors",
        ((MONITORING, {"slo_percent": 100}),),
        "monitoring.slo_percent: 100 is out of range; allowed: a number above 90, up to 99.999",
    ),
    Case(
        "dollars that come late",
        ((MONITORING, {"exporter": {"poll_s": 300}}),),
        "monitoring.exporter.poll_s: 300 is out of range; allowed: a whole number from 5 to 60",
    ),
    Case(
        "the address of a webhook itself",
        ((MONITORING, {"alerting": {"webhook": {"url": "https://hooks.example.com/T0/B0/s3cr3t"}}}),),
        "monitoring.alerting.webhook.url: (hidden) is not a path in the ESC environment (is it the secret "
        "itself?); "
        "allowed: names joined by dots, for example ai.openai_api_key",
    ),
    Case(
        "a channel without its sign",
        ((MONITORING, {"alerting": {"slack": {"channel": "alerts", "webhook": "slack.webhook"}}}),),
        'monitoring.alerting.slack.channel: "alerts" is not a Slack channel; allowed: # or @ and lower-case '
        "letters, digits, hyphens, dots and _",
    ),
    Case(
        "KEDA asks nobody",
        ((KEDA, {"keda": {"enabled": True}}),),
        "autoscaling.keda.prometheus_url: is missing, and KEDA has nobody to ask: there is no section "
        "monitoring; allowed: http://prometheus.monitoring.svc:9090, or enabled: false",
    ),
    Case(
        "a port for metrics that is none",
        (((*API, "metrics"), {"port": "metrcs"}),),
        'workloads.api.metrics.port: "metrcs" is not in ports, did you mean metrics?; allowed: http, metrics',
    ),
    Case(
        "a family of nobody",
        (((*API, "metrics"), {"family": "statsd"}),),
        'workloads.api.metrics.family: "statsd" is not a family of metrics; allowed: http, vllm, gateway, '
        "n8n, none",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_mistake_is_named_with_its_key_and_what_is_allowed(case: Case) -> None:
    case.check()


def _monitored(**fields: object) -> KubernetesConfig:
    return section_of(stack_of((MONITORING, fields)))


def test_promised_defaults() -> None:
    kube = _monitored()
    config = kube.monitoring
    assert config is not None
    assert (config.version, config.scrape_s, config.retention_days, config.storage) == (
        "88.5.3",
        30,
        30,
        None,
    )
    assert (config.slo_percent, config.runbooks_url, config.logs) == (99.9, "docs/runbooks.md", "plain")
    assert (config.exporter.enabled, config.exporter.poll_s) == (True, 30)
    assert (config.exporter.image, config.exporter.api_key) == ("sophia/exporter:1.0.0", "lambda.api_key")
    assert (config.grafana.enabled, config.grafana.host, config.grafana.admin_password) == (True, None, None)
    assert config.alerting.secret_paths == {}


def test_dollars_are_a_minute_old_at_most() -> None:
    config = _monitored().monitoring
    assert config is not None
    assert config.scrape_s + config.exporter.poll_s <= 60


def test_only_what_is_configured_is_read_from_esc() -> None:
    config = _monitored(
        alerting={
            "slack": {"channel": "#gpu", "webhook": "alerts.slack"},
            "dead_mans_switch": {"url": "alerts.heartbeat"},
        }
    ).monitoring
    assert config is not None
    assert config.alerting.secret_paths == {
        "slack-webhook": "alerts.slack",
        "dead-mans-switch-url": "alerts.heartbeat",
    }


def test_without_monitoring_nothing_is_measured() -> None:
    kube = section_of(stack_of())
    assert kube.monitoring is None
    assert kube.prometheus_url is None


def test_keda_asks_the_prometheus_of_the_stack_unless_told_otherwise() -> None:
    own = section_of(stack_of((MONITORING, {}), (KEDA, {"keda": {"enabled": True}})))
    assert own.prometheus_url == "http://prometheus-operated.monitoring.svc:9090"
    told = {"keda": {"enabled": True, "prometheus_url": "http://thanos.elsewhere.svc:9090"}}
    assert section_of(stack_of((MONITORING, {}), (KEDA, told))).prometheus_url == (
        "http://thanos.elsewhere.svc:9090"
    )


def test_a_row_is_asked_at_its_port_for_metrics_else_at_its_first() -> None:
    rows = section_of(stack_of(*SERVING)).workloads
    assert rows["api"].metrics_port == "metrics"
    assert rows["server"].metrics_port == next(iter(rows["server"].ports))
    told = section_of(stack_of(((*API, "metrics"), {"port": "http"}))).workloads["api"]
    assert told.metrics_port == "http"


def test_servers_have_the_metrics_of_their_kind() -> None:
    rows = section_of(stack_of(*SERVING)).workloads
    families = {name: rows[name].metrics_family for name in ("api", "server", "door")}
    assert families == {"api": "http", "server": "vllm", "door": "gateway"}
    assert (SERVER[-1], DOOR[-1]) == ("server", "door")
