"""The coverage table: nobody is left unmeasured, and what a cell names exists."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sophia_infra.model.stack_config import load_stack_config
from sophia_infra.monitoring.coverage import SIGNALS, Row, coverage, render_markdown, uncovered
from sophia_infra.monitoring.inventory import inventory
from sophia_infra.monitoring.rule import Recording
from sophia_infra.monitoring.rules import all_alerts, all_rules
from sophia_infra.monitoring.terms import Service, Terms, terms_of
from tests.monitoring.cluster_cases import cluster_terms
from tests.promql_expressions import metric_names

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("stack", ["local", "production"])
def test_every_service_of_the_tracked_stacks_is_measured(stack: str) -> None:
    config = load_stack_config(CHECKOUT / f"Pulumi.{stack}.yaml")
    if config.kubernetes is None or config.kubernetes.monitoring is None:
        pytest.skip(f"{stack} has no monitoring")
    terms = terms_of(config, f"sophia-infra/{stack}")
    assert uncovered(terms) == ()
    assert {row.name for row in coverage(terms)} >= {service.name for service in terms.services}


def _with(service: Service) -> Terms:
    terms = cluster_terms()
    return replace(terms, services=(*terms.services, service))


def test_a_row_without_metrics_is_refused_by_name_and_key() -> None:
    said = uncovered(_with(Service("mcp-notion", "sophia-ai-prod", "none", "business")))
    assert len(said) == 1
    assert said[0].startswith("Nobody measures latency, traffic and errors of mcp-notion (team business): ")
    assert "workloads.mcp-notion.metrics.family" in said[0]


def test_the_ingress_measures_a_row_that_does_not_measure_itself() -> None:
    terms = _with(Service("landing", "sophia-ai-prod", "none", "web", has_route=True))
    assert uncovered(terms) == ()
    row = _row(terms, "landing")
    assert row.cells["latency"].exporters == ("traefik",)
    assert row.cells["saturation"].exporters == ("cadvisor",)


def test_every_metric_and_alert_of_a_cell_exists() -> None:
    terms = cluster_terms()
    alerts = all_alerts(terms)
    for row in coverage(terms):
        for signal, cell in row.cells.items():
            assert cell.metrics, f"{row.name} {signal}"
            for name in cell.metrics:
                assert name in inventory(), f"{row.name} {signal}: {name}"
            assert set(cell.alerts) <= set(alerts), f"{row.name} {signal}"


def test_alerts_that_the_stack_lacks_are_in_no_cell() -> None:
    terms = cluster_terms()
    backend = tuple(service for service in terms.services if service.name == "sophia-backend")
    only_backend = replace(terms, services=backend, has_gateway=False)
    named = {name for row in coverage(only_backend) for cell in row.cells.values() for name in cell.alerts}
    assert named <= set(all_alerts(only_backend))
    assert "PipelineSlow" not in named


def test_alerts_of_a_cell_are_about_metrics_of_that_row() -> None:
    """An alert in a cell reads one of its metrics, or a series that is recorded from them."""
    terms = cluster_terms()
    sources = _sources(terms)
    alerts = all_alerts(terms)
    for row in coverage(terms):
        asked = {name for cell in row.cells.values() for name in cell.metrics}
        for signal, cell in row.cells.items():
            for alert in cell.alerts:
                reads = _closure(alerts[alert].expr, sources)
                if reads - {"up"}:  # the others are about a target as such
                    assert reads & asked or row.kind == "platform", f"{row.name} {signal}: {alert}"


def test_a_cell_names_the_alarm_of_that_row_and_not_of_others() -> None:
    terms = cluster_terms()
    assert _row(terms, "sophia-data-pipeline").cells["latency"].alerts == ("PipelineSlow",)
    assert _row(terms, "mcp-asana").cells["latency"].alerts == ("ServiceSlow",)
    assert "InnerServiceDown" in _row(terms, "mcp-asana").cells["errors"].alerts
    assert "ServiceDown" in _row(terms, "postgres").cells["errors"].alerts
    assert "GpuMemoryNearFull" not in _row(terms, "lambda-inference").cells["saturation"].alerts


def test_the_platforms_own_parts_are_in_the_table() -> None:
    parts = {row.name: row for row in coverage(cluster_terms()) if row.kind == "platform"}
    assert set(parts) == {
        "machines",
        "GPUs",
        "Kubernetes API",
        "ingress",
        "sophia exporter",
        "Prometheus",
        "Alertmanager",
    }
    assert not any(row.missing for row in parts.values())


def test_the_table_is_the_same_each_time_and_one_line_a_row() -> None:
    rows = coverage(cluster_terms())
    text = render_markdown(rows)
    assert text == render_markdown(coverage(cluster_terms()))
    lines = text.splitlines()
    assert lines[0] == "| service | owner | latency | traffic | errors | saturation |"
    assert len(lines) == len(rows) + 2
    assert all(line.count(" | ") == len(SIGNALS) + 1 for line in lines if not line.startswith("|--"))


def test_an_empty_cell_is_seen_in_the_table() -> None:
    rows = coverage(_with(Service("mcp-notion", "sophia-ai-prod", "none", "business")))
    line = next(line for line in render_markdown(rows).splitlines() if "mcp-notion" in line)
    assert line.startswith("| mcp-notion | business | nobody | nobody | nobody | `container_")


def _row(terms: Terms, name: str) -> Row:
    return next(row for row in coverage(terms) if row.name == name)


def _sources(terms: Terms) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for group in all_rules(terms):
        for rule in group.rules:
            if isinstance(rule, Recording):
                found.setdefault(rule.record, set()).update(metric_names(rule.expr))
    return found


def _closure(expr: str, sources: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    pending = set(metric_names(expr))
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending |= sources.get(name, set())
    return found
