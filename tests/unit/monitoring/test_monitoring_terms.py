"""What rules depend on: a part that a stack lacks raises no alarm about its absence."""

from __future__ import annotations

from dataclasses import replace

from sophia_infra.manifests.monitoring.alertmanager_config import SAID_BY
from sophia_infra.model.stack_config import load_stack_config
from sophia_infra.monitoring.rules import all_alerts
from sophia_infra.monitoring.terms import terms_of
from tests.monitoring.rule_cases import CHECKOUT, local_terms


def test_gpu_metrics_are_missed_only_where_there_are_some() -> None:
    terms = local_terms()
    assert terms.has_gpu_metrics
    assert "nvidia-dcgm-exporter" in all_alerts(terms)["PrometheusJobMissing"].expr
    without = all_alerts(replace(terms, has_gpu_metrics=False))["PrometheusJobMissing"].expr
    assert "nvidia-dcgm-exporter" not in without
    assert "kube-state-metrics" in without


def test_terms_follow_the_stack_file() -> None:
    config = load_stack_config(CHECKOUT / "Pulumi.local.yaml")
    terms = terms_of(config, "sophia-infra/local")
    assert terms.budget_usd_per_month == 6000
    assert terms.inference_usd_per_hour == 10
    assert terms.inference_usd_per_month == 2500
    assert config.kubernetes is not None
    rows = {*config.kubernetes.enabled_workloads(), *config.kubernetes.enabled_databases()}
    assert {service.name for service in terms.services} == rows
    assert {service.name for service in terms.of_kind("vllm", "gateway")} == {
        "lambda-inference",
        "inference-gateway",
    }


def test_what_is_not_said_beside_something_worse_is_milder() -> None:
    alerts = all_alerts(local_terms())
    for worse, milder in SAID_BY.items():
        assert alerts[worse].severity == "critical"
        assert alerts[milder].severity == "warning"
