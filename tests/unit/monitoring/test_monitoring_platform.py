"""The synthetic platform knows every metric of the rules, and no metric that nobody exports."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from sophia_infra.monitoring.inventory import inventory
from sophia_infra.monitoring.rule import Recording
from sophia_infra.monitoring.rules import all_rules
from tests.monitoring.healthy import ABSENT_IN_HEALTH, healthy_platform
from tests.monitoring.platform import Line, Page, Platform, Series, age, constant, moment
from tests.monitoring.rule_cases import local_terms
from tests.promql_expressions import metric_names, scraped_labels

_NODE = "sophia-ai-core"


def test_every_metric_of_a_rule_is_there_or_absent_for_a_reason() -> None:
    """Else a rule is silent about health because it sees nothing."""
    made = {name for name, _, _ in healthy_platform().stored()}
    rules = [rule for group in all_rules(local_terms()) for rule in group.rules]
    recorded = {rule.record for rule in rules if isinstance(rule, Recording)}
    known = made | recorded | ABSENT_IN_HEALTH
    assert {name for rule in rules for name in metric_names(rule.expr)} - known == set()


def test_every_series_is_in_the_inventory_with_no_label_that_it_has_not() -> None:
    wrong: dict[str, set[str]] = {}
    for name, labels, _ in healthy_platform().stored():
        metric = inventory().get(name)
        allowed = scraped_labels(metric) if metric else frozenset()
        if labels.keys() - allowed:
            wrong.setdefault(name, set()).update(labels.keys() - allowed)
    assert wrong == {}


def test_no_series_is_there_twice() -> None:
    counted = Counter(
        (name, tuple(sorted(labels.items()))) for name, labels, _ in healthy_platform().stored()
    )
    assert {series: count for series, count in counted.items() if count > 1} == {}


def test_a_pod_is_on_the_same_node_for_all_who_speak_of_it() -> None:
    # Of the exporter's series `node` is a machine of the fleet, and `pod` the exporter's own.
    nodes: dict[str, set[str]] = {}
    for name, labels, _ in healthy_platform().stored():
        if {"pod", "node"} <= labels.keys() and not name.startswith("lambda_"):
            nodes.setdefault(labels["pod"], set()).add(labels["node"])
    assert len(nodes) > 50
    assert {pod: found for pod, found in nodes.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    ("line", "now_s", "value"),
    [
        (constant(5), 1_000.0, 5.0),
        (Line(10, 0.5), 1_100.0, 60.0),
        (moment(60), 1_100.0, 940.0),
        (age(60), 1_100.0, 1_040.0),
        (age(-60), 1_100.0, 1_160.0),
    ],
)
def test_a_line_is_what_its_name_says(line: Line, now_s: float, value: float) -> None:
    assert line.at(now_s, origin_s=1_000.0) == value


def one_page(*, honor_labels: bool = False) -> Page:
    series = Series("up_time", {"pod": "theirs", "gpu": "0", "container": ""}, constant(1))
    labels = {"instance": "a:1", "pod": "ours", "container": "ours"}
    return Page("job", labels, (series,), honor_labels=honor_labels)


def test_labels_of_the_target_win_as_in_prometheus() -> None:
    page = one_page()
    assert page.scraped(page.series[0]) == {
        "job": "job",
        "instance": "a:1",
        "pod": "ours",
        "container": "ours",
        "exported_pod": "theirs",
        "gpu": "0",
    }


def test_labels_of_the_page_win_where_they_are_honoured() -> None:
    page = one_page(honor_labels=True)
    assert page.scraped(page.series[0]) == {"job": "job", "instance": "a:1", "pod": "theirs", "gpu": "0"}


def test_a_knob_turns_what_it_names_and_nothing_else() -> None:
    before = list(healthy_platform().stored())
    sick = healthy_platform().with_line("DCGM_FI_DEV_GPU_TEMP", constant(95), node=_NODE)
    changed = [(a, b) for a, b in zip(before, sick.stored(), strict=True) if a != b]
    assert [(b[0], b[1]["node"], b[2]) for _, b in changed] == [("DCGM_FI_DEV_GPU_TEMP", _NODE, constant(95))]


def test_a_knob_that_names_nothing_is_refused() -> None:
    with pytest.raises(AssertionError, match=re.escape("no series DCGM_FI_DEV_GPU_TEMP has {'node': 'x'}")):
        healthy_platform().with_line("DCGM_FI_DEV_GPU_TEMP", constant(95), node="x")


def test_a_counter_goes_on_from_where_it_is() -> None:
    platform = Platform((Page("job", {}, (Series("calls_total", {}, Line(100, 1)),)),), origin_s=1_000.0)
    (_, _, line) = list(platform.with_rate("calls_total", 10, 1_060.0).stored())[1]
    assert line.at(1_060.0, 1_000.0) == 160
    assert line.at(1_061.0, 1_000.0) == 170


def test_a_target_that_is_down_gives_nothing_but_that() -> None:
    platform = Platform((one_page(),)).down(job="job")
    assert [(name, line.base) for name, _, line in platform.stored()] == [("up", 0.0)]


def test_promtool_gets_the_same_lines() -> None:
    series = (Series("a", {"b": 'quoted "c"'}, Line(1.5, -0.25)), Series("seen_s", {}, age(30)))
    made = Platform((Page("job", {}, series),)).promtool_series(60, 3)
    assert [(one["series"], one["values"]) for one in made] == [
        ('up{job="job"}', "1+0x3"),
        (r'a{b="quoted \"c\"",job="job"}', "1.5-15x3"),
        ('seen_s{job="job"}', "-30+60x3"),
    ]
