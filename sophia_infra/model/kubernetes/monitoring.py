"""`monitoring`: what is measured in the clusters of a stack, how long it is kept, and who is told."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from sophia_infra.model.forms import (
    ClosedModel,
    choice_form,
    number_form,
    text_form,
    whole_number_form,
)
from sophia_infra.model.kubernetes.quantity import Bytes
from sophia_infra.model.kubernetes.sidecars import MonitoringImages
from sophia_infra.model.kubernetes.texts import HealthPath, HostLabel, ImageText, PortName, SecretPath
from sophia_infra.model.value_types import YesNo

__all__ = [
    "METRICS_PORT",
    "AlertingConfig",
    "ExporterConfig",
    "GrafanaConfig",
    "LogsWay",
    "MetricsConfig",
    "MetricsFamily",
    "MonitoringConfig",
    "PagerDutyReceiver",
    "SlackReceiver",
    "WebhookReceiver",
]

METRICS_PORT: Final = "metrics"
"""Name of the port that is scraped where a row has one."""

MetricsFamily = Literal["http", "vllm", "gateway", "n8n", "none"]
LogsWay = Literal["plain", "loki"]

_Channel = Annotated[
    str,
    text_form(
        "a Slack channel",
        pattern=r"[#@][a-z0-9][a-z0-9._-]*",
        rule="# or @ and lower-case letters, digits, hyphens, dots and _",
        max_characters=80,
    ),
]


class MetricsConfig(ClosedModel):
    """What a workload says about itself, and where Prometheus reads it."""

    family: Annotated[
        MetricsFamily, choice_form("a family of metrics", ("http", "vllm", "gateway", "n8n", "none"))
    ] = Field(
        default="http",
        description="Which names it uses: http (http_requests_total by status, and "
        "http_request_duration_seconds), vllm, gateway, n8n, or none (nothing to scrape). Default http; rows "
        "with vllm and the gateway's are theirs.",
    )
    port: PortName | None = Field(
        default=None,
        description="Name of the port, from ports. Default: the one called metrics, else the first.",
    )
    path: HealthPath = Field(default="/metrics", description="HTTP path. Default /metrics.")


class SlackReceiver(ClosedModel):
    """A Slack channel."""

    channel: _Channel = Field(description="Channel or person: #gpu-alerts. No default.")
    webhook: SecretPath = Field(
        description="Path of the incoming webhook's address in the ESC environment, never the address. No "
        "default."
    )


class PagerDutyReceiver(ClosedModel):
    """PagerDuty's Events API v2, for alerts that wake somebody."""

    routing_key: SecretPath = Field(
        description="Path of the integration's routing key in the ESC environment, never the key. No default."
    )


class WebhookReceiver(ClosedModel):
    """Any service that takes Alertmanager's own JSON."""

    url: SecretPath = Field(
        description="Path of the address in the ESC environment: it often carries a token. No default."
    )


class AlertingConfig(ClosedModel):
    """Where alerts go: critical ones to PagerDuty, all to Slack and the webhook."""

    slack: SlackReceiver | None = Field(default=None, description="Slack. Default none.")
    pagerduty: PagerDutyReceiver | None = Field(default=None, description="PagerDuty. Default none.")
    webhook: WebhookReceiver | None = Field(default=None, description="A webhook. Default none.")
    dead_mans_switch: WebhookReceiver | None = Field(
        default=None,
        description="A service outside that expects a call every minute and raises the alarm when none "
        "comes. Default none: then nobody hears that monitoring itself is gone.",
    )

    @property
    def secret_paths(self) -> dict[str, str]:
        """Key in the Secret -> path in the ESC environment, for what is configured."""
        found = {
            "slack-webhook": self.slack and self.slack.webhook,
            "pagerduty-routing-key": self.pagerduty and self.pagerduty.routing_key,
            "webhook-url": self.webhook and self.webhook.url,
            "dead-mans-switch-url": self.dead_mans_switch and self.dead_mans_switch.url,
        }
        return {key: path for key, path in found.items() if path}


class GrafanaConfig(ClosedModel):
    """Dashboards."""

    enabled: YesNo = Field(default=True, description="false leaves Grafana out. Default true.")
    admin_password: SecretPath | None = Field(
        default=None,
        description="Path of the administrator's password in the ESC environment. Default none: the chart "
        "makes one.",
    )
    host: HostLabel | None = Field(
        default=None,
        description="Label in front of the domain of ingress. Default none: by port-forward only.",
    )


class ExporterConfig(ClosedModel):
    """`sophia exporter` in the primary cluster: the fleet and its dollars."""

    enabled: YesNo = Field(default=True, description="false leaves it out. Default true.")
    image: ImageText = Field(
        default="sophia/exporter:1.0.0", description="Its image. Default sophia/exporter:1.0.0."
    )
    api_key: SecretPath = Field(
        default="lambda.api_key",
        description="Path of Lambda's API key in the ESC environment. Default lambda.api_key. Every key has "
        "full access: the API knows no read-only ones.",
    )
    poll_s: Annotated[int, whole_number_form(5, 60)] = Field(
        default=30,
        description="Seconds between two lists of the account's machines, 5 to 60. Default 30: dollars are "
        "then at most a minute old.",
    )


class MonitoringConfig(ClosedModel):
    """Prometheus, Alertmanager and Grafana by kube-prometheus-stack, with rules and dashboards of our own."""

    version: Annotated[
        str,
        text_form(
            "a release of kube-prometheus-stack",
            pattern=r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}",
            rule="three numbers joined by dots, for example 88.5.3",
            max_characters=12,
        ),
    ] = Field(default="88.5.3", description="Chart version, exact. Default 88.5.3.")
    scrape_s: Annotated[int, whole_number_form(5, 60)] = Field(
        default=30,
        description="Seconds between two scrapes of a target, 5 to 60. Default 30: with the exporter's own "
        "30 no dollar is shown later than a minute.",
    )
    retention_days: Annotated[int, whole_number_form(1, 400)] = Field(
        default=30, description="Days that samples are kept, 1 to 400. Default 30, as in the plan."
    )
    storage: Bytes | None = Field(
        default=None,
        description="Size of Prometheus' claim. Default: computed from targets, scrape_s and retention_days.",
    )
    slo_percent: Annotated[float, number_form(90, 99.999)] = Field(
        default=99.9,
        description="Percent of calls that have to succeed in 30 days, above 90, up to 99.999. Default 99.9, "
        "as in the plan: 43.2 minutes of outage a month.",
    )
    runbooks_url: Annotated[str, text_form("an address or a path", max_characters=300)] = Field(
        default="docs/runbooks.md",
        description="Where docs/runbooks.md is to be read by whoever gets an alert. Default: its path in the "
        "project.",
    )
    alerting: AlertingConfig = Field(
        default_factory=AlertingConfig,
        description="Who is told. Default: nobody; alerts show in Alertmanager and Grafana only.",
    )
    grafana: GrafanaConfig = Field(default_factory=GrafanaConfig, description="Grafana. Default: on.")
    exporter: ExporterConfig = Field(
        default_factory=ExporterConfig, description="The exporter of fleet and dollars. Default: on."
    )
    images: MonitoringImages = Field(
        default_factory=MonitoringImages,
        description="Images beside those of the chart. Default: releases of 2026-08 from the public hub; a "
        "registry of your own is named here.",
    )
    logs: Annotated[LogsWay, choice_form("a way for logs", ("plain", "loki"))] = Field(
        default="plain",
        description="plain (each node keeps its own, read by kubectl logs) or loki (collected into one "
        "place). Default plain: it costs nothing.",
    )
