"""Pins are facts: complete, dated, and named so that nobody installs another chart by mistake."""

from __future__ import annotations

import re
from datetime import date

import pytest

from sophia_infra.charts import (
    CHARTS,
    PINNED_ON,
    Chart,
    ChartsError,
    NotPlainValues,
    UnknownChart,
    UnknownGroup,
)
from sophia_infra.charts.pins import find_chart
from tests.unit.charts.packaged_keys import key_tree

EVERY_CHART = pytest.mark.parametrize("chart", CHARTS.values(), ids=lambda chart: chart.name)


def test_what_is_pinned() -> None:
    assert {name: chart.version for name, chart in CHARTS.items()} == {
        "gpu-operator": "v26.7.0",
        "external-secrets": "2.9.0",
        "kueue": "0.19.2",
        "keda": "2.20.2",
        "kube-prometheus-stack": "88.5.3",
        "prometheus-adapter": "5.3.0",
        "argo-rollouts": "2.41.0",
        "jobset": "0.12.0",
        "lws": "0.10.0",
        "opencost": "2.5.17",
    }


@EVERY_CHART
def test_a_pin_is_exact_and_has_its_source(chart: Chart) -> None:
    assert re.fullmatch(r"v?\d+\.\d+\.\d+", chart.version)
    assert chart.source
    assert chart.released is None or date(2026, 1, 1) <= chart.released <= PINNED_ON
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,61}[a-z0-9]", chart.namespace)


@EVERY_CHART
def test_a_chart_is_fetched_over_tls_or_from_an_image_registry(chart: Chart) -> None:
    assert chart.repository.startswith(("https://", "oci://"))
    assert chart.is_oci == chart.repository.startswith("oci://")
    assert chart.reference == (chart.repository if chart.is_oci else chart.name)
    if chart.is_oci:
        assert chart.repository.endswith(f"/{chart.name}")


@EVERY_CHART
def test_every_chart_has_its_list_of_keys(chart: Chart) -> None:
    assert key_tree(chart.name)


def test_only_a_chart_known_to_have_no_hooks_may_be_rendered() -> None:
    rendered = {name for name, chart in CHARTS.items() if chart.has_hooks is False}
    assert rendered == {"external-secrets", "keda", "prometheus-adapter"}


def test_a_misspelt_chart_is_named_with_the_closest_one() -> None:
    with pytest.raises(UnknownChart, match=r"'gpu-opertor' is pinned, did you mean gpu-operator\?"):
        find_chart("gpu-opertor")


@pytest.mark.parametrize(
    "error",
    [UnknownChart("x", CHARTS), UnknownGroup("x.io", ["y.io"]), NotPlainValues("a.b", "Output")],
    ids=lambda error: type(error).__name__,
)
def test_an_error_says_whose_fault_it_is_and_what_to_do(error: ChartsError) -> None:
    assert error.fault in {"user", "ours"}
    assert error.retry is False
    assert error.next_step in str(error)


def test_every_error_of_the_room_is_tried_above() -> None:
    assert {kind.__name__ for kind in ChartsError.__subclasses__()} == {
        "NotPlainValues",
        "UnknownChart",
        "UnknownGroup",
    }
