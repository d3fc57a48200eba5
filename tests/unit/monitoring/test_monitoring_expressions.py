"""What an expression asks for, by its tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.monitoring.inventory import Metric, inventory
from tests.promql_expressions import (
    Grouping,
    Selector,
    groupings,
    made_labels,
    metric_names,
    scraped_labels,
    selectors,
)


@pytest.mark.parametrize(
    ("expr", "names"),
    [
        ("up", {"up"}),
        ('up{job="a by (b)"} == 0', {"up"}),
        (
            "sum(rate(a_total[5m])) / sum without (le) (rate(b_total[5m] offset 1h30m))",
            {"a_total", "b_total"},
        ),
        ("vllm:num_requests_waiting > 25", {"vllm:num_requests_waiting"}),
        (
            "sum by (namespace) (a) and on (namespace) group_left (owner) b unless ignoring (x) c",
            {"a", "b", "c"},
        ),
        ("count(a) by (x, y) > bool 1e+06", {"a"}),
        ("max_over_time(a[30m:1m]) @ end()", {"a"}),
        ("a @ start() or vector(1) * Inf - NaN", {"a"}),
        ("time() - a # not_a_metric{b='c'}\n> 0x1F", {"a"}),
        ('label_replace(a, "dst", "$1", "src", "(.+)")', {"a"}),
        ('{__name__=~"a|b"}', {""}),
        ("-a ^ 2 atan2 b", {"a", "b"}),
        ("topk by (x) (3, a)", {"a"}),
        ("SUM BY (x) (a) AND b", {"a", "b"}),
        ("1 + 2", set()),
    ],
)
def test_names_are_found_and_nothing_else_is(expr: str, names: set[str]) -> None:
    assert metric_names(expr) == names


_NAMES = st.sampled_from(
    ["up", "a_total", "ns:thing:ratio5m", "vllm:kv_cache_usage_perc", "by_the_way", "sum_of_it"]
)
_LABELS = st.sampled_from(["job", "namespace", "le", "by"])
_SPACE = st.sampled_from(["", " ", "\n  ", " # up{job='x'}\n"])


@st.composite
def _expressions(draw: st.DrawFn) -> tuple[str, frozenset[str]]:
    """An expression by PromQL's grammar, and the names in it."""
    leaf = st.tuples(_NAMES, _LABELS, _SPACE, st.booleans()).map(_selector)
    expr, names = draw(st.recursive(leaf, _combined, max_leaves=8))
    return expr, names


def _selector(parts: tuple[str, str, str, bool]) -> tuple[str, frozenset[str]]:
    name, label, space, has_matcher = parts
    matcher = f'{{{space}{label}{space}=~{space}"x, {label}=\\"y\\" or up"}}' if has_matcher else ""
    return f"{name}{space}{matcher}", frozenset({name})


def _combined(
    inner: st.SearchStrategy[tuple[str, frozenset[str]]],
) -> st.SearchStrategy[tuple[str, frozenset[str]]]:
    return st.one_of(
        st.tuples(inner, _LABELS, _SPACE).map(lambda p: (f"sum{p[2]} by ({p[1]}){p[2]}({p[0][0]})", p[0][1])),
        st.tuples(inner, _LABELS).map(lambda p: (f"max({p[0][0]}) without ({p[1]})", p[0][1])),
        st.tuples(inner, _SPACE).map(lambda p: (f"rate({p[1]}({p[0][0]})[5m:{p[1] and '1m'}])", p[0][1])),
        st.tuples(inner, inner, _LABELS).map(
            lambda p: (f"({p[0][0]}) / on ({p[2]}) group_left () ({p[1][0]})", p[0][1] | p[1][1])
        ),
        st.tuples(inner, inner).map(lambda p: (f"{p[0][0]} unless {p[1][0]}", p[0][1] | p[1][1])),
    )


@given(_expressions())
def test_every_name_of_a_grammatical_expression_is_found(made: tuple[str, frozenset[str]]) -> None:
    expr, names = made
    assert metric_names(expr) == names


def test_selectors_have_the_labels_of_their_matchers() -> None:
    found = selectors('a{x="1", y!~"z"} + b')
    assert found == (Selector("a", frozenset({"x", "y"})), Selector("b", frozenset()))


def test_a_list_of_labels_belongs_to_what_is_aggregated() -> None:
    found = groupings("sum by (x, y) (a) * on (z) group_left (o) max(b) by (w)")
    both = frozenset({"a", "b"})
    assert found == (
        Grouping("by", ("x", "y"), frozenset({"a"})),
        Grouping("on", ("z",), both),
        Grouping("group_left", ("o",), both),
        Grouping("by", ("w",), frozenset({"b"})),
    )


def test_made_labels_are_those_that_functions_write() -> None:
    expr = 'label_replace(label_join(sum(f(a, b)), "j", "-", "x"), "r", "$1", "x", "(.+)")'
    assert made_labels(expr) == {"j", "r"}
    assert made_labels('count_values("version", a)') == {"version"}


def test_an_exporters_own_label_gives_way_to_the_targets() -> None:
    own = Metric("m", "gauge", ("service", "code"), "traefik", "")
    assert {"exported_service", "service", "code"} <= scraped_labels(own)
    assert "exported_code" not in scraped_labels(own)


def test_labels_of_objects_win_where_they_are_honoured() -> None:
    labels = scraped_labels(inventory()["kube_pod_status_phase"])
    assert {"namespace", "pod", "phase"} <= labels
    assert not any(label.startswith("exported_") for label in labels)
    assert "le" in scraped_labels(inventory()["http_request_duration_seconds_bucket"])
    assert "node" in scraped_labels(inventory()["DCGM_FI_DEV_GPU_UTIL"])
