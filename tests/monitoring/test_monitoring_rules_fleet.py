"""Rules of dollars, inference, objectives, the exporter, forecasts and allocation, judged by promtool."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sophia_infra.inference.error_base import InferenceError
from sophia_infra.inference.gateway import errors as gateway_errors
from sophia_infra.monitoring.rules import all_rules, fleet, rule_file
from sophia_infra.monitoring.rules.fleet.slo import OUR_REFUSALS
from sophia_infra.monitoring.terms import Terms
from tests.monitoring import (
    cases_fleet_allocation,
    cases_fleet_exporter,
    cases_fleet_forecast,
    cases_fleet_inference,
    cases_fleet_machines,
    cases_fleet_money,
    cases_fleet_slo,
)
from tests.monitoring.cases_fleet_allocation import Node, Pod, adds_up
from tests.monitoring.cases_fleet_inference import FIRST_MESSAGES
from tests.monitoring.rule_cases import Case, Recorded, judge, local_terms

MODULES = (
    cases_fleet_allocation,
    cases_fleet_exporter,
    cases_fleet_forecast,
    cases_fleet_inference,
    cases_fleet_machines,
    cases_fleet_money,
    cases_fleet_slo,
)

_PRODUCTION = replace(
    local_terms(),
    stack="sophia-infra/production",
    budget_usd_per_month=Decimal(5_500),
    budget_alert_percent=90,
    has_keda=True,
)
_NO_GATEWAY = replace(
    local_terms(),
    services=tuple(one for one in local_terms().services if one.kind not in ("gateway", "vllm")),
    has_gateway=False,
)


def _without_exporter(terms: Terms) -> Terms:
    exporter = terms.config.exporter.model_copy(update={"enabled": False})
    return replace(terms, config=terms.config.model_copy(update={"exporter": exporter}))


_MINIMAL = replace(
    _without_exporter(_NO_GATEWAY),
    services=(),
    has_training=False,
    has_secrets=False,
    has_certificates=False,
)


@pytest.mark.parametrize("cases", [module.CASES for module in MODULES], ids=[m.__name__ for m in MODULES])
def test_alarms_fire_when_they_should_and_only_then(cases: list[Case | Recorded], tmp_path: Path) -> None:
    judge(cases, tmp_path)


@pytest.mark.parametrize(
    "terms",
    [
        local_terms(),
        _PRODUCTION,
        _NO_GATEWAY,
        _without_exporter(local_terms()),
        cases_fleet_slo.LOW_TERMS,
        _MINIMAL,
    ],
    ids=["local", "production", "no-gateway", "no-exporter", "90-percent", "minimal"],
)
def test_promtool_takes_the_whole_rule_file(terms: Terms, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps(rule_file(terms)), encoding="utf-8")
    result = subprocess.run(
        ["promtool", "check", "rules", "--lint=all", "--lint-fatal", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    names = [group.name for group in all_rules(terms)]
    assert len(names) == len(set(names))


def test_parts_that_a_stack_lacks_have_no_rules() -> None:
    def texts(terms: Terms) -> str:
        return json.dumps([group.as_prometheus("") for group in fleet.groups(terms)])

    assert "lambda_inference_" not in texts(_NO_GATEWAY)
    assert "lambda_cloud_" not in texts(_without_exporter(local_terms()))
    assert "http_requests_total" not in texts(_MINIMAL)
    left = {alert.name for group in fleet.groups(_MINIMAL) for alert in group.alerts}
    assert left == {
        "Watchdog",
        "PrometheusTargetDown",
        "PrometheusJobMissing",
        "PrometheusRuleFailures",
        "AlertmanagerNotifyFailing",
        "PrometheusTsdbNearFull",
    }


def test_ours_speak_before_the_plan() -> None:
    # Minutes and dollars at a steady $12 an hour; cases_fleet_inference proves each of them.
    dollars = {alert: minutes * 12 / 60 for alert, minutes in FIRST_MESSAGES.items()}
    assert dollars == {"HighInferenceCosts": 22.2, "InferenceCostsHigh": 8.2, "InferenceBudgetBurnsFast": 5.2}
    proved = {(case.alert, case.at_s // 60) for case in cases_fleet_inference.CASES if isinstance(case, Case)}
    assert set(FIRST_MESSAGES.items()) <= proved


def test_the_plan_keeps_its_rule_to_the_letter() -> None:
    alert = next(a for g in fleet.groups(local_terms()) for a in g.alerts if a.name == "HighInferenceCosts")
    written = alert.as_prometheus("")
    assert (written["expr"], written["for"]) == ("increase(lambda_inference_cost_total[1h]) > 10", "1h")


def test_our_refusals_are_those_of_the_error_tree() -> None:
    assert gateway_errors.__all__  # importing it makes its classes known
    ours = {error.code for error in _below(InferenceError) if error.fault != "caller"}
    theirs = {error.code for error in _below(InferenceError) if error.fault == "caller"}
    assert ours == set(OUR_REFUSALS)
    assert not ours & theirs


def _below(error: type[InferenceError]) -> Iterable[type[InferenceError]]:
    for one in error.__subclasses__():
        yield one
        yield from _below(one)


_SHARES = st.tuples(st.integers(0, 100), st.integers(0, 100), st.integers(1, 100)).map(
    lambda parts: {
        resource: Fraction(part, sum(parts))
        for resource, part in zip(("gpu", "cpu", "memory"), parts, strict=True)
    }
)
_PHASES = st.sampled_from(["Running", "Running", "Pending", "Succeeded", "Failed", "Unknown"])
_REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "gpu": st.integers(1, 8).map(Fraction),
        "cpu": st.integers(1, 64_000).map(lambda milli: Fraction(milli, 1_000)),
        "memory": st.integers(1, 2**38).map(Fraction),
    },
)


@st.composite
def _clusters(draw: st.DrawFn) -> tuple[tuple[Node, ...], tuple[Pod, ...]]:
    nodes = tuple(
        Node(
            f"node-{number}",
            Fraction(draw(st.integers(20, 3_192)), 100),
            draw(_SHARES),
            {
                # No GPU, one, eight, or one shared by four or sixteen.
                "gpu": draw(st.sampled_from([0, 1, 4, 8, 16])),
                "cpu": draw(st.integers(1, 240)),
                "memory": draw(st.integers(2**30, 2**41)),
            },
            draw(st.sampled_from(["GH200", "A10", "H100"])),
        )
        for number in range(draw(st.integers(1, 4)))
    )
    places = ["", *(node.name for node in nodes), "a-node-without-a-price"]
    pods = tuple(
        Pod(
            f"pod-{number}",
            draw(st.sampled_from(["ai", "data", "kube-system"])),
            draw(st.sampled_from(places)),
            draw(_REQUESTS),
            draw(_PHASES),
            draw(st.sampled_from([None, ("Job", "batch"), ("ReplicaSet", "lost-1"), ("DaemonSet", "agent")])),
        )
        for number in range(draw(st.integers(0, 12)))
    )
    return nodes, pods


@settings(
    max_examples=6,
    deadline=None,
    # Each example starts promtool: making a failing one small would take minutes.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.lists(_clusters(), min_size=6, max_size=6))
def test_parts_add_up_to_the_price_of_every_node_however_pods_are_packed(
    clusters: list[tuple[tuple[Node, ...], tuple[Pod, ...]]],
) -> None:
    # One start of promtool judges six clusters.
    cases: list[Case | Recorded] = [
        recorded for number, one in enumerate(clusters) for recorded in adds_up(f"cluster {number}", *one)
    ]
    with TemporaryDirectory() as folder:
        judge(cases, Path(folder))
