"""No rule asks for what nobody exports: a rule about nothing never fires and looks like health."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources

import pytest

from sophia_infra.monitoring.inventory import inventory
from sophia_infra.monitoring.rule import Recording, Rule
from sophia_infra.monitoring.rules import all_rules
from sophia_infra.monitoring.terms import Terms
from tests.monitoring.cluster_cases import cluster_terms
from tests.promql_expressions import (
    groupings,
    made_labels,
    metric_names,
    scraped_labels,
    selectors,
)


def _rules(terms: Terms) -> list[Rule]:
    return [rule for group in all_rules(terms) for rule in group.rules]


def _recorded(rules: list[Rule]) -> dict[str, frozenset[str]]:
    """Name -> labels that it may have, over all rules that record it."""
    found: dict[str, frozenset[str]] = {}
    recordings = [rule for rule in rules if isinstance(rule, Recording)]
    before = None
    while before != found:  # a series may be recorded from one that stands further down
        before = dict(found)
        for rule in recordings:
            labels = _labels_of(rule.expr, found) | frozenset(rule.labels)
            found[rule.record] = found.get(rule.record, frozenset()) | labels
    return found


def _labels_of_metric(name: str, recorded: dict[str, frozenset[str]]) -> frozenset[str]:
    if name in inventory():
        return scraped_labels(inventory()[name])
    return recorded.get(name, frozenset())


def _labels_of(expr: str, recorded: dict[str, frozenset[str]]) -> frozenset[str]:
    every = [_labels_of_metric(name, recorded) for name in metric_names(expr)]
    return made_labels(expr).union(*every)


def _unknown_metrics(rules: list[Rule]) -> Iterator[str]:
    known = {*inventory(), *_recorded(rules)}
    for rule in rules:
        for name in sorted(metric_names(rule.expr) - known):
            yield f"{_name(rule)} asks for {name or 'a series without a name'}, which nobody exports"


def _unknown_labels(rules: list[Rule]) -> Iterator[str]:
    recorded = _recorded(rules)
    for rule in rules:
        for selector in filter(lambda chosen: chosen.metric, selectors(rule.expr)):
            for label in sorted(selector.labels - _labels_of_metric(selector.metric, recorded)):
                yield f"{_name(rule)} chooses {selector.metric} by {label}, which it has not"
        for grouping in groupings(rule.expr):
            has = made_labels(rule.expr).union(*(_labels_of_metric(m, recorded) for m in grouping.metrics))
            for label in sorted(set(grouping.labels) - has):
                yield f"{_name(rule)} groups {grouping.kind} {label}: not of {sorted(grouping.metrics)}"


def _name(rule: Rule) -> str:
    return rule.record if isinstance(rule, Recording) else rule.name


def test_every_metric_of_a_rule_is_exported_or_recorded() -> None:
    assert list(_unknown_metrics(_rules(cluster_terms()))) == []


def test_every_label_of_a_rule_exists_after_scraping() -> None:
    assert list(_unknown_labels(_rules(cluster_terms()))) == []


@pytest.mark.parametrize(
    ("expr", "said"),
    [
        ("DCGM_FI_DEV_FB_TOTAL > 0", "asks for DCGM_FI_DEV_FB_TOTAL"),
        ("sum(nvidia_gpu_utilization)", "asks for nvidia_gpu_utilization"),
        ('{job="a"} > 0', "without a name"),
        ('up{colour="red"}', "chooses up by colour"),
        ('traefik_service_requests_total{endpoint_name="a"}', "by endpoint_name"),
        ("sum by (model) (vllm:num_requests_waiting)", "groups by model"),
        ("kube_pod_info * on (node_name) kube_node_info", "groups on node_name"),
    ],
)
def test_the_lint_finds_what_nobody_exports(expr: str, said: str) -> None:
    rules: list[Rule] = [Recording("a:b:c", expr)]
    found = [*_unknown_metrics(rules), *_unknown_labels(rules)]
    assert len(found) == 1
    assert said in found[0]


def test_parts_that_a_stack_lacks_leave_no_rule_about_them() -> None:
    terms = cluster_terms()
    config = terms.config.model_copy(
        update={"exporter": terms.config.exporter.model_copy(update={"enabled": False})}
    )
    bare = replace(
        terms,
        services=(),
        config=config,
        has_gateway=False,
        has_training=False,
        has_secrets=False,
        has_keda=False,
        has_certificates=False,
        has_forecast=False,
    )
    asked = {name for rule in _rules(bare) for name in metric_names(rule.expr)}
    exporters = {inventory()[name].exporter for name in asked if name in inventory()}
    assert exporters <= {
        "kube-state-metrics",
        "node-exporter",
        "kubelet",
        "dcgm-exporter",
        "apiserver",
        "prometheus",
        "alertmanager",
    }


def test_every_file_of_the_inventory_says_where_its_facts_are_from() -> None:
    folder = resources.files("sophia_infra.monitoring") / "data"
    files = [file for file in folder.iterdir() if file.name.startswith("metrics-")]
    assert len(files) >= 17
    for file in files:
        document = json.loads(file.read_text(encoding="utf-8"))
        assert len(document["source"]) > 40, file.name
        for name, row in document["metrics"].items():
            assert set(row) == {"type", "labels", "help"}, f"{file.name}: {name}"
            assert row["type"] in ("counter", "gauge", "histogram", "summary"), f"{file.name}: {name}"


def test_exporters_of_the_same_name_mean_the_same() -> None:
    """Such as process_*, which every Prometheus client library brings."""
    folder = resources.files("sophia_infra.monitoring") / "data"
    seen: dict[str, tuple[str, list[str]]] = {}
    for file in folder.iterdir():
        if file.name.startswith("metrics-"):
            for name, row in json.loads(file.read_text(encoding="utf-8"))["metrics"].items():
                assert seen.setdefault(name, (row["type"], row["labels"])) == (row["type"], row["labels"]), (
                    name
                )
