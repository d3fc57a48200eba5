"""Measures of autoscalers: which row may have which, who serves them, and what a stack is told about it."""

from __future__ import annotations

import pytest

from sophia_infra.model.kubernetes import AutoscaleConfig
from sophia_infra.model.stack_config import ConfigError
from tests.unit.model.kubernetes.kubernetes_cases import Case
from tests.unit.model.kubernetes.kubernetes_stacks import API, LLM, SECTION, Change, section_of, stack_of
from tests.unit.model.kubernetes.serving_stacks import DOOR, SERVER, SERVING

ADAPTER = (SECTION, "autoscaling")
MONITORING: Change = ((SECTION, "monitoring"), {"exporter": {"enabled": False}})
BY_GPU: Change = ((*LLM, "autoscale"), {"min": 1, "max": 1, "gpu_utilization": 70})

CASES = [
    Case(
        "tokens a second of a row that writes none",
        (((*API, "autoscale"), {"min": 1, "max": 2, "cpu": 70, "tokens_per_s": 25}),),
        "workloads.api.autoscale.tokens_per_s: 25 is counted by the gateway for rows with vllm or gateway: "
        "true: scale by cpu or memory",
    ),
    Case(
        "a forecast of calls that another row answers",
        (((*API, "autoscale"), {"min": 1, "max": 2, "cpu": 70, "forecast": 2.5}),),
        "workloads.api.autoscale.forecast: 2.5 is counted by the gateway for rows with vllm or gateway: "
        "true: scale by cpu or memory",
    ),
    Case(
        "a forecast and nothing that is measured",
        (((*SERVER, "autoscale"), {"min": 1, "max": 2, "forecast": 0.9}),),
        "workloads.server.autoscale.forecast: 0.9 is the only measure, and where a forecast fails the pods "
        "would go: add one of what is; allowed: cpu, memory, gpu_utilization (percent), queue, rps, "
        "tokens_per_s",
    ),
    Case(
        "a forecast of nothing",
        (((*SERVER, "autoscale"), {"min": 1, "max": 2, "queue": 5, "forecast": 0}),),
        "workloads.server.autoscale.forecast: 0 is out of range; allowed: a number above 0.001, up to 1e+06",
    ),
    Case(
        "tokens a second alone, and no KEDA",
        (((*DOOR, "autoscale"), {"min": 1, "max": 2, "tokens_per_s": 25}),),
        "workloads.door.autoscale: has only measures of KEDA, and it is off: enable it in "
        "autoscaling.keda, or add another; allowed: cpu, memory, gpu_utilization (percent)",
    ),
    Case(
        "an adapter without Prometheus",
        ((ADAPTER, {"adapter": {"enabled": True}}),),
        "autoscaling.adapter.enabled: true is on, and the adapter has nobody to ask: there is no section "
        "monitoring; allowed: a section monitoring, autoscaling.keda.prometheus_url, or enabled: false",
    ),
    Case(
        "the adapter's namespace",
        (((SECTION, "namespaces"), {"sophia-ai-prod": {}, "prometheus-adapter": {}}),),
        "namespaces.prometheus-adapter: is not for workloads: prometheus-adapter belongs to Kubernetes or "
        "to an operator",
    ),
    Case(
        "the name of another row's autoscaler",
        (((*SERVER, "autoscale"), {"min": 1, "max": 1, "cpu": 70, "name": "door"}),),
        'workloads.server.autoscale.name: "door" is the name of the autoscaler of door, in the same '
        "namespace",
    ),
    Case(
        "one name for two autoscalers",
        (
            ((*SERVER, "autoscale"), {"min": 1, "max": 1, "cpu": 70, "name": "ours"}),
            ((*DOOR, "autoscale", "name"), "ours"),
        ),
        'workloads.door.autoscale.name: "ours" is the name of the autoscaler of server, in the same '
        "namespace",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_each_mistake_is_named_with_its_key_and_what_is_allowed(case: Case) -> None:
    case._replace(changes=(*SERVING, *case.changes)).check()


def test_the_plans_hpa_is_a_row_of_the_stack_file() -> None:
    plan = {"name": "sophia-ai-hpa", "min": 1, "max": 1, "gpu_utilization": 70}
    scale = section_of(stack_of(((*LLM, "autoscale"), plan))).workloads["llm"].autoscale
    assert scale is not None
    assert scale.object_name("llm") == "sophia-ai-hpa"
    assert AutoscaleConfig(min=1, max=2, cpu=70).object_name("llm") == "llm"


def test_promised_defaults_of_the_adapter() -> None:
    adapter = section_of(stack_of()).autoscaling.adapter
    assert (adapter.enabled, adapter.version) == (None, "5.3.0")


def test_gpu_use_is_read_by_the_adapter_unless_keda_has_the_row() -> None:
    both = AutoscaleConfig(min=1, max=2, gpu_utilization=70, queue=5)
    alone = AutoscaleConfig(min=1, max=2, gpu_utilization=70)
    without = section_of(stack_of()).autoscaling
    keda = {"enabled": True, "prometheus_url": "http://prometheus.monitoring.svc:9090"}
    with_keda = section_of(stack_of((ADAPTER, {"keda": keda}))).autoscaling
    assert [scaling.asks_adapter(both) for scaling in (without, with_keda)] == [True, False]
    assert [scaling.asks_adapter(alone) for scaling in (without, with_keda)] == [True, True]
    assert not without.asks_adapter(None)
    assert not without.asks_adapter(AutoscaleConfig(min=1, max=2, cpu=70))


def test_a_measure_that_nobody_serves_is_warned_of() -> None:
    key = "sophia:kubernetes.workloads.llm.autoscale.gpu_utilization: nobody measures it"
    cases: list[tuple[tuple[Change, ...], bool]] = [
        ((BY_GPU,), True),
        ((BY_GPU, MONITORING), False),
        ((BY_GPU, (ADAPTER, {"adapter": {"enabled": False}})), False),
        ((((*LLM, "autoscale"), {"min": 1, "max": 1, "cpu": 70}),), False),
    ]
    for changes, is_warned in cases:
        found = [warning for warning in stack_of(*changes).warnings if warning.startswith(key)]
        assert len(found) == is_warned, changes


@pytest.mark.parametrize("version", ["5.3", "v5.3.0", "latest"])
def test_a_chart_version_is_exact(version: str) -> None:
    with pytest.raises(ConfigError, match="a release of prometheus-adapter"):
        stack_of((ADAPTER, {"adapter": {"version": version}}))
