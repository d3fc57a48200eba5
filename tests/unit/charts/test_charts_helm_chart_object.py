"""The object for k3s' Helm controller says what a release would: chart, version, place and values."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from sophia_infra.charts import CHARTS, Chart, NotPlainValues, as_helm_chart_object, check_custom_object


@pytest.mark.parametrize("chart", CHARTS.values(), ids=lambda chart: chart.name)
def test_every_chart_can_be_written_so(chart: Chart) -> None:
    body = as_helm_chart_object("release", chart, "somewhere", {"a": 1})
    assert check_custom_object(body) == []
    assert body["spec"]["version"] == chart.version
    assert (body["spec"]["chart"], body["spec"].get("repo")) == (
        (chart.repository, None) if chart.is_oci else (chart.name, chart.repository)
    )


def test_the_whole_object() -> None:
    body = as_helm_chart_object(
        "gpu", "gpu-operator", "gpu-operator", {"driver": {"enabled": False}}, timeout_s=900
    )
    assert body == {
        "apiVersion": "helm.cattle.io/v1",
        "kind": "HelmChart",
        "metadata": {
            "name": "gpu",
            "namespace": "kube-system",
            "labels": {"app.kubernetes.io/part-of": "sophia", "app.kubernetes.io/managed-by": "pulumi"},
        },
        "spec": {
            "chart": "gpu-operator",
            "repo": "https://helm.ngc.nvidia.com/nvidia",
            "version": "v26.7.0",
            "targetNamespace": "gpu-operator",
            "createNamespace": True,
            "failurePolicy": "abort",
            "timeout": "900s",
            "valuesContent": "driver:\n  enabled: false\n",
        },
    }


def test_values_come_back_as_they_were_and_in_one_order() -> None:
    values: dict[str, Any] = {
        "b": ["x", {"y": None}],
        "a": {"n": 1.5, "on": "off", "text": "Zürich: {{ x }}"},
    }
    first, second = (
        as_helm_chart_object("r", "keda", "keda", given)["spec"]["valuesContent"]
        for given in (values, dict(reversed(values.items())))
    )
    assert first == second
    assert yaml.safe_load(first) == values


def test_no_values_are_no_text() -> None:
    assert "valuesContent" not in as_helm_chart_object("r", "keda", "keda", {})["spec"]


def test_an_output_among_the_values_is_refused_and_not_shown() -> None:
    class Output:
        def __repr__(self) -> str:
            return "hunter2"

    with pytest.raises(NotPlainValues) as refused:
        as_helm_chart_object("r", "keda", "keda", {"a": [{"b": Output()}]})
    assert refused.value.path == "a[0].b"
    assert "Output" in str(refused.value)
    assert "hunter2" not in str(refused.value)
