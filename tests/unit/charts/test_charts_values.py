"""A key that the chart does not read never passes in silence, and a key that it reads never fails."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.charts import CHARTS, UnknownChart, check_values
from tests.unit.charts.packaged_keys import Keys, key_tree, nested, nodes

EVERY_CHART = pytest.mark.parametrize("chart", CHARTS)
NODES = {chart: list(nodes(key_tree(chart))) for chart in CHARTS}
CLOSED = {
    chart: [((), key_tree(chart)), *((path, node) for path, node in found if isinstance(node, dict))]
    for chart, found in NODES.items()
}
LEAVES: dict[str, Any] = {"b": True, "s": "text", "*": {"any": {"thing": [1]}}}


def everything(tree: dict[str, Any]) -> dict[str, Any]:
    return {key: everything(node) if isinstance(node, dict) else LEAVES[node] for key, node in tree.items()}


@EVERY_CHART
def test_a_chart_takes_all_of_its_keys_at_once(chart: str) -> None:
    assert check_values(chart, everything(key_tree(chart))) == []


@EVERY_CHART
def test_a_wrong_key_fails_in_every_chart(chart: str) -> None:
    first = next(iter(key_tree(chart)))
    (problem,) = check_values(chart, {f"{first}z": 1})
    assert problem.startswith(f"{chart} {CHARTS[chart].version}: {first}z is not a value of this chart")
    assert problem.endswith(f"did you mean {first}?")


@given(st.data())
def test_one_misspelt_key_anywhere_is_one_problem_that_names_its_path(data: st.DataObject) -> None:
    chart = data.draw(st.sampled_from(sorted(CHARTS)))
    path, node = data.draw(st.sampled_from(CLOSED[chart]))
    wrong = data.draw(st.text("abcdefgh", min_size=1, max_size=8).filter(lambda key: key not in node))
    (problem,) = check_values(chart, nested((*path, wrong), {"below": {"it": 1}}))
    assert f" {dotted((*path, wrong))} is not a value" in problem


@given(st.data())
def test_whatever_stands_in_a_free_place_is_accepted(data: st.DataObject) -> None:
    chart = data.draw(st.sampled_from(sorted(CHARTS)))
    path = data.draw(st.sampled_from([path for path, node in NODES[chart] if node == "*"]))
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    )
    assert check_values(chart, nested(path, data.draw(anything))) == []


@given(st.data())
def test_null_removes_a_default_and_an_unresolved_output_is_not_judged(data: st.DataObject) -> None:
    chart = data.draw(st.sampled_from(sorted(CHARTS)))
    path, _ = data.draw(st.sampled_from(NODES[chart]))
    assert check_values(chart, nested(path, data.draw(st.sampled_from([None, object()])))) == []


def dotted(path: Keys) -> str:
    return ".".join(key.replace(".", "\\.") for key in path)


def test_all_problems_come_at_once_in_order() -> None:
    problems = check_values(
        "gpu-operator",
        {"drivr": {"enabled": False}, "toolkit": {"enabled": True, "enviroment": []}, "mig": 1},
    )
    assert [problem.removeprefix("gpu-operator v26.7.0: ") for problem in problems] == [
        "drivr is not a value of this chart, did you mean driver?",
        "toolkit.enviroment is not a value of this chart; keys in this place: "
        "enabled, repository, image, version, imagePullPolicy, ...",
        "mig is a map in this chart, with keys strategy",
    ]


def test_a_key_in_the_wrong_place_is_found_where_it_belongs() -> None:
    (problem,) = check_values("gpu-operator", {"serviceMonitor": {"enabled": True}})
    assert "it has dcgmExporter.serviceMonitor" in problem


@pytest.mark.parametrize("text", ["true", "false", "False", "no"])
def test_a_boolean_in_quotes_is_refused_because_templates_take_it_for_true(text: str) -> None:
    (problem,) = check_values("gpu-operator", {"driver": {"enabled": text}})
    assert problem.endswith("driver.enabled is text here; write true or false without quotes")


def test_a_map_in_the_place_of_a_single_value_is_refused() -> None:
    (problem,) = check_values("gpu-operator", {"mig": {"strategy": {"single": True}}})
    assert problem.endswith("mig.strategy is a single value in this chart, not a map")


def test_the_values_of_a_chart_inside_a_chart_are_checked_too() -> None:
    assert (
        check_values("gpu-operator", {"node-feature-discovery": {"worker": {"nodeSelector": {"a": "b"}}}})
        == []
    )
    assert check_values("gpu-operator", {"node-feature-discovery": {"wroker": {}}}) == [
        "gpu-operator v26.7.0: node-feature-discovery.wroker is not a value of this chart, "
        "did you mean node-feature-discovery.worker?"
    ]
    assert check_values("kube-prometheus-stack", {"grafana": {"sidecar": {"dashboard": {}}}}) == [
        "kube-prometheus-stack 88.5.3: grafana.sidecar.dashboard is not a value of this chart, "
        "did you mean grafana.sidecar.dashboards?"
    ]


def test_a_chart_inside_a_chart_without_a_list_takes_anything() -> None:
    assert check_values("external-secrets", {"bitwarden-sdk-server": {"whatever": 1}}) == []


def test_configuration_files_of_other_programs_have_keys_of_their_own() -> None:
    values = {
        "alertmanager": {"config": {"time_intervals": []}},
        "grafana": {"grafana.ini": {"auth.generic_oauth": {"enabled": True}}},
    }
    assert check_values("kube-prometheus-stack", values) == []


def test_a_map_of_a_kubernetes_type_takes_all_fields_of_the_type_and_no_others() -> None:
    assert check_values("keda", {"securityContext": {"operator": {"runAsGroup": 1000}}}) == []
    assert check_values("keda", {"securityContext": {"operater": {}}})
    assert check_values("keda", {"securityContext": {"operator": {"runAsGruop": 1000}}}) == [
        "keda 2.20.2: securityContext.operator.runAsGruop is not a value of this chart, "
        "did you mean securityContext.operator.runAsGroup?"
    ]


def test_labels_and_resource_names_are_the_users_own() -> None:
    limits = {"limits": {"nvidia.com/gpu": 1}}
    assert (
        check_values("gpu-operator", {"operator": {"resources": limits, "nodeSelector": {"a/b": "c"}}}) == []
    )


def test_a_value_is_never_shown() -> None:
    problems = check_values(
        "kube-prometheus-stack", {"grafana": {"adminPasword": "hunter2", "image": "hunter2"}}
    )
    assert len(problems) == 2
    assert "hunter2" not in " ".join(problems)


def test_an_unknown_chart_is_an_error_and_no_problem() -> None:
    with pytest.raises(UnknownChart):
        check_values("gpu", {})
